"""CHT8305: temperature and relative humidity, 14 bits each, without a checksum.

Maker: Sensylink (CN)
Bus: I2C 0x40, 0x41, 0x42, 0x43
Source: CHT8305 datasheet, "Register map", "Configuration register"
Rates: on demand, at most one a second (it heats itself); one measurement takes 13 to 23 ms
Unverified: the two lowest bits of a word are 0 at 14 bits; time that a reset takes (5 ms); that a
    CHT8305C is done within 23 ms (Zephyr's driver, after the maker's code)

It resembles the HDC1080, which answers at 0x40 too and is told by its maker's id. The heater has
no option here, and start and stop put it off.
"""

import time

from motefw.compat import const
from motefw.driver import Driver

_CONFIG = const(0x02)
_MAKER = const(0xFE)
_SENSYLINK = const(0x5959)
_POINT_AT_DATA = const(b"\x00")
_SOFT_RESET = const(b"\x80\x00")
_BOTH_14_BIT = const(b"\x10\x00")  # and heater, clock stretching and alert off


class CHT8305(Driver):
    """Measures when asked; a word travels without its two lowest bits."""

    ADDRESSES = (0x40, 0x41, 0x42, 0x43)
    CHANNELS = (
        ("temperature", "Cel", 4 * 165 / 65535, -40),
        ("humidity", "%RH", 4 * 100 / 65535, 0),
    )

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self._reply = bytearray(4)

    def identify(self):
        """Raise SensorError if the maker is not Sensylink."""
        data = self.bus.readfrom_mem(self.address, _MAKER, 2)
        maker = data[0] << 8 | data[1]
        if maker != _SENSYLINK:
            raise self.error(f"maker is 0x{maker:04x}, expected 0x5959 (wrong chip or address?)")

    def configure(self):
        """Reset the part; a measurement a second, unless the sampler is told otherwise."""
        self.bus.writeto_mem(self.address, _CONFIG, _SOFT_RESET)
        time.sleep_ms(5)
        self.stop()
        self.period_us = 1000000

    def measure(self):
        """Begin one measurement; return the milliseconds it takes."""
        self.bus.writeto(self.address, _POINT_AT_DATA)
        return 25

    def read(self, block):
        """Append (temperature, humidity); nothing is appended when it raises."""
        data = self._reply
        self.bus.readfrom_into(self.address, data)
        i = block.count
        block.columns[0][i] = (data[0] << 8 | data[1]) >> 2
        block.columns[1][i] = (data[2] << 8 | data[3]) >> 2
        block.count = i + 1

    def stop(self):
        """Put the heater off; the part sleeps between measurements by itself."""
        self.bus.writeto_mem(self.address, _CONFIG, _BOTH_14_BIT)


DRIVER = CHT8305

"""SHT40, SHT41, SHT45: temperature and relative humidity, both words CRC-checked.

Maker: Sensirion (CH)
Bus: I2C 0x44, 0x45, 0x46
Source: SHT4x datasheet v7.1, sections 4.4 "Checksum", 4.5 "Command overview", 4.6 "Conversion"
Rates: on demand; one measurement takes 8.3, 4.5 or 1.6 ms (high, medium, low precision)
Unverified: 0x8000 in both words marks a damaged part (said by the maintainers of other drivers)

The heater has no option here, and a reset at start and stop ends whatever another program began.
Humidity travels as measured: slightly below 0 or above 100 %RH is for the reader to cut.
"""

import time

from motefw.compat import const
from motefw.crc import crc8_sensirion
from motefw.driver import Driver

_RESET = const(b"\x94")
_SERIAL = const(b"\x89")
_TRIES = const(3)
_DAMAGED = const(0x8000)


class SHT4x(Driver):
    """Measures when asked; `serial` holds the part's 32-bit number once started."""

    ADDRESSES = (0x44, 0x45, 0x46)
    CHANNELS = (
        ("temperature", "Cel", 175 / 65535, -45),
        ("humidity", "%RH", 125 / 65535, -6),
    )
    CODE = "H"
    OPTIONS = (("precision", "high", ("high", "medium", "low")),)
    MODES = (("high", b"\xfd", 10), ("medium", b"\xf6", 6), ("low", b"\xe0", 3))  # command, ms

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self._reply = bytearray(6)
        self._mode = self.MODES[0]
        self.serial = None

    def identify(self):
        """Reset the part and read its serial number: a reply whose CRCs hold is a Sensirion's."""
        self.stop()
        time.sleep_ms(2)
        self.bus.writeto(self.address, _SERIAL)
        time.sleep_ms(2)
        data = self._reply
        self.receive(data)
        self.serial = data[0] << 24 | data[1] << 16 | data[3] << 8 | data[4]

    def configure(self, precision):
        """Choose the precision; a measurement a second, unless the sampler is told otherwise."""
        (self._mode,) = [mode for mode in self.MODES if mode[0] == precision]
        self.period_us = 1000000

    def measure(self):
        """Begin one measurement; return the milliseconds it takes."""
        self.bus.writeto(self.address, self._mode[1])
        return self._mode[2]

    def read(self, block):
        """Append (temperature, humidity); nothing is appended when it raises."""
        data = self._reply
        self.receive(data)
        i = block.count
        block.columns[0][i] = temperature = data[0] << 8 | data[1]
        block.columns[1][i] = humidity = data[3] << 8 | data[4]
        if temperature == humidity == _DAMAGED:
            block.mark_invalid(0, i)
            block.mark_invalid(1, i)
        block.count = i + 1

    def stop(self):
        """Reset the part: it ends a measurement and a heater pulse at once."""
        self.bus.writeto(self.address, _RESET)

    def receive(self, data):
        """Read words; a part that still measures does not acknowledge, so wait a little."""
        for left in range(_TRIES - 1, -1, -1):
            try:
                self.bus.readfrom_into(self.address, data)
                break
            except OSError:
                if not left:
                    raise
            time.sleep_ms(2)
        for at in range(2, len(data), 3):
            expected = crc8_sensirion(data, at - 2, at)
            if data[at] != expected:
                self.bad += 1
                raise self.error(
                    f"CRC of word {at // 3} is 0x{data[at]:02x}, expected 0x{expected:02x}"
                    " (noise, or another part?)"
                )


DRIVER = SHT4x

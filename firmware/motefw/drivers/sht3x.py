"""SHT30, SHT31, SHT35: temperature and relative humidity, both words CRC-checked.

Maker: Sensirion (CH)
Bus: I2C 0x44, 0x45
Source: SHT3x-DIS datasheet v5, sections 4.3 to 4.13, Tables 4 and 9
Rates: on demand; one measurement takes 15.5, 6.5 or 4.5 ms (high, medium, low precision)
Unverified: 0x8000 in both words marks a damaged part, as with the SHT4x

The heater has no option here: start and stop end it, and whatever else another program began.
"""

import time

from motefw.compat import const
from motefw.drivers.sht4x import SHT4x

_BREAK = const(b"\x30\x93")  # ends periodic measurements, which allow no other command
_HEATER_OFF = const(b"\x30\x66")
_STATUS = const(b"\xf3\x2d")
_HEATER = const(0x20)  # in the status word's high byte
_TRIES = const(9)  # of 2 ms: the longest measurement


class SHT3x(SHT4x):
    """Measures when asked, one shot each."""

    ADDRESSES = (0x44, 0x45)
    CHANNELS = (
        ("temperature", "Cel", 175 / 65535, -45),
        ("humidity", "%RH", 100 / 65535, 0),
    )
    MODES = (("high", b"\x24\x00", 16), ("medium", b"\x24\x0b", 7), ("low", b"\x24\x16", 5))

    def identify(self):
        """Make the part idle and cold; a status word whose CRC holds is an SHT3x's."""
        self.stop()
        self.command(_STATUS)
        status = bytearray(3)
        self.receive(status)
        if status[0] & _HEATER:
            raise self.error("its heater does not go off")

    def stop(self):
        """End periodic measurements and the heater."""
        self.command(_BREAK)
        self.command(_HEATER_OFF)

    def command(self, command):
        """Send a command; one that is not acknowledged may have met a measurement."""
        for left in range(_TRIES - 1, -1, -1):
            try:
                self.bus.writeto(self.address, command)
                break
            except OSError:
                if not left:
                    raise
            time.sleep_ms(2)
        time.sleep_ms(2)  # 1 ms between two commands, and after a break


DRIVER = SHT3x

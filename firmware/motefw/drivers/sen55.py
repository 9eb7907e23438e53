"""SEN50, SEN54, SEN55: particulate matter, humidity, temperature, VOC and NOx index.

Maker: Sensirion (CH)
Bus: I2C 0x69
Source: SEN5x datasheet v2, section 6 "I2C interface"
Rates: on demand; the part measures once a second
Unverified: with firmware 1.0 another choice of `particles` takes effect at power-on alone

What a part does not have (a SEN50 has particles alone, a SEN54 no NOx), and what it does not know
yet (NOx for the first 11 s), is marked invalid. The indices run from 1 to 500 about what is usual
there, 100 for VOC and 1 for NOx. While it cleans its fan, 10 s a week, it says the same again.
Each word's CRC is checked.
"""

import time

from motefw.compat import const
from motefw.sensirion import Sensirion

_NAME = const(b"\xd0\x14")
_STOP = const(b"\x01\x04")
_READ = const(b"\x03\xc4")
_BEGIN = {"on": b"\x00\x21", "off": b"\x00\x37"}
_NAME_BYTES = const(48)
_WAIT_MS = const(20)
_BEGIN_MS = const(50)
_STOP_MS = const(200)
_UNKNOWN_MAX = const(5)


class SEN55(Sensirion):
    """Reads what the part measured last; with `particles` "off" its fan and laser rest."""

    ADDRESSES = (0x69,)
    CHANNELS = (
        ("pm1_0", "ug/m3", 0.1, 0),
        ("pm2_5", "ug/m3", 0.1, 0),
        ("pm4_0", "ug/m3", 0.1, 0),
        ("pm10", "ug/m3", 0.1, 0),
        ("humidity", "%RH", 0.01, 0),
        ("temperature", "Cel", 0.005, 0),
        ("voc_index", "1", 0.1, 0),
        ("nox_index", "1", 0.1, 0),
    )
    OPTIONS = (("particles", "on", ("on", "off")),)

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self._reply = bytearray(24)
        self._unknown = 0  # readings in a row of which nothing was known

    def identify(self):
        """Read the product's name."""
        name = bytearray(_NAME_BYTES)
        self.ask(_NAME, name, _WAIT_MS)
        if (name[0], name[1], name[3], name[4]) != (0x53, 0x45, 0x4E, 0x35):  # "SEN5"
            raise self.error("its name does not begin with SEN5 (another part?)")

    def configure(self, particles):
        """Begin to measure, or go on: a part that does so already keeps its indices."""
        self.send(_BEGIN[particles])
        time.sleep_ms(_BEGIN_MS)
        self._unknown = 0
        self.period_us = 1000000

    def measure(self):
        """Ask for what was measured last; return the milliseconds that takes."""
        self.send(_READ)
        return _WAIT_MS

    def read(self, block):
        """Append what is known; SensorError when it has long been nothing."""
        data = self._reply
        self.receive(data)
        i = block.count
        known = 0
        for c in range(8):
            word = data[3 * c] << 8 | data[3 * c + 1]
            block.columns[c][i] = (word ^ 0x8000) - 0x8000 if c > 3 else word
            if word == (0x7FFF if c > 3 else 0xFFFF):
                block.mark_invalid(c, i)
            else:
                known += 1
        self._unknown = 0 if known else self._unknown + 1
        if self._unknown > _UNKNOWN_MAX:
            raise self.error("it has stopped measuring (supply interrupted?)")
        block.count = i + 1

    def stop(self):
        """End the measurement: fan, laser and heater off; wait until that is done."""
        self.send(_STOP)
        time.sleep_ms(_STOP_MS)


DRIVER = SEN55

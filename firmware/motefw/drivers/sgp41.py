"""SGP41: raw signals of volatile organic compounds and nitrogen oxides, each word CRC-checked.

Maker: Sensirion (CH)
Bus: I2C 0x59
Source: SGP41 datasheet v1.0, section 4 "Operation and data transmission"
Rates: on demand, 1 Hz for an index; one measurement takes 50 ms
Unverified: that an SGP40, at the same address, is told only by not acknowledging the measurement

The signals are ticks, lower with more VOC, higher with more NOx. What makes an index of them is
Sensirion's Gas Index Algorithm, which needs both at 1 Hz for hours and is not done here. The part
is told a fixed temperature and humidity to compensate for, the datasheet's unless options say
others: a sensor beside it is not asked. The NOx pixel is conditioned for at most 10 s after a
start, provided that measurements follow closely; until then its readings are marked invalid.
"""

import time

from motefw.compat import const
from motefw.sensirion import Sensirion, command

_SERIAL = const(b"\x36\x82")
_HEATER_OFF = const(b"\x36\x15")
_MEASURE_MS = const(50)
_CONDITION_MS = const(10000)
_CLOSE_MS = const(2000)


class SGP41(Sensirion):
    """Measures (VOC, NOx) ticks when asked; `serial` holds the part's number once started."""

    ADDRESSES = (0x59,)
    CHANNELS = (("voc_raw", "tick", 1, 0), ("nox_raw", "tick", 1, 0))
    OPTIONS = (("temperature_cel", 25, range(-20, 56)), ("humidity_percent", 50, range(101)))

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self._voc = bytearray(3)
        self._both = bytearray(6)
        self._reply = self._both
        self._condition = self._measure = b""
        self._left_ms = 0  # of conditioning
        self._asked_ms = None
        self.serial = None

    def identify(self):
        """Turn the heater off, which ends whatever was begun, and read the serial number."""
        self.stop()
        reply = bytearray(9)
        self.ask(_SERIAL, reply)
        self.serial = bytes([reply[i] for i in (0, 1, 3, 4, 6, 7)])

    def configure(self, temperature_cel, humidity_percent):
        """Work out the two commands with what they compensate for."""
        words = (
            (humidity_percent * 131070 + 100) // 200,
            ((temperature_cel + 45) * 131070 + 175) // 350,
        )
        self._condition = command(0x2612, *words)
        self._measure = command(0x2619, *words)
        self._left_ms = _CONDITION_MS
        self._asked_ms = None
        self.period_us = 1000000

    def measure(self):
        """Begin one measurement or go on with conditioning; return the milliseconds it takes."""
        now = time.ticks_ms()
        before = self._asked_ms
        self._asked_ms = now
        self._reply = self._both
        if self._left_ms > 0 and before is not None:
            # More than 10 s of it would do harm: none when the next measurement may be far.
            elapsed_ms = time.ticks_diff(now, before)
            self._left_ms = self._left_ms - elapsed_ms if 0 <= elapsed_ms < _CLOSE_MS else 0
            if self._left_ms > 0:
                self._reply = self._voc
        self.send(self._measure if self._reply is self._both else self._condition)
        return _MEASURE_MS

    def read(self, block):
        """Append (VOC, NOx); nothing is appended when it raises."""
        data = self._reply
        self.receive(data)
        i = block.count
        block.columns[0][i] = data[0] << 8 | data[1]
        block.columns[1][i] = self._both[3] << 8 | self._both[4]
        if self._left_ms > 0:
            block.mark_invalid(1, i)
        block.count = i + 1

    def stop(self):
        """Turn the heater off."""
        self.send(_HEATER_OFF)
        time.sleep_ms(1)


DRIVER = SGP41

"""QMA6100P: acceleration, three axes of 14 bits, drained from its FIFO of 64.

Maker: QST (CN)
Bus: I2C 0x12, 0x13
Source: QMA6100P preliminary datasheet 13-52-20 Rev. A1; order of the start as QST's own driver
Rates: 25, 50, 100, 200, 400, 800 Hz; nominal: single parts were measured 20 % off
Unverified: the rates; what the analogue registers 4A, 56, 5F do; the count of samples in the FIFO,
    which one public driver found too high

The true rate is measured by the host, as that of every part. The FIFO streams, it keeps the latest
64 samples.
"""

import time

from motefw.accelerometer import Fifo
from motefw.compat import const

_FIFO_STATE = const(0x0E)
_RANGE = const(0x0F)
_BANDWIDTH = const(0x10)
_POWER = const(0x11)
_RESET = const(0x36)
_FIFO_CFG = const(0x3E)
_FIFO_DATA = const(0x3F)
_ACTIVE = const(0x84)  # measures, on a clock of 51.2 kHz
_RATES = {25: 6, 50: 5, 100: 0, 200: 1, 400: 2, 800: 3}  # Hz: code
_RANGES = {2: 1, 4: 2, 8: 4, 16: 8, 32: 15}  # g: code


class QMA6100P(Fifo):
    """Streams (x, y, z) counts of 14 bits."""

    ADDRESSES = (0x12, 0x13)
    ID = (0x00, 0x90, 0xF0)
    SPAN = 8192
    OPTIONS = (
        ("rate_hz", 100, tuple(sorted(_RATES))),
        ("range_g", 4, tuple(sorted(_RANGES))),
    )
    FIFO = 64
    DATA = _FIFO_DATA
    SHIFT = 2
    RUNS = (_POWER, 0x80)

    def configure(self, rate_hz, range_g):
        """Reset the part, start its analogue side, empty the FIFO and begin."""
        self.put(_RESET, 0xB6)
        time.sleep_ms(5)
        self.put(_RESET, 0)
        time.sleep_ms(10)
        for register, value in ((_POWER, 0x80), (_POWER, _ACTIVE), (0x4A, 0x20), (0x56, 1)):
            self.put(register, value)
        self.put(0x5F, 0x80)
        time.sleep_ms(2)
        self.put(0x5F, 0)
        self.put(_RANGE, _RANGES[range_g])
        self.put(_BANDWIDTH, _RATES[rate_hz])
        self.put(_FIFO_CFG, 0x07)  # bypass; x, y and z
        self.put(_FIFO_CFG, 0x87)  # stream
        self.period_us = 1000000 // rate_hz

    def waiting(self):
        """Return the FIFO's count of samples."""
        return self.get(_FIFO_STATE) & 0x7F

    def stop(self):
        """Stand by: 1 uA, no samples."""
        self.put(_POWER, 0)


DRIVER = QMA6100P

"""LIS3DH: acceleration, three axes of 12 bits, drained from its FIFO.

Maker: STMicroelectronics (CH)
Bus: I2C 0x18, 0x19
Source: LIS3DH datasheet DocID17530 Rev 2, chapters 2.1, 5.1 "FIFO", 8 "Registers"; AN3308
Rates: 1, 10, 25, 50, 100, 200, 400, 1344 Hz
Unverified: a FIFO of exactly 32 shows an overrun: a gap, though none may be lost

A count is 1, 2, 4 or 12 mg at a range of 2, 4, 8 or 16 g (datasheet, "So"). Reading more than one
byte takes the address with its highest bit set. The FIFO streams, it keeps the latest 32 samples.
"""

from motefw.accelerometer import Fifo
from motefw.compat import const

_CTRL1 = const(0x20)
_CTRL4 = const(0x23)
_CTRL5 = const(0x24)
_FIFO_CTRL = const(0x2E)
_FIFO_SRC = const(0x2F)
_RATES = {1: 1, 10: 2, 25: 3, 50: 4, 100: 5, 200: 6, 400: 7, 1344: 9}  # Hz: code
_RANGES = (2, 4, 8, 16)  # g, in the order of their codes


class LIS3DH(Fifo):
    """Streams (x, y, z) counts of 12 bits, in high-resolution mode."""

    ADDRESSES = (0x18, 0x19)
    ID = (0x0F, 0x33)
    OPTIONS = (("rate_hz", 100, tuple(sorted(_RATES))), ("range_g", 4, _RANGES))
    FIFO = 32
    DATA = 0x28 | 0x80
    SHIFT = 4
    RUNS = (_CTRL1, 0xF0)

    @classmethod
    def scale(cls, range_g):
        """Return the g of one count: 1, 2, 4, and 12 mg instead of 8."""
        return 0.012 if range_g == 16 else range_g / 2000

    def configure(self, rate_hz, range_g):
        """Empty the FIFO and begin."""
        for register in (_CTRL1, 0x21, 0x22, _CTRL5, _FIFO_CTRL):  # off, no filter, no interrupt
            self.put(register, 0)
        self.put(_CTRL4, 0x88 | _RANGES.index(range_g) << 4)  # BDU, high resolution
        self.put(_CTRL5, 0x40)  # FIFO_EN
        self.put(_FIFO_CTRL, 0x80)  # stream
        self.put(_CTRL1, _RATES[rate_hz] << 4 | 7)
        self.period_us = 1000000 // rate_hz

    def waiting(self):
        """Return FSS, which counts to 31; OVRN stands for one more."""
        source = self.get(_FIFO_SRC)
        return 32 if source & 0x40 else source & 0x1F

    def stop(self):
        """Power down: 0.5 uA, no samples."""
        self.put(_CTRL1, 0)


DRIVER = LIS3DH

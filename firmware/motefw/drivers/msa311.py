"""MSA311: acceleration, three axes of 12 bits, read when asked: the part has no FIFO.

Maker: MEMSensing (CN)
Bus: I2C 0x62
Source: MSA311 datasheet V1.0, "Register Map"; Linux drivers/iio/accel/msa311.c
Rates: on demand; up to 100 Hz makes sense, since each reading is a request of its own
Unverified: that there is no FIFO; the time until the first conversion, taken as two periods

The part converts at twice the bandwidth all the time, and a reading is the latest conversion:
choose half the rate of reading or less. 2, 4, 8, 16, 31 and 62 Hz are 1.95, 3.9, 7.81, 15.63,
31.25 and 62.5 Hz.
"""

from motefw.accelerometer import Accelerometer
from motefw.compat import const

_DATA = const(0x02)
_RESRANGE = const(0x0F)
_ODR = const(0x10)
_POWER = const(0x11)
_INTSET = const(0x16)
_RANGES = (2, 4, 8, 16)
_BANDWIDTHS = (2, 4, 8, 16, 31, 62, 125, 250, 500)  # Hz; codes of it and of the rate from 2 on


class MSA311(Accelerometer):
    """Measures all the time; a reading brings the settings along, which tell a brown-out."""

    ADDRESSES = (0x62,)
    ID = (0x01, 0x13)
    SPAN = 2048
    OPTIONS = (("bandwidth_hz", 62, _BANDWIDTHS), ("range_g", 4, _RANGES))
    DATA = _DATA
    SHIFT = 4

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self.data = bytearray(_POWER - _DATA + 1)
        self._power = self._wait_ms = 0

    def configure(self, bandwidth_hz, range_g):
        """Set range, rate and bandwidth, and wake the part."""
        code = _BANDWIDTHS.index(bandwidth_hz) + 2
        self._power = code << 1
        self.put(_RESRANGE, _RANGES.index(range_g))
        self.put(_ODR, code)
        self.put(_INTSET, 0)
        self.put(_POWER, self._power)
        self._wait_ms = 1000 // bandwidth_hz + 1
        self.period_us = 1000000

    def measure(self):
        """Return 0: there is always a conversion; but after a start it takes its time."""
        wait_ms = self._wait_ms
        self._wait_ms = 0
        return wait_ms

    def read(self, block):
        """Append (x, y, z); nothing is appended when it raises."""
        i = block.count
        self.sample(block)
        if self.data[_POWER - _DATA] != self._power:
            block.count = i
            raise self.error("it has lost its settings (supply interrupted?)")

    def stop(self):
        """Suspend: 2 uA, no samples."""
        self.put(_POWER, 0xC0)


DRIVER = MSA311

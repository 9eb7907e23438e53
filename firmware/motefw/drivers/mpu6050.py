"""MPU6050: acceleration, and rotation where wanted, six axes of 16 bits out of one FIFO.

Maker: TDK InvenSense (US/JP)
Bus: I2C 0x68, 0x69
Source: MPU-6000/MPU-6050 Register Map RM-MPU-6000A-00 Rev. 4.2; Product Specification Rev. 3.4
Rates: 4, 5, 8, 10, 20, 25, 40, 50, 100, 125, 200, 250, 500, 1000 Hz
Unverified: at 1000 Hz, with the low-pass filter on, each acceleration is a new one

The low-pass filter follows the rate: the widest of 5 to 184 Hz that is below half of it. The FIFO
holds 1024 bytes. One that ran over has lost a part of a sample, so all of it is thrown away.
`gyro_dps` is the gyroscope's range; 0 leaves its channels out.
"""

import time

from motefw.accelerometer import Fifo
from motefw.compat import const

_SMPLRT_DIV = const(0x19)
_CONFIG = const(0x1A)
_GYRO_CONFIG = const(0x1B)
_ACCEL_CONFIG = const(0x1C)
_FIFO_EN = const(0x23)
_INT_ENABLE = const(0x38)
_USER_CTRL = const(0x6A)
_PWR_MGMT_1 = const(0x6B)
_FIFO_COUNT = const(0x72)
_FIFO_R_W = const(0x74)
_RESET = const(0x80)
_RANGES = (2, 4, 8, 16)
_DPS = (0, 250, 500, 1000, 2000)
_FILTERS = (400, 190, 90, 42, 20)  # Hz: below each the next DLPF_CFG, from 1 on


class MPU6050(Fifo):
    """Streams (x, y, z) of acceleration, then of rotation; the gyroscope's clock paces both."""

    ADDRESSES = (0x68, 0x69)
    ID = (0x75, 0x68)
    OPTIONS = (
        ("rate_hz", 100, (4, 5, 8, 10, 20, 25, 40, 50, 100, 125, 200, 250, 500, 1000)),
        ("range_g", 4, _RANGES),
        ("gyro_dps", 0, _DPS),
    )
    DATA = _FIFO_R_W
    HIGH_FIRST = 1
    FIFO = 1024 // 12
    RUNS = (_USER_CTRL, 0x40)

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self._count = bytearray(2)

    def configure(self, rate_hz, range_g, gyro_dps):
        """Reset the part, wake it on the gyroscope's clock, empty the FIFO and begin."""
        self.put(_PWR_MGMT_1, _RESET)
        for _ in range(20):  # 100 ms, as the register map says
            time.sleep_ms(5)
            if not self.get(_PWR_MGMT_1) & _RESET:
                break
        else:
            raise self.error("its reset does not end")
        self.put(_PWR_MGMT_1, 1)
        self.put(_SMPLRT_DIV, 1000 // rate_hz - 1)
        self.put(_CONFIG, 1 + sum([rate_hz < least for least in _FILTERS]))
        self.put(_ACCEL_CONFIG, _RANGES.index(range_g) << 3)
        self.put(_GYRO_CONFIG, max(_DPS.index(gyro_dps) - 1, 0) << 3)
        self.put(_FIFO_EN, 0x78 if gyro_dps else 0x08)
        self.data = bytearray(12 if gyro_dps else 6)
        self.FIFO = 1024 // len(self.data) + 1  # never reached: as many are told otherwise
        self._empty()
        self.period_us = 1000000 // rate_hz

    def waiting(self):
        """Return how many whole samples wait; a FIFO that ends in a part of one ran over."""
        for _ in range(2):  # the first may have been read in the middle of a sample
            self.fetch(self.address, _FIFO_COUNT, self._count)
            count = self._count[0] << 8 | self._count[1]
            if not count % len(self.data):
                return count // len(self.data)
        self._empty()
        self.gap = True
        return 0

    def stop(self):
        """Sleep: 5 uA, no samples."""
        self.put(_PWR_MGMT_1, 0x40)

    def _empty(self):
        self.put(_USER_CTRL, 0x04)
        self.put(_USER_CTRL, 0x40)


DRIVER = MPU6050

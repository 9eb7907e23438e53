"""ADXL345: acceleration, three axes at full resolution (1/256 g), drained from its FIFO.

Maker: Analog Devices (US)
Bus: I2C 0x53, 0x1D
Source: ADXL345 datasheet Rev. G, "Register Map", "FIFO", "I2C"
Rates: 25, 50, 100, 200, 400, 800 Hz
Unverified: a FIFO that is just full sets the overrun bit: a gap, though none may be lost

1600 and 3200 Hz are refused: over I2C at 400 kHz the datasheet allows at most 800 Hz, and in
proportion less on a slower bus (200 Hz at 100 kHz). The FIFO streams, it keeps the latest 32
samples, and the output filter holds one more (Register 0x39, "Entries Bits"). Each read of the six
data bytes takes one sample out, and the next may begin 5 us later: the address bytes of an I2C
read alone take 45 us at 400 kHz.
"""

from motefw.compat import const
from motefw.driver import Driver

_G = 1 / 256  # per count, at every range in full resolution
_RATES = {25: 8, 50: 9, 100: 10, 200: 11, 400: 12, 800: 13}  # Hz: code
_RANGES = {2: 0, 4: 1, 8: 2, 16: 3}  # g: code
_OFFSETS = const(0x1E)  # of x, y and z
_BW_RATE = const(0x2C)  # low_power[4] rate[3:0]: low power, which adds noise, is off
_POWER_CTL = const(0x2D)
_INT_ENABLE = const(0x2E)
_INT_SOURCE = const(0x30)
_DATA_FORMAT = const(0x31)  # self_test[7] int_invert[5] full_res[3] justify[2] range[1:0]
_DATA = const(0x32)
_FIFO_CTL = const(0x38)  # mode[7:6] trigger[5] samples[4:0]
_FIFO_STATUS = const(0x39)
_MEASURE = const(0x08)
_OVERRUN = const(0x01)
_WATERMARK = const(0x02)
_FULL_RESOLUTION = const(0x08)
_DEPTH = const(32)
_MOST = const(33)  # that can wait
_BYPASS = const(0x00)
_STREAM = const(0x80)


class ADXL345(Driver):
    """Streams (x, y, z) counts; `gap` tells that the FIFO ran over."""

    ADDRESSES = (0x53, 0x1D)
    ID = (0x00, 0xE5)
    CHANNELS = (("accel_x", "g", _G, 0), ("accel_y", "g", _G, 0), ("accel_z", "g", _G, 0))
    CODE = "h"
    OPTIONS = (
        ("rate_hz", 100, tuple(sorted(_RATES))),
        ("range_g", 16, tuple(sorted(_RANGES))),
    )
    STREAMING = True
    FIFO = _DEPTH

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self._read = bus.readfrom_mem_into
        self._byte = bytearray(1)
        self._sample = bytearray(6)
        self._overrun = False

    def configure(self, rate_hz, range_g):
        """Empty the FIFO and begin; pin INT1 tells watermark and overrun to who wires it."""
        self._put(_POWER_CTL, 0)
        self._put(_FIFO_CTL, _BYPASS)
        for register in range(_OFFSETS, _OFFSETS + 3):
            self._put(register, 0)
        self._put(_BW_RATE, _RATES[rate_hz])
        self._put(_DATA_FORMAT, _FULL_RESOLUTION | _RANGES[range_g])
        self._put(_FIFO_CTL, _STREAM | _DEPTH // 2)
        self._put(_INT_ENABLE, _WATERMARK | _OVERRUN)
        self._put(_POWER_CTL, _MEASURE)
        self.period_us = 1000000 // rate_hz
        self._overrun = False

    def pending(self):
        """Return how many samples wait; set `gap` if the FIFO ran over before them."""
        waiting = self._get(_FIFO_STATUS) & 0x3F
        if waiting > _MOST:
            raise self.error(f"{waiting} samples wait, at most 33 expected")
        if not waiting and not self._get(_POWER_CTL) & _MEASURE:
            raise self.error("it has stopped measuring (supply interrupted?)")
        if waiting >= _DEPTH:
            self._ran_over()
        return waiting

    def drain(self, block, n):
        """Append n samples; or none, and a `gap`, if the FIFO has run over since the last look."""
        # The first read of the data clears the overrun bit, so look before: making a packet
        # between two calls may take longer than the FIFO lasts.
        if self._ran_over():
            return
        held = block.count
        try:
            block.kernel.burst(self._read, self.address, _DATA, self._sample, 0, 0, n, block)
        finally:
            if block.count > held:
                self._overrun = False

    def stop(self):
        """Stand by: 0.1 uA, no samples."""
        self._put(_POWER_CTL, 0)

    def _ran_over(self):
        """Tell of an overrun once, and set `gap`: the bit stays until data are read."""
        before = self._overrun
        self._overrun = self._get(_INT_SOURCE) & _OVERRUN != 0
        if before or not self._overrun:
            return False
        self.gap = True
        return True

    def _put(self, register, value):
        self._byte[0] = value
        self.bus.writeto_mem(self.address, register, self._byte)

    def _get(self, register):
        self._read(self.address, register, self._byte)
        return self._byte[0]


DRIVER = ADXL345

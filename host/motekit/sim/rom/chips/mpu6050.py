"""Model of the MPU6050: register map, both sensors, FIFO of 1024 bytes.

Source: MPU-6000/MPU-6050 Register Map RM-MPU-6000A-00 Rev. 4.2.

Modelled: reset, sleep, sample rate divider with and without the low-pass filter, ranges, data
registers, a constant temperature, data-ready and overflow until they are read, what goes to the
FIFO, its count, its byte after the last. Not modelled: filters' effect, cycle mode, motion
detection, auxiliary bus, self-test; above 1 kHz every sample is a new one here.
"""

from ._motion import Motion

_SMPLRT_DIV = 0x19
_CONFIG = 0x1A
_GYRO_CONFIG = 0x1B
_ACCEL_CONFIG = 0x1C
_FIFO_EN = 0x23
_INT_STATUS = 0x3A
_DATA = 0x3B
_DATA_END = 0x48
_USER_CTRL = 0x6A
_PWR_MGMT_1 = 0x6B
_FIFO_COUNT = 0x72
_FIFO_R_W = 0x74
_RESET_US = 2000
_TEMPERATURE = 0x10000 - 5110  # 21.5 Cel


class Mpu6050(Motion):
    """An MPU6050 on I2C; see Motion for the faults."""

    ADDRESSES = (0x68, 0x69)
    RATES = (4, 5, 8, 10, 20, 25, 40, 50, 100, 125, 200, 250, 500, 1000)
    ID = 0x75
    RESET = ((0x75, 0x68), (_PWR_MGMT_1, 0x40))
    READ_ONLY = (_FIFO_COUNT, _FIFO_COUNT + 1, 0x75) + tuple(range(_INT_STATUS, 0x61))
    TURN_ON_US = 30000
    FIFO_BYTES = 1024

    def power_cycle(self):
        """See Motion."""
        super().power_cycle()
        self._reset_us = -1  # when a reset that was asked for is over
        self._overflow = False
        self._last = 0

    def put(self, register, value):
        """See Motion."""
        registers = self.registers
        before = registers[register]
        registers[register] = value
        if register == _PWR_MGMT_1 and value & 0x80:
            self.power_cycle()
            self._reset_us = self.clock_us() + _RESET_US
        elif register in (_SMPLRT_DIV, _CONFIG) and value != before:
            self.restart()
        elif register == _PWR_MGMT_1 and (value ^ before) & 0x40:
            self.restart()
        elif register == _USER_CTRL:
            if value & 0x04 and not value & 0x40:  # the register map: reset only while disabled
                self.empty()
            registers[register] = value & ~0x07

    def running(self):
        """See Motion."""
        return not self.registers[_PWR_MGMT_1] & 0x40 and self.clock_us() >= self._reset_us

    def period(self):
        """See Motion."""
        filtered = 0 < self.registers[_CONFIG] & 7 < 7
        return (1000 if filtered else 125) * (1 + self.registers[_SMPLRT_DIV]), 1

    def scale(self, axis):
        """See Motion."""
        if axis < 3:
            return 16384 >> (self.registers[_ACCEL_CONFIG] >> 3 & 3)
        return 32768 / (250 << (self.registers[_GYRO_CONFIG] >> 3 & 3))

    def frame(self):
        """See Motion."""
        registers = self.registers
        if not registers[_USER_CTRL] & 0x40:
            return ()
        what = registers[_FIFO_EN]
        words = self.latest[:3] if what & 0x08 else []
        if what & 0x80:
            words = words + [_TEMPERATURE]
        for axis in range(3):
            if what & 0x40 >> axis:
                words = words + [self.latest[3 + axis]]
        return words

    def push(self, frame):
        """See Motion."""
        lost = self.lost
        super().push(frame)
        self._overflow = self._overflow or self.lost > lost

    def get(self, register):
        """See Motion."""
        if register == _PWR_MGMT_1 and self.clock_us() < self._reset_us:
            return 0x80 | self.registers[register]
        if register == _INT_STATUS:
            status = (0x10 if self._overflow else 0) | (1 if self.fresh else 0)
            self._overflow = self.fresh = False
            return status
        if _DATA <= register <= _DATA_END:
            at = register - _DATA
            words = self.latest[:3] + [_TEMPERATURE] + self.latest[3:]
            return self.pair(words[at >> 1])[at & 1]
        if register in (_FIFO_COUNT, _FIFO_COUNT + 1):
            return self.pair(self.held)[register - _FIFO_COUNT]
        if register == _FIFO_R_W:
            if self.held:
                self._last = self.pop()
            return self._last
        return super().get(register)

    def following(self, pointer):
        """See Motion."""
        return pointer if pointer == _FIFO_R_W else (pointer + 1) & 0x7F

    def pair(self, word):
        """See Motion."""
        return word >> 8 & 0xFF, word & 0xFF


CHIP = Mpu6050

"""Model of the QMI8658: register map, both sensors, command handshake, FIFO of 1536 bytes.

Source: QMI8658A datasheet 13-52-25 Rev. A, chapters 5, 7.4, 8.

Modelled: reset and the time it takes, byte order, counting addresses, rates with and without the
gyroscope, ranges, data-ready, commands 04 and 05 with their handshake (others are done at once and
do nothing), the count of samples, bypass, FIFO and stream mode, depths, watermark, full, overflow,
samples discarded in read mode (8.7). Assumed: the overflow bit stays until the FIFO is emptied by
command. Not modelled: filters' effect, motion detection, pedometer, self-test, low-power rates.
"""

from ._motion import Motion

_CTRL1 = 0x02
_CTRL2 = 0x03
_CTRL3 = 0x04
_CTRL7 = 0x08
_CTRL8 = 0x09
_CTRL9 = 0x0A
_FIFO_WTM = 0x13
_FIFO_CTRL = 0x14
_FIFO_COUNT = 0x15
_FIFO_STATUS = 0x16
_FIFO_DATA = 0x17
_STATUSINT = 0x2D
_STATUS0 = 0x2E
_TIMESTAMP = 0x30
_DATA = 0x35
_DATA_END = 0x40
_RESET_DONE = 0x4D
_RESET = 0x60
_RESET_US = 12000
_COMMAND_US = 300
_READING = 0x80
_NEVER = -1


class Qmi8658(Motion):
    """A QMI8658 on I2C; see Motion for the faults."""

    ADDRESSES = (0x6B, 0x6A)
    RATES = (31, 62, 125, 250)
    ID = 0x00
    RESET = ((0x00, 0x05), (0x01, 0x7C), (_CTRL1, 0x20))
    READ_ONLY = (0x00, 0x01) + tuple(range(_FIFO_COUNT, _RESET))
    TURN_ON_US = 3000
    FIFO_BYTES = 1536

    def power_cycle(self):
        """See Motion."""
        super().power_cycle()
        self._reset_us = _NEVER  # when a reset that was asked for is over
        self._done_us = _NEVER  # when a command is
        self._overflow = False
        self._number = 0  # of samples

    def put(self, register, value):
        """See Motion."""
        if self.clock_us() < self._reset_us:
            return
        registers = self.registers
        before = registers[register]
        registers[register] = value
        if register == _RESET and value == 0xB0:
            self.power_cycle()
            self._reset_us = self.clock_us() + _RESET_US
        elif register in (_CTRL2, _CTRL3, _CTRL7) and value != before:
            self.restart()
        elif register == _FIFO_CTRL:
            registers[register] = value & 0x0F
            if not value & 3 or (value ^ before) & 0x0F:
                self.empty()
        elif register == _CTRL9:
            self._command(value)

    def _command(self, value):
        self._done_us = self.clock_us() + _COMMAND_US if value else _NEVER
        if value == 0x04:
            self.empty()
        elif value == 0x05:
            self.registers[_FIFO_CTRL] |= _READING

    def empty(self):
        """See Motion."""
        super().empty()
        self._overflow = False

    def running(self):
        """See Motion."""
        return self.registers[_CTRL7] & 3

    def period(self):
        """See Motion."""
        if self.registers[_CTRL7] & 2:
            return 156250 << (self.registers[_CTRL3] & 0x0F), 1121
        return 125 << (self.registers[_CTRL2] & 0x0F), 1

    def scale(self, axis):
        """See Motion."""
        if axis < 3:
            return 16384 >> (self.registers[_CTRL2] >> 4 & 3)
        return 32768 / (16 << (self.registers[_CTRL3] >> 4 & 7))

    def frame(self):
        """See Motion."""
        if not self.registers[_FIFO_CTRL] & 3:
            return ()
        enabled = self.registers[_CTRL7]
        words = self.latest[:3] if enabled & 1 else []
        return words + self.latest[3:] if enabled & 2 else words

    def convert(self, values):
        """See Motion."""
        super().convert(values)
        self._number += 1

    def _depth(self):
        """Return the bytes that the FIFO is set to hold."""
        frame = 12 if self.registers[_CTRL7] & 3 == 3 else 6
        return (16 << (self.registers[_FIFO_CTRL] >> 2 & 3)) * frame

    def push(self, frame):
        """See Motion."""
        if self.registers[_FIFO_CTRL] & _READING:
            self.lost += 1
            self._overflow = True
            return
        if self.held + 2 * len(frame) > self._depth():
            self._overflow = True
            self.lost += 1
            if self.registers[_FIFO_CTRL] & 3 == 1:
                return
            for _ in range(2 * len(frame)):
                self.pop()
        super().push(frame)

    def show(self):
        """See Motion."""
        now = self.clock_us()
        registers = self.registers
        registers[_RESET_DONE] = 0x80 if _NEVER < self._reset_us <= now else 0
        done = _NEVER < self._done_us <= now and registers[_CTRL8] & 0x80
        registers[_STATUSINT] = 0x80 if done else 0
        registers[_STATUS0] = registers[_CTRL7] & 3 if self.fresh else 0
        for i in range(3):
            registers[_TIMESTAMP + i] = self._number >> 8 * i & 0xFF
        registers[_FIFO_COUNT] = self.held >> 1 & 0xFF
        registers[_FIFO_STATUS] = self._fifo_status()

    def _fifo_status(self):
        status = self.held >> 9 & 3
        if self.held:
            status |= 0x10
        if self._overflow:
            status |= 0x20
        frame = self._depth() >> 4 + (self.registers[_FIFO_CTRL] >> 2 & 3)
        if 0 < self.registers[_FIFO_WTM] * frame <= self.held:
            status |= 0x40
        return status | 0x80 if self.held >= self._depth() else status

    def get(self, register):
        """See Motion."""
        if register == _FIFO_DATA:
            return self.pop() if self.registers[_FIFO_CTRL] & _READING else 0
        if _DATA <= register <= _DATA_END:
            self.fresh = False
            at = register - _DATA
            return self.pair(self.latest[at >> 1])[at & 1]
        return super().get(register)

    def following(self, pointer):
        """See Motion."""
        if pointer == _FIFO_DATA or not self.registers[_CTRL1] & 0x40:
            return pointer
        return (pointer + 1) & 0x7F

    def pair(self, word):
        """See Motion."""
        low, high = word & 0xFF, word >> 8 & 0xFF
        return (high, low) if self.registers[_CTRL1] & 0x20 else (low, high)


CHIP = Qmi8658

"""Model of the QMA6100P: register map, data path and FIFO, at the pace of its own sampling clock.

Source: QMA6100P preliminary datasheet 13-52-20 Rev. A1; public drivers for the order of the start.

Modelled: reset and that it must be ended, active mode, clock and bandwidth codes as the nominal
rates, ranges, the new-data bit, bypass, FIFO and stream mode, which axes go to the FIFO, its
watermark, full. Assumed: each word in the FIFO has its new-data bit set, and writing the FIFO's
mode empties it. Not modelled: interrupts, steps, taps, motion, the analogue registers.
"""

from ._motion import Motion

_DATA = 0x01
_DATA_END = 0x06
_INT_ST2 = 0x0B
_FIFO_STATE = 0x0E
_RANGE = 0x0F
_BANDWIDTH = 0x10
_POWER = 0x11
_WATERMARK = 0x31
_RESET = 0x36
_FIFO_CFG = 0x3E
_FIFO_DATA = 0x3F
_RATES = ((100, 1), (200, 1), (400, 1), (800, 1), (1600, 1), (50, 1), (25, 1), (25, 2))
_RANGES = {1: 4096, 2: 2048, 4: 1024, 8: 512, 15: 256}  # code: counts a g
_DEPTH = 64
_NEW = 1


class Qma6100p(Motion):
    """A QMA6100P on I2C; see Motion for the faults."""

    ADDRESSES = (0x12, 0x13)
    RATES = (25, 50, 100, 200, 400, 800)
    ID = 0x00
    RESET = ((0x00, 0x97), (_FIFO_CFG, 0x07))  # the low half of the identity differs between parts
    READ_ONLY = tuple(range(_RANGE)) + (_FIFO_DATA,)
    TURN_ON_US = 2000
    BITS = 14
    SHIFT = 2
    FIFO_BYTES = 6 * _DEPTH

    def put(self, register, value):
        """See Motion."""
        registers = self.registers
        before = registers[register]
        if register == _RESET:
            if value == 0xB6:
                self.power_cycle()
            self.registers[register] = value
        elif registers[_RESET] != 0xB6:  # else held in reset
            registers[register] = value
            if register == _BANDWIDTH or (register == _POWER and (value ^ before) & 0x8F):
                self.restart()
            elif register == _FIFO_CFG:
                self.empty()

    def running(self):
        """See Motion."""
        return self.registers[_POWER] & 0x80

    def period(self):
        """See Motion."""
        hz, halves = _RATES[self.registers[_BANDWIDTH] & 7]
        clock = self.registers[_POWER] & 0x0F  # 4: nominal; one more halves it
        return 1000000 * halves << max(clock - 3, 0), 2 * hz

    def scale(self, axis):
        """See Motion."""
        return _RANGES.get(self.registers[_RANGE] & 0x0F, 4096)

    def frame(self):
        """See Motion."""
        cfg = self.registers[_FIFO_CFG]
        if not cfg >> 6:
            return ()
        return [self.latest[axis] | _NEW for axis in range(3) if cfg >> axis & 1]

    def keeps_oldest(self):
        """See Motion."""
        return self.registers[_FIFO_CFG] >> 6 == 1

    def _samples(self):
        cfg = self.registers[_FIFO_CFG] & 7
        return self.held // (2 * sum([cfg >> axis & 1 for axis in range(3)]) or 1)

    def get(self, register):
        """See Motion."""
        if register == _FIFO_STATE:
            return self._samples()
        if register == _INT_ST2:
            samples = self._samples()
            status = 0x20 if samples >= _DEPTH else 0
            return status | (0x40 if samples >= self.registers[_WATERMARK] else 0)
        if register == _FIFO_DATA:
            return self.pop()
        if _DATA <= register <= _DATA_END:
            at = register - _DATA
            byte = self.pair(self.latest[at >> 1])[at & 1]
            if not at & 1 and self.fresh:
                byte |= _NEW
            if register == _DATA_END:
                self.fresh = False
            return byte
        return super().get(register)

    def following(self, pointer):
        """See Motion."""
        return pointer if pointer == _FIFO_DATA else (pointer + 1) & 0x7F


CHIP = Qma6100p

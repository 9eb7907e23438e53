"""Model of the LIS3DH: register map, data path and FIFO, at the pace of its own sampling clock.

Source: LIS3DH datasheet DocID17530 Rev 2, chapters 2.1, 5.1, 6.1.1, 8; AN3308, "FIFO".

Modelled: power-down, rates, ranges with ST's mg a digit, the three resolutions, the bit of the
address that makes it count up, data-ready, bypass, FIFO and stream mode, watermark, overrun,
empty. Not modelled: interrupts, clicks, filters, self-test, ADC, big-endian data, trigger mode.
"""

from ._motion import Motion

_CTRL1 = 0x20
_CTRL4 = 0x23
_CTRL5 = 0x24
_STATUS = 0x27
_OUT = 0x28
_OUT_END = 0x2D
_FIFO_CTRL = 0x2E
_FIFO_SRC = 0x2F
_RATES = (0, 1, 10, 25, 50, 100, 200, 400, 1600, 1344)
_LOW_POWER_HZ = 5376
_FRAME = 6
_DEPTH = 32


class Lis3dh(Motion):
    """A LIS3DH on I2C; see Motion for the faults."""

    ADDRESSES = (0x18, 0x19)
    RATES = (1, 10, 25, 50, 100, 200, 400, 1344)
    ID = 0x0F
    RESET = ((0x0F, 0x33), (_CTRL1, 0x07))
    READ_ONLY = tuple(range(0x1E)) + tuple(range(_STATUS, _FIFO_CTRL)) + (_FIFO_SRC, 0x31, 0x39)
    TURN_ON_US = 1600
    BITS = 12
    SHIFT = 4
    FIFO_BYTES = _FRAME * _DEPTH
    PER_G = (1000, 500, 250, 1000 / 12)  # digits at 2, 4, 8, 16 g

    def put(self, register, value):
        """See Motion."""
        before = self.registers[register]
        self.registers[register] = value
        if register == _CTRL1 and (value ^ before) & 0xF8:
            self.restart()
        elif register == _CTRL5:
            self.registers[register] = value & 0x7F  # the reboot bit clears itself
        if register in (_CTRL5, _FIFO_CTRL) and not self._mode():
            self.empty()

    def _mode(self):
        """Return the FIFO's mode, 0 while it is off."""
        return self.registers[_FIFO_CTRL] >> 6 if self.registers[_CTRL5] & 0x40 else 0

    def running(self):
        """See Motion."""
        return 0 < self.registers[_CTRL1] >> 4 < len(_RATES)

    def period(self):
        """See Motion."""
        code = self.registers[_CTRL1] >> 4
        hz = _LOW_POWER_HZ if code == 9 and self.registers[_CTRL1] & 8 else _RATES[code]
        return 1000000, hz

    def scale(self, axis):
        """See Motion."""
        return self.PER_G[self.registers[_CTRL4] >> 4 & 3]

    def convert(self, values):
        """See Motion."""
        super().convert(values)
        mask = ~0xFF if self.registers[_CTRL1] & 8 else -1 if self.registers[_CTRL4] & 8 else ~63
        for axis in range(3):
            enabled = self.registers[_CTRL1] >> axis & 1
            self.latest[axis] = self.latest[axis] & mask if enabled else 0

    def frame(self):
        """See Motion."""
        return self.latest[:3] if self._mode() else ()

    def keeps_oldest(self):
        """See Motion."""
        return self._mode() == 1

    def get(self, register):
        """See Motion."""
        samples = self.held // _FRAME
        if register == _STATUS:
            return 0x0F if self.fresh else 0
        if register == _FIFO_SRC:
            return self._source_byte(samples)
        if not _OUT <= register <= _OUT_END:
            return super().get(register)
        at = register - _OUT
        if samples:
            byte = self.fifo[(self.head + at) % self.FIFO_BYTES]
        else:
            byte = self.pair(self.latest[at >> 1])[at & 1]
        if register == _OUT_END:
            self.fresh = False
            for _ in range(_FRAME if samples else 0):
                self.pop()
        return byte

    def _source_byte(self, samples):
        source = min(samples, _DEPTH - 1)
        if samples > self.registers[_FIFO_CTRL] & 0x1F:
            source |= 0x80
        if samples == _DEPTH:
            source |= 0x40
        return source if samples else 0x20

    def following(self, pointer):
        """See Motion."""
        if not pointer & 0x80:
            return pointer
        if pointer & 0x7F == _OUT_END:
            return 0x80 | _OUT  # so that a burst goes on with the next sample
        return 0x80 | (pointer + 1) & 0x7F


CHIP = Lis3dh

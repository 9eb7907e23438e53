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

    def _set(self, register, value):
        before = self._registers[register]
        self._registers[register] = value
        if register == _CTRL1 and (value ^ before) & 0xF8:
            self._begin()
        elif register == _CTRL5:
            self._registers[register] = value & 0x7F  # the reboot bit clears itself
        if register in (_CTRL5, _FIFO_CTRL) and not self._mode():
            self._empty()

    def _mode(self):
        """Return the FIFO's mode, 0 while it is off."""
        return self._registers[_FIFO_CTRL] >> 6 if self._registers[_CTRL5] & 0x40 else 0

    def _running(self):
        return 0 < self._registers[_CTRL1] >> 4 < len(_RATES)

    def _period(self):
        code = self._registers[_CTRL1] >> 4
        hz = _LOW_POWER_HZ if code == 9 and self._registers[_CTRL1] & 8 else _RATES[code]
        return 1000000, hz

    def _scale(self, axis):
        return self.PER_G[self._registers[_CTRL4] >> 4 & 3]

    def _take(self, values):
        super()._take(values)
        mask = ~0xFF if self._registers[_CTRL1] & 8 else -1 if self._registers[_CTRL4] & 8 else ~63
        for axis in range(3):
            enabled = self._registers[_CTRL1] >> axis & 1
            self._latest[axis] = self._latest[axis] & mask if enabled else 0

    def _frame(self):
        return self._latest[:3] if self._mode() else ()

    def _keeps_oldest(self):
        return self._mode() == 1

    def _byte(self, register):
        samples = self._count // _FRAME
        if register == _STATUS:
            return 0x0F if self._new else 0
        if register == _FIFO_SRC:
            return self._source_byte(samples)
        if not _OUT <= register <= _OUT_END:
            return super()._byte(register)
        at = register - _OUT
        if samples:
            byte = self._fifo[(self._head + at) % self.FIFO_BYTES]
        else:
            byte = self._pair(self._latest[at >> 1])[at & 1]
        if register == _OUT_END:
            self._new = False
            for _ in range(_FRAME if samples else 0):
                self._pop()
        return byte

    def _source_byte(self, samples):
        source = min(samples, _DEPTH - 1)
        if samples > self._registers[_FIFO_CTRL] & 0x1F:
            source |= 0x80
        if samples == _DEPTH:
            source |= 0x40
        return source if samples else 0x20

    def _after(self, pointer):
        if not pointer & 0x80:
            return pointer
        if pointer & 0x7F == _OUT_END:
            return 0x80 | _OUT  # so that a burst goes on with the next sample
        return 0x80 | (pointer + 1) & 0x7F


CHIP = Lis3dh

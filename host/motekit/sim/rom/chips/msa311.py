"""Model of the MSA311: register map and data path; it converts all the time.

Source: MSA311 datasheet V1.0, "Register Map"; Linux drivers/iio/accel/msa311.c.

Modelled: reset, suspend, ranges, rates, disabled axes, and that a conversion is read until the
next one is there. Assumed: the values after power-on. Not modelled: bandwidth, low-power mode,
interrupts, taps, orientation, offsets.
"""

from ._motion import Motion

_SOFT_RESET = 0x00
_DATA = 0x02
_DATA_END = 0x07
_RESRANGE = 0x0F
_ODR = 0x10
_POWER = 0x11


class Msa311(Motion):
    """An MSA311 on I2C; see Motion for the faults: one that is silent keeps its last sample."""

    ADDRESSES = (0x62,)
    RATES = ()
    ID = 0x01
    RESET = ((0x01, 0x13), (_ODR, 0x0F), (_POWER, 0xDE))
    READ_ONLY = tuple(range(_SOFT_RESET + 1, _RESRANGE))
    BITS = 12
    SHIFT = 4

    def _set(self, register, value):
        before = self._registers[register]
        self._registers[register] = value
        if register == _SOFT_RESET and value & 0x24:
            self.power_cycle()
        elif register in (_ODR, _POWER) and value != before:
            self._begin()

    def _running(self):
        return not self._registers[_POWER] & 0xC0

    def _period(self):
        return 1000 << (10 - min(self._registers[_ODR] & 0x0F, 10)), 1

    def _scale(self, axis):
        return 1024 >> (self._registers[_RESRANGE] & 3)

    def _advance(self):
        """Convert: the source is asked only for what somebody may read."""
        if self._ended or not self._running():
            return
        us, _ = self._period()
        due = (self._clock_us() - self._start_us) // us
        if due <= 0:
            return
        self._start_us += due * us
        if "silent" in self.faults:
            return
        values = self._source.at(self._start_us)
        if values is None:
            self._ended = True
            return
        self._take(values)
        for axis in range(3):
            if self._registers[_ODR] & 0x80 >> axis:
                self._latest[axis] = 0

    def _byte(self, register):
        if _DATA <= register <= _DATA_END:
            at = register - _DATA
            return self._pair(self._latest[at >> 1])[at & 1]
        return super()._byte(register)


CHIP = Msa311

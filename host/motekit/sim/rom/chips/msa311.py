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

    def put(self, register, value):
        """See Motion."""
        before = self.registers[register]
        self.registers[register] = value
        if register == _SOFT_RESET and value & 0x24:
            self.power_cycle()
        elif register in (_ODR, _POWER) and value != before:
            self.restart()

    def running(self):
        """See Motion."""
        return not self.registers[_POWER] & 0xC0

    def period(self):
        """See Motion."""
        return 1000 << (10 - min(self.registers[_ODR] & 0x0F, 10)), 1

    def scale(self, axis):
        """See Motion."""
        return 1024 >> (self.registers[_RESRANGE] & 3)

    def advance(self):
        """Convert: the source is asked only for what somebody may read."""
        if self.ended or not self.running():
            return
        us, _ = self.period()
        due = (self.clock_us() - self.start_us) // us
        if due <= 0:
            return
        self.start_us += due * us
        if "silent" in self.faults:
            return
        values = self.source.at(self.start_us)
        if values is None:
            self.ended = True
            return
        self.convert(values)
        for axis in range(3):
            if self.registers[_ODR] & 0x80 >> axis:
                self.latest[axis] = 0

    def get(self, register):
        """See Motion."""
        if _DATA <= register <= _DATA_END:
            at = register - _DATA
            return self.pair(self.latest[at >> 1])[at & 1]
        return super().get(register)


CHIP = Msa311

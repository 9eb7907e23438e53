"""Model of the ADXL345: register map, data path and FIFO, at the pace of its own sampling clock.

Source: ADXL345 datasheet Rev. G, "Register Map", "FIFO", "Data Formatting of Upper Data Rates".
Samples that are due are worked out from the clock when the bus looks: an idle part costs nothing.
As the driver sets it up (stream mode, full resolution, no offsets) samples come many at once, and
the bus takes them straight out of `burst`. The FIFO holds 32, and the output filter one more, so
that FIFO_STATUS tells of 33 at most (Register 0x39, "Entries Bits").

Modelled: every register's reset value, rates with turn-on time, range, full and 10-bit resolution,
justification, offsets, the zero last bit above 800 Hz, bypass, FIFO and stream mode, watermark,
overrun, data-ready. Not modelled: tap, activity, free fall, self-test, sleep, and the trigger of
the trigger mode.
"""

from array import array

from .. import fast
from . import Faults

_DEPTH = fast.DEPTH
_BATCH = 128
_COUNTS = 256  # of a g
_FAR_US = 0x10000000
_TURN_ON_US = 1100
_OFFSETS = 0x1E
_ACT_TAP_STATUS = 0x2B
_BW_RATE = 0x2C
_POWER_CTL = 0x2D
_INT_SOURCE = 0x30
_DATA_FORMAT = 0x31
_DATA = 0x32
_DATA_END = 0x37
_FIFO_CTL = 0x38
_FIFO_STATUS = 0x39
_READY = 0x80
_WATERMARK = 0x02
_OVERRUN = 0x01
_NACK = 19  # ENODEV, as the ESP32's I2C says it


class Adxl345(Faults):
    """An ADXL345 on I2C.

    Faults: `nack` (does not answer), `wrong_id` (is an ADXL346), `silent` (takes no samples),
    `brownout` (forgets its settings, at once).
    """

    ADDRESSES = (0x53, 0x1D)
    RATES = (0.1, 0.2, 0.39, 0.78, 1.56, 3.13, 6.25, 12.5, 25, 50, 100, 200, 400, 800, 1600, 3200)
    FAULTS = ("nack", "wrong_id", "silent", "brownout")

    @staticmethod
    def limits(options):
        """Return ((lowest, highest), ...) raw counts at full resolution, for the options."""
        top = 256 * options.get("range_g", 16)
        return ((-top, top - 1),) * 3

    def __init__(self, source, clock_us, _options=None):
        super().__init__()
        self._source = source
        self._clock_us = clock_us
        self._state = array("i", bytes(4 * fast.FIFO_WORDS))
        self._fifo = array("h", bytes(6 * fast.RING))
        self.burst = (_DATA, self._state, self._fifo)
        self._rows = array("h", bytes(6 * _BATCH))  # of the source, from sample `_first` on
        self._first = self._held = 0
        self._batches = getattr(source, "batches", False)
        if self._batches:
            source.prepare(_COUNTS)
        self._index = 0  # of the next sample asked of the source
        self._ended = False
        self.power_cycle()

    @property
    def lost(self):
        """Samples that a full FIFO, or an unread register, gave up."""
        return self._state[6]

    def power_cycle(self):
        """Forget everything, as after an interruption of the supply."""
        self._registers = bytearray(0x40)
        self._registers[0x00] = 0xE5
        self._registers[_BW_RATE] = 0x0A
        self._pointer = 0
        self._empty()
        self._restart()

    def fault(self, kind, on=True):
        """Begin or end a fault; a brownout is over at once."""
        super().fault(kind, on)
        if kind == "brownout" and on:
            self.faults.discard(kind)
            self.power_cycle()
        self._choose()

    def write(self, data):
        """Take one write transaction: the register pointer, then values from there on."""
        self._answer()
        if not data:
            return
        self._advance()
        self._pointer = data[0] & 0x3F
        for i in range(1, len(data)):
            self._set(self._pointer, data[i])
            self._pointer = (self._pointer + 1) & 0x3F

    def read_into(self, buf):
        """Give one read transaction, from the register pointer on."""
        self._answer()
        self._advance()
        self._give(buf)

    def read_mem(self, register, buf):
        """Set the register pointer and give a read transaction, as `write` and `read_into` do."""
        self._answer()
        self._advance()
        if len(buf) == 1 and register in (_FIFO_STATUS, _INT_SOURCE):
            buf[0] = self._waiting() if register == _FIFO_STATUS else self._events()
            self._pointer = register + 1
            return
        self._pointer = register & 0x3F
        self._give(buf)

    def _give(self, buf):
        registers = self._registers
        pointer = self._pointer
        end = pointer + len(buf)
        popped = (pointer <= _DATA_END and end > _DATA) or end > 0x40 + _DATA
        self._show(popped)
        for i in range(len(buf)):
            buf[i] = registers[pointer]
            pointer = (pointer + 1) & 0x3F
        self._pointer = pointer
        if popped:
            self._pop()

    def _answer(self):
        if self.faults and "nack" in self.faults:
            raise OSError(_NACK)

    def _set(self, register, value):
        writable = 0x1D <= register <= 0x31 or register == _FIFO_CTL
        if not writable or register in (_ACT_TAP_STATUS, _INT_SOURCE):
            return
        before = self._registers[register]
        self._registers[register] = value
        if register == _BW_RATE or (register == _POWER_CTL and (value ^ before) & 0x08):
            self._restart()
        elif register == _FIFO_CTL and not value >> 6:
            self._empty()
        self._choose()

    def _choose(self):
        """See whether samples can be had many at once."""
        registers = self._registers
        offsets = registers[_OFFSETS] | registers[_OFFSETS + 1] | registers[_OFFSETS + 2]
        self._state[0] = (
            self._batches
            and registers[_FIFO_CTL] >> 6 == 2
            and registers[_DATA_FORMAT] & 0x0C == 0x08
            and registers[_BW_RATE] & 0x0F <= 0x0D
            and not offsets
            and not self.faults
        )
        self._state[4] = 0
        self._next_us = 0

    def _empty(self):
        self._state[1] = self._state[2] = self._state[5] = 0

    def _restart(self):
        """Begin the sampling clock anew."""
        self._half_us = 625 << (15 - (self._registers[_BW_RATE] & 0x0F))  # half microseconds
        self._start_us = self._clock_us() + _TURN_ON_US
        self._taken = 0  # samples since `_start_us`
        self._next_us = 0  # before it no sample is due

    def _advance(self):
        """Take the samples that are due."""
        now = self._clock_us()
        if now >= self._next_us and self._registers[_POWER_CTL] & 0x08 and not self._ended:
            self._catch_up(now)

    def _catch_up(self, now):
        due = 2 * (now - self._start_us) // self._half_us
        state = self._state
        taken = self._taken
        if state[0]:
            self._take(due - taken)
            taken = max(due, taken)
            full = taken + _DEPTH + 1 - state[2]
            full_us = self._start_us + full * self._half_us // 2 - now
            state[3] = fast.TIME[0]
            state[4] = min(full_us, _FAR_US)
        while taken < due and not self._ended:
            taken += 1
            if "silent" not in self.faults:
                self._sample()
        # Move the start on by an even number of samples, so that the figures stay small.
        pairs = taken >> 1
        self._start_us += pairs * self._half_us
        self._taken = taken & 1
        self._next_us = self._start_us + ((taken & 1) * self._half_us + self._half_us + 1 >> 1)

    def _take(self, n):
        """Take n samples at once, in the source's own counts or in those of 1/256 g."""
        while n > 0 and not self._ended:
            at = self._index - self._first
            if not 0 <= at < self._held:
                top = 512 << (self._registers[_DATA_FORMAT] & 3)
                self._first = self._index
                self._held = self._source.rows(self._index, _BATCH, self._rows, -top, top - 1)
                at = 0
            k = 0 if self._source.over() else min(n, self._held - at)
            if not k:
                self._ended = True
                return
            fast.push(self._state, self._fifo, self._rows, at, k)
            self._source.took(k)
            self._index += k
            n -= k

    def _sample(self):
        values = self._source.sample(self._index)
        if values is None:
            self._ended = True
            return
        self._index += 1
        state = self._state
        mode = self._registers[_FIFO_CTL] >> 6
        if mode == 0:  # one sample, until it is read
            state[6] += state[2]
            state[5] = 1 if state[2] else 0
            state[2] = 0
        elif mode == 1 and state[2] == _DEPTH:
            state[6] += 1
            return
        row = array("h", [self._convert(values[axis], axis) for axis in range(3)])
        fast.push(state, self._fifo, row, 0, 1)

    def _convert(self, value, axis):
        """Return the data word of one axis, from counts of 1/256 g or from g."""
        registers = self._registers
        form = registers[_DATA_FORMAT]
        code = form & 3
        if not self._source.raw:
            value = round(_COUNTS * value)
        offset = registers[_OFFSETS + axis]
        value += 4 * (offset - 256 if offset > 127 else offset)
        top = 512 << code
        value = max(-top, min(top - 1, value))
        quick = registers[_BW_RATE] & 0x0F > 0x0D
        if not form & 0x08:
            if quick and not code:
                value &= ~1
            value >>= code
            code = 0
        elif quick:
            value &= ~1
        return value << 6 - code if form & 0x04 else value

    def _waiting(self):
        """Return what FIFO_STATUS says."""
        return self._state[2] if self._registers[_FIFO_CTL] >> 6 else 0

    def _events(self):
        """Return what INT_SOURCE says."""
        state = self._state
        control = self._registers[_FIFO_CTL]
        count = state[2]
        events = _OVERRUN if state[5] else 0
        if count:
            events |= _READY
        if (count if control >> 6 else 0) >= control & 0x1F:
            events |= _WATERMARK
        return events

    def _show(self, with_data):
        """Put what a read sees now into the registers."""
        registers = self._registers
        registers[0x00] = 0xE6 if "wrong_id" in self.faults else 0xE5
        registers[_INT_SOURCE] = self._events()
        registers[_FIFO_STATUS] = self._waiting()
        if self._state[2] and with_data:
            at = 3 * self._state[1]
            for axis in range(3):
                word = self._fifo[at + axis]
                registers[_DATA + 2 * axis] = word & 0xFF
                registers[_DATA + 2 * axis + 1] = word >> 8 & 0xFF

    def _pop(self):
        state = self._state
        state[5] = 0
        if state[2]:
            state[2] -= 1
            state[1] = (state[1] + 1) % fast.RING


CHIP = Adxl345

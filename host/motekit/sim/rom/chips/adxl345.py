"""Model of the ADXL345: register map, data path and FIFO, at the pace of its own sampling clock.

Source: ADXL345 datasheet Rev. G, "Register Map", "FIFO", "Data Formatting of Upper Data Rates".
Samples that are due are worked out from the clock when the bus looks: an idle part costs nothing.
As the driver sets it up (stream mode, full resolution, no offsets) samples come many at once, and
the bus reads them straight out of `quick` (see `fifo`). The FIFO holds 32, and the output filter
one more, so that FIFO_STATUS tells of 33 at most (Register 0x39, "Entries Bits").

Modelled: every register's reset value, rates with turn-on time, range, full and 10-bit resolution,
justification, offsets, the zero last bit above 800 Hz, bypass, FIFO and stream mode, watermark,
overrun, data-ready. Not modelled: tap, activity, free fall, self-test, sleep, and the trigger of
the trigger mode.
"""

from array import array

from .. import fast, fifo
from ..fast import const
from ..fifo import AT, BATCH, DEPTH, ENTRIES, FIRST, HELD, LOST, OVERRUN
from . import Faults

_COUNTS = const(256)  # of a g
_FAR_US = const(0x10000000)
_TURN_ON_US = const(1100)
_OFFSETS = const(0x1E)
_ACT_TAP_STATUS = const(0x2B)
_BW_RATE = const(0x2C)
_POWER_CTL = const(0x2D)
_INT_SOURCE = const(0x30)
_DATA_FORMAT = const(0x31)
_DATA = const(0x32)
_DATA_END = const(0x37)
_FIFO_CTL = const(0x38)
_FIFO_STATUS = const(0x39)
_READY = const(0x80)
_WATERMARK = const(0x02)
_OVERRUN = const(0x01)
_NACK = const(19)  # ENODEV, as the ESP32's I2C says it


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
        self.quick = fifo.new(_DATA, _FIFO_STATUS, _INT_SOURCE)
        self._state, self._fifo, self._rows = self.quick
        self._first = 0  # sample of the source with which `_rows` begin
        self._told = 0  # of them, that the source knows to be taken
        self._start_us = self._taken = 0
        self._batches = getattr(source, "batches", False)
        if self._batches:
            source.prepare(_COUNTS)
        self._ended = False
        self.power_cycle()

    @property
    def lost(self):
        """Samples that a full FIFO, or an unread register, gave up."""
        return self._state[LOST]

    @property
    def index(self):
        """The next sample asked of the source."""
        return self._first + self._state[AT]

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
        self._advance()  # what was due before was as it was
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

    def settle(self):
        """Take in what has been read the quick way."""
        state = self._state
        self._start_us += state[fifo.MOVED] * self._half_us
        state[fifo.MOVED] = 0
        self._taken = state[fifo.TAKEN]
        taken = state[AT] - self._told
        if taken:
            self._source.took(taken)
            self._told += taken

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
        self.settle()
        registers = self._registers
        state = self._state
        offsets = registers[_OFFSETS] | registers[_OFFSETS + 1] | registers[_OFFSETS + 2]
        state[fifo.SIMPLE] = (
            self._batches
            and registers[_FIFO_CTL] >> 6 == 2
            and registers[_DATA_FORMAT] & 0x0C == 0x08
            and registers[_BW_RATE] & 0x0F <= 0x0D
            and not offsets
            and not self.faults
        )
        state[fifo.WATERMARK] = registers[_FIFO_CTL] & 0x1F
        self._forget()

    def _forget(self):
        """Have the model looked at first, before anything is read the quick way."""
        self._state[fifo.FULL_US] = self._state[fifo.HALF_US] = 0
        self._next_us = 0

    def _empty(self):
        self._state[FIRST] = self._state[ENTRIES] = self._state[OVERRUN] = 0

    def _restart(self):
        """Begin the sampling clock anew."""
        self._half_us = 625 << (15 - (self._registers[_BW_RATE] & 0x0F))  # half microseconds
        self._start_us = self._clock_us() + _TURN_ON_US
        self._state[fifo.MOVED] = self._state[fifo.TAKEN] = 0  # samples since `_start_us`
        self._forget()

    def _advance(self):
        """Take the samples that are due."""
        now = self._clock_us()
        if now >= self._next_us and self._registers[_POWER_CTL] & 0x08 and not self._ended:
            self.settle()
            self._catch_up(now)

    def _catch_up(self, now):
        due = 2 * (now - self._start_us) // self._half_us
        state = self._state
        taken = self._taken
        if state[fifo.SIMPLE]:
            self._take(due - taken)
            taken = max(due, taken)
        while taken < due and not self._ended:
            taken += 1
            if "silent" not in self.faults:
                self._sample()
        # Move the start on by an even number of samples, so that the figures stay small.
        self._start_us += (taken >> 1) * self._half_us
        state[fifo.TAKEN] = self._taken = taken & 1
        half_us = self._half_us
        self._next_us = self._start_us + (((taken & 1) + 1) * half_us + 1 >> 1)
        if state[fifo.SIMPLE]:
            full_us = self._start_us + ((taken & 1) + DEPTH + 1 - state[ENTRIES]) * half_us // 2
            state[fifo.LOOKED_US] = fast.TIME[0]
            state[fifo.FULL_US] = min(full_us - now, _FAR_US)
            state[fifo.START_MS] = self._start_us // 1000 & 0x3FFFFFFF
            state[fifo.START_US] = self._start_us % 1000
            state[fifo.HALF_US] = half_us

    def _take(self, n):
        """Take n samples at once, in the source's own counts or in those of 1/256 g."""
        state = self._state
        while n > 0 and not self._ended:
            at = state[AT]
            if at >= state[HELD]:
                at = self._prepare(at)
            k = 0 if self._source.over() else min(n, state[HELD] - at)
            if not k:
                self._ended = True
                return
            fifo.push(state, self._fifo, self._rows, at, k)
            state[AT] = at + k
            n -= k

    def _prepare(self, at):
        """Have rows that begin with the one after `at`; return 0, the place of that."""
        self.settle()
        self._first += at
        self._told = self._state[AT] = 0
        top = 512 << (self._registers[_DATA_FORMAT] & 3)
        held = self._source.rows(self._first, BATCH, self._rows, -top, top - 1)
        self._state[HELD] = held
        return 0

    def _sample(self):
        state = self._state
        values = self._source.sample(self.index)
        if values is None:
            self._ended = True
            return
        state[AT] += 1
        self._told += 1
        mode = self._registers[_FIFO_CTL] >> 6
        if mode == 0:  # one sample, until it is read
            state[LOST] += state[ENTRIES]
            state[OVERRUN] = 1 if state[ENTRIES] else 0
            state[ENTRIES] = 0
        elif mode == 1 and state[ENTRIES] == DEPTH:
            state[LOST] += 1
            return
        row = array("h", [self._convert(values[axis], axis) for axis in range(3)])
        fifo.push(state, self._fifo, row, 0, 1)

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
        return self._state[ENTRIES] if self._registers[_FIFO_CTL] >> 6 else 0

    def _events(self):
        """Return what INT_SOURCE says."""
        state = self._state
        control = self._registers[_FIFO_CTL]
        count = state[ENTRIES]
        events = _OVERRUN if state[OVERRUN] else 0
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
        if self._state[ENTRIES] and with_data:
            at = 3 * self._state[FIRST]
            for axis in range(3):
                word = self._fifo[at + axis]
                registers[_DATA + 2 * axis] = word & 0xFF
                registers[_DATA + 2 * axis + 1] = word >> 8 & 0xFF

    def _pop(self):
        state = self._state
        state[OVERRUN] = 0
        if state[ENTRIES]:
            state[ENTRIES] -= 1
            state[FIRST] = (state[FIRST] + 1) % fifo.RING


CHIP = Adxl345

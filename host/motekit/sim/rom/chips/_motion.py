"""Not a chip: what models of accelerometers share: registers, sampling clock, a FIFO of bytes.

Samples that are due are worked out from the clock when the bus looks: an idle part costs nothing.
A model that is built on this says how long a sample takes, whether it runs, and what its registers
show; it may override `_set`, `_byte` and `_after` where a register is more than a place.
"""

from . import Faults

_NACK = 19  # ENODEV, as the ESP32's I2C says it


class Motion(Faults):
    """Base of the models.

    Faults: `nack` (does not answer), `wrong_id` (another part answers), `silent` (takes no
    samples), `brownout` (forgets its settings, at once).
    """

    FAULTS = ("nack", "wrong_id", "silent", "brownout")
    ID = 0x00  # register of the identity
    RESET: tuple = ()  # (register, what it holds after power-on), where that is not 0
    READ_ONLY: tuple = ()
    TURN_ON_US = 0
    BITS = 16  # of a value
    SHIFT = 0  # of a value in its word
    FIFO_BYTES = 0

    @classmethod
    def limits(cls, options):
        """Return ((lowest, highest), ...) raw counts for the options."""
        top = 1 << (cls.BITS - 1)
        return ((-top, top - 1),) * (6 if options.get("gyro_dps") else 3)

    def __init__(self, source, clock_us, _options=None):
        super().__init__()
        self._source = source
        self._clock_us = clock_us
        self._index = 0  # of the next sample asked of the source
        self._ended = False
        self._fifo = bytearray(self.FIFO_BYTES)
        self.lost = 0  # samples that a full FIFO gave up
        self.power_cycle()

    def power_cycle(self):
        """Forget everything, as after an interruption of the supply."""
        self._registers = bytearray(0x80)
        for register, value in self.RESET:
            self._registers[register] = value
        self._pointer = 0
        self._latest = [0] * 6  # words
        self._new = False
        self._empty()
        self._begin()

    def fault(self, kind, on=True):
        """Begin or end a fault; a brownout is over at once."""
        super().fault(kind, on)
        if kind == "brownout" and on:
            self.faults.discard(kind)
            self.power_cycle()

    def write(self, data):
        """Take one write transaction: the register pointer, then values from there on."""
        self._answer()
        if not data:
            return
        self._advance()
        self._pointer = data[0]
        for i in range(1, len(data)):
            register = self._pointer & 0x7F
            if register not in self.READ_ONLY:
                self._set(register, data[i])
            self._pointer = self._after(self._pointer)

    def read_into(self, buf):
        """Give one read transaction, from the register pointer on."""
        self._answer()
        self._advance()
        self._show()
        for i in range(len(buf)):
            buf[i] = self._byte(self._pointer & 0x7F)
            self._pointer = self._after(self._pointer)

    def _answer(self):
        if "nack" in self.faults:
            raise OSError(_NACK)

    # What a part does otherwise.

    def _set(self, register, value):
        self._registers[register] = value

    def _show(self):
        """Put what a read sees now into the registers."""

    def _byte(self, register):
        if register == self.ID and "wrong_id" in self.faults:
            return self._registers[register] ^ 0x5A
        return self._registers[register]

    def _after(self, pointer):
        return (pointer + 1) & 0x7F

    def _running(self):
        return False

    def _period(self):
        """Return (microseconds, samples that they are)."""
        return 1000000, 1

    def _scale(self, axis):
        """Return counts a unit of an axis, 0..2 acceleration, 3..5 rotation."""
        return 1

    def _frame(self):
        """Return the words of the latest sample that go to the FIFO."""
        return ()

    def _keeps_oldest(self):
        """Tell whether a full FIFO takes no more, rather than give up its oldest."""
        return False

    # Samples.

    def _begin(self):
        """Begin the sampling clock anew."""
        self._start_us = self._clock_us() + self.TURN_ON_US
        self._taken = 0  # samples since `_start_us`

    def _advance(self):
        """Take the samples that are due."""
        if self._ended or not self._running():
            return
        us, samples = self._period()
        due = (self._clock_us() - self._start_us) * samples // us
        while self._taken < due and not self._ended:
            self._taken += 1
            if "silent" not in self.faults:
                self._sample()
        # Move the start on by whole periods, so that the figures stay small.
        periods = self._taken // samples
        self._start_us += periods * us
        self._taken -= periods * samples

    def _sample(self):
        values = self._source.sample(self._index)
        if values is None:
            self._ended = True
            return
        self._index += 1
        self._take(values)
        frame = self._frame()
        if frame:
            self._push(frame)

    def _take(self, values):
        """Turn a row of the source into words."""
        top = 1 << (self.BITS - 1)
        for axis in range(len(values)):
            value = values[axis]
            if not self._source.raw:
                value = round(value * self._scale(axis))
            self._latest[axis] = max(-top, min(top - 1, value)) << self.SHIFT
        self._new = True

    # The FIFO, byte by byte.

    def _empty(self):
        self._head = self._count = 0

    def _push(self, frame):
        """Put words into the FIFO, low byte first or as `_pair` says."""
        size = self.FIFO_BYTES
        excess = self._count + 2 * len(frame) - size
        if excess > 0:
            self.lost += 1
            if self._keeps_oldest():
                return
            self._head = (self._head + excess) % size
            self._count -= excess
        at = self._head + self._count
        for word in frame:
            for byte in self._pair(word):
                self._fifo[at % size] = byte
                at += 1
        self._count += 2 * len(frame)

    def _pop(self):
        """Take the oldest byte out; 0 if there is none."""
        if not self._count:
            return 0
        byte = self._fifo[self._head]
        self._head = (self._head + 1) % self.FIFO_BYTES
        self._count -= 1
        return byte

    def _pair(self, word):
        """Return the two bytes of a word in the order of their addresses."""
        return word & 0xFF, word >> 8 & 0xFF

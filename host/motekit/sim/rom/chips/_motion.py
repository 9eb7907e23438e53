"""Not a chip: what models of accelerometers share: registers, sampling clock, a FIFO of bytes.

Samples that are due are worked out from the clock when the bus looks: an idle part costs nothing.
A model that is built on this says how long a sample takes, whether it runs, and what its registers
show; it may override `put`, `get` and `following` where a register is more than a place.
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
        self.source = source
        self.clock_us = clock_us
        self.index = 0  # of the next sample asked of the source
        self.ended = False
        self.fifo = bytearray(self.FIFO_BYTES)
        self.lost = 0  # samples that a full FIFO gave up
        self.power_cycle()

    def power_cycle(self):
        """Forget everything, as after an interruption of the supply."""
        self.registers = bytearray(0x80)
        for register, value in self.RESET:
            self.registers[register] = value
        self.pointer = 0
        self.latest = [0] * 6  # words
        self.fresh = False
        self.empty()
        self.restart()

    def fault(self, kind, on=True):
        """Begin or end a fault; a brownout is over at once."""
        super().fault(kind, on)
        if kind == "brownout" and on:
            self.faults.discard(kind)
            self.power_cycle()

    def write(self, data):
        """Take one write transaction: the register pointer, then values from there on."""
        self.answer()
        if not data:
            return
        self.advance()
        self.pointer = data[0]
        for i in range(1, len(data)):
            register = self.pointer & 0x7F
            if register not in self.READ_ONLY:
                self.put(register, data[i])
            self.pointer = self.following(self.pointer)

    def read_into(self, buf):
        """Give one read transaction, from the register pointer on."""
        self.answer()
        self.advance()
        self.show()
        for i in range(len(buf)):
            buf[i] = self.get(self.pointer & 0x7F)
            self.pointer = self.following(self.pointer)

    def answer(self):
        if "nack" in self.faults:
            raise OSError(_NACK)

    # What a part does otherwise.

    def put(self, register, value):
        self.registers[register] = value

    def show(self):
        """Put what a read sees now into the registers."""

    def get(self, register):
        if register == self.ID and "wrong_id" in self.faults:
            return self.registers[register] ^ 0x5A
        return self.registers[register]

    def following(self, pointer):
        return (pointer + 1) & 0x7F

    def running(self):
        return False

    def period(self):
        """Return (microseconds, samples that they are)."""
        return 1000000, 1

    def scale(self, axis):
        """Return counts a unit of an axis, 0..2 acceleration, 3..5 rotation."""
        return 1

    def frame(self):
        """Return the words of the latest sample that go to the FIFO."""
        return ()

    def keeps_oldest(self):
        """Tell whether a full FIFO takes no more, rather than give up its oldest."""
        return False

    # Samples.

    def restart(self):
        """Begin the sampling clock anew."""
        self.start_us = self.clock_us() + self.TURN_ON_US
        self.taken = 0  # samples since `start_us`

    def advance(self):
        """Take the samples that are due."""
        if self.ended or not self.running():
            return
        us, samples = self.period()
        due = (self.clock_us() - self.start_us) * samples // us
        while self.taken < due and not self.ended:
            self.taken += 1
            if "silent" not in self.faults:
                self.take_sample()
        # Move the start on by whole periods, so that the figures stay small.
        periods = self.taken // samples
        self.start_us += periods * us
        self.taken -= periods * samples

    def take_sample(self):
        values = self.source.sample(self.index)
        if values is None:
            self.ended = True
            return
        self.index += 1
        self.convert(values)
        frame = self.frame()
        if frame:
            self.push(frame)

    def convert(self, values):
        """Turn a row of the source into words."""
        top = 1 << (self.BITS - 1)
        for axis in range(len(values)):
            value = values[axis]
            if not self.source.raw:
                value = round(value * self.scale(axis))
            self.latest[axis] = max(-top, min(top - 1, value)) << self.SHIFT
        self.fresh = True

    # The FIFO, byte by byte.

    def empty(self):
        self.head = self.held = 0

    def push(self, frame):
        """Put words into the FIFO, low byte first or as `pair` says."""
        size = self.FIFO_BYTES
        excess = self.held + 2 * len(frame) - size
        if excess > 0:
            self.lost += 1
            if self.keeps_oldest():
                return
            self.head = (self.head + excess) % size
            self.held -= excess
        at = self.head + self.held
        for word in frame:
            for byte in self.pair(word):
                self.fifo[at % size] = byte
                at += 1
        self.held += 2 * len(frame)

    def pop(self):
        """Take the oldest byte out; 0 if there is none."""
        if not self.held:
            return 0
        byte = self.fifo[self.head]
        self.head = (self.head + 1) % self.FIFO_BYTES
        self.held -= 1
        return byte

    def pair(self, word):
        """Return the two bytes of a word in the order of their addresses."""
        return word & 0xFF, word >> 8 & 0xFF

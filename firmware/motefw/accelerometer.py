"""What accelerometers have in common: units that follow the range, and a FIFO that is drained.

No name here is private: those are short on a board, and would meet a subclass's.

A FIFO in stream mode keeps the latest samples. One that is found full may have lost some: that is
a gap, told once, until a sample is taken out. Whether it has run over is looked at again before
anything is taken out, since making a packet between two calls may take longer than it lasts.
"""

from .driver import Driver


class Accelerometer(Driver):
    """Registers of one byte, and words of 16 bits: x, y, z, and x, y, z of a gyroscope."""

    SPAN = 0x8000  # counts that the range is, of the gyroscope, too
    DATA = 0  # register of a sample's first word
    HIGH_FIRST = 0  # 1: the high byte of a word comes first
    SHIFT = 0  # bits of a word below the value

    @classmethod
    def scale(cls, range_g):
        """Return the g of one count."""
        return range_g / cls.SPAN

    @classmethod
    def channels(cls, options):
        """Return the channels; a gyroscope's where the options switch one on."""
        scale = cls.scale(options["range_g"])
        table = [("accel_" + axis, "g", scale, 0) for axis in "xyz"]
        dps = options.get("gyro_dps")
        if dps:
            table += [("gyro_" + axis, "deg/s", dps / cls.SPAN, 0) for axis in "xyz"]
        return tuple(table)

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self.fetch = bus.readfrom_mem_into
        self.byte = bytearray(1)
        self.data = bytearray(6)

    def get(self, register):
        """Return a register."""
        self.fetch(self.address, register, self.byte)
        return self.byte[0]

    def put(self, register, value):
        """Write a register."""
        self.byte[0] = value
        self.bus.writeto_mem(self.address, register, self.byte)

    def sample(self, block, n=1):
        """Append n samples, read from the part; what came before a read fails stays."""
        block.kernel.burst(
            self.fetch,
            self.address,
            self.DATA,
            self.data,
            self.HIGH_FIRST,
            self.SHIFT,
            n,
            block,
        )


class Fifo(Accelerometer):
    """Streams out of a FIFO; a subclass gives `waiting` and what tells that the part runs."""

    STREAMING = True
    RUNS = (0, 0)  # register and bits of it that are set while the part measures

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self.told = False  # of the overrun that the FIFO still shows

    def start(self, **options):
        """See Driver; the FIFO is empty then."""
        super().start(**options)
        self.told = False

    def waiting(self):
        """Return how many samples wait; FIFO of them where it is full."""
        return 0

    def pending(self):
        """Return how many samples wait; set `gap` if the FIFO ran over before them."""
        waiting = self.waiting()
        if waiting > self.FIFO:
            raise self.error(f"{waiting} samples wait, at most {self.FIFO} expected")
        if not waiting and not self.get(self.RUNS[0]) & self.RUNS[1]:
            raise self.error("it has stopped measuring (supply interrupted?)")
        self.ran_over(waiting)
        return waiting

    def drain(self, block, n):
        """Append n samples; or none, and a `gap`, if the FIFO has run over since the last look."""
        waiting = self.waiting()
        if self.ran_over(waiting) or waiting < n:
            return
        self.take(block, n)

    def take(self, block, n):
        """Append n samples out of the FIFO, which then is not full any more."""
        held = block.count
        try:
            self.sample(block, n)
        finally:
            if block.count > held:
                self.told = False

    def ran_over(self, waiting):
        """Tell of an overrun once, and set `gap`: the FIFO stays full until data are read."""
        before = self.told
        self.told = waiting >= self.FIFO
        if before or not self.told:
            return False
        self.gap = True
        return True

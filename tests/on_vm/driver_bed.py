"""A driver on the model of its chip, in virtual time; tests call these functions in a VM."""

import gc

import micropython
from rom import chips
from rom.bus import I2CBus, Uart
from rom.onewire import OneWire
from transcript import Wave, play
from virtual_time import clock

from motefw import drivers
from motefw.options import channels_of
from motefw.packet import Block


class Rows:
    """A source over a list of rows, raw or physical; with `ramp`, rows without end."""

    def __init__(self, rows, raw, ramp=None):
        self.raw = raw
        self.rows = rows
        self.next = 0
        self.ramp = ramp

    def sample(self, i):
        if self.ramp:
            return tuple(i % 4000 - 2000 + c for c in range(self.ramp))
        return tuple(self.rows[i]) if i < len(self.rows) else None

    def at(self, _t_us):
        self.next += 1
        return self.sample(self.next - 1)


class Flipping(I2CBus):
    """A bus on which one bit of what is read is another: `mask` at byte `at`.

    `frozen` registers always read the same; every transaction takes `slow_us`.
    """

    at = mask = slow_us = 0

    def __init__(self, models):
        super().__init__(models)
        self.frozen = {}

    def readfrom_into(self, addr, buf, stop=True):
        super().readfrom_into(addr, buf, stop)
        clock.now_us += self.slow_us
        if self.mask:
            buf[self.at] ^= self.mask

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        super().readfrom_mem_into(addr, memaddr, buf, addrsize=addrsize)
        clock.now_us += self.slow_us
        if memaddr in self.frozen:
            buf[0] = self.frozen[memaddr]


class FlippingWire(OneWire):
    """A wire on which one bit of what is read is another: `mask` at byte `at`."""

    at = mask = 0

    def readinto(self, buf):
        super().readinto(buf)
        if self.mask:
            buf[self.at] ^= self.mask


class Script:
    """A UART that brings what it is fed, at once, and keeps what is written."""

    def __init__(self):
        self.incoming = b""
        self.written = b""

    def any(self):
        return len(self.incoming)

    def readinto(self, buf, nbytes=None):
        n = min(nbytes or len(buf), len(self.incoming))
        buf[:n] = self.incoming[:n]
        self.incoming = self.incoming[n:]
        return n or None

    def write(self, buf):
        self.written += bytes(buf)
        return len(buf)


class Bed:
    """What the calls work on."""

    driver = model = bus = block = source = None


bed = Bed()


def new(name, rows, raw=True, options=None, capacity=64, ramp=None, baud=9600):
    """Put a driver on a new model; rows is what the model sees."""
    options = options or {}
    bed.source = Rows(rows, raw, ramp)
    cls = drivers.load(name)
    bed.model = chips.load(name)(bed.source, clock.clock_us, options)
    if cls.BUS == "uart":
        bed.bus = Uart(bed.model, clock.clock_us, baud)
    elif cls.BUS == "onewire":
        bed.bus = FlippingWire([(None, bed.model)])
    else:
        bed.bus = Flipping([(bed.model.ADDRESSES[0], bed.model)])
    clock.now_us += getattr(bed.model, "POWER_UP_US", 2000)
    bed.driver = cls(bed.bus)
    bed.block = Block(len(channels_of(cls, options)), capacity, False, cls.CODE)


def new_wire(name, rows, serials, address=None):
    """Put a driver on a wire with a part for each list of rows and serial number."""
    chip = chips.load(name)
    models = [chip(Rows(r, True), clock.clock_us, {}) for r in rows]
    bed.model = models[0]
    bed.bus = FlippingWire(list(zip(serials, models)))
    cls = drivers.load(name)
    bed.driver = cls(bed.bus, address)
    bed.block = Block(len(cls.CHANNELS), 64)


def scan():
    """Return the ROM codes on the wire, hexadecimal."""
    return [rom.hex() for rom in bed.bus.scan()]


def new_script(name):
    """Put a UART driver on a line that the test feeds."""
    cls = drivers.load(name)
    bed.bus = Script()
    bed.driver = cls(bed.bus)
    bed.block = Block(len(channels_of(cls, {})), 64, False, cls.CODE)


def feed(chunks):
    """Feed the line chunk by chunk, draining after each; return the rows."""
    out = []
    for chunk in chunks:
        bed.bus.incoming += bytes.fromhex(chunk)
        while True:
            n = bed.driver.pending()
            if not n and not bed.bus.any():
                break
            bed.driver.drain(bed.block, n)
            out += rows()
    return out


def put(data):
    """Put bytes on the line, hexadecimal."""
    bed.bus.incoming += bytes.fromhex(data)


def written():
    """Return what the driver wrote since the last call, hexadecimal."""
    data = bed.bus.written
    bed.bus.written = b""
    return data.hex()


def flip(at, mask):
    """Let one bit of what is read be another."""
    bed.bus.at, bed.bus.mask = at, mask


def freeze(register, value):
    """Let a register read always the same, whatever the part does."""
    bed.bus.frozen[register] = value


def slow_bus(us):
    """Let every transaction take its time."""
    bed.bus.slow_us = us


def transcript(name, width, raw, options, ops):
    """Play transactions on a model of its own."""
    return play(chips, name, Wave(width, raw), options, ops)


def start(options):
    bed.driver.start(**options)
    return bed.driver.period_us


def stop():
    bed.driver.stop()


def advance(us):
    clock.now_us += us


def fault(kind, on=True):
    bed.model.fault(kind, on)


def bus_fault(kind, on=True):
    bed.bus.fault(kind, on)


def recover():
    bed.bus.recover()


def rows():
    """Return and clear what the block holds: rows, with None where invalid."""
    block = bed.block
    columns = block.columns
    out = []
    for i in range(block.count):
        channels = range(len(columns))
        out.append([None if block.is_invalid(c, i) else columns[c][i] for c in channels])
    block.clear()
    return out


def pending():
    """Return what waits, and whether there was a gap before."""
    n = bed.driver.pending()
    gap = bed.driver.gap
    bed.driver.gap = False
    return n, gap


def drain(n):
    """Drain n samples into the block; return whether a gap was noticed."""
    bed.driver.drain(bed.block, n)
    gap = bed.driver.gap
    bed.driver.gap = False
    return gap


def stream(step_us, steps):
    """Poll a streaming driver every step; return (rows, gaps)."""
    out = []
    gaps = 0
    for _ in range(steps):
        clock.now_us += step_us
        n = bed.driver.pending()
        while n:
            take = min(n, bed.block.capacity)
            bed.driver.drain(bed.block, take)
            out += rows()
            n -= take
        if bed.driver.gap:
            gaps += 1
            bed.driver.gap = False
    return out, gaps


def measure():
    """Take one sample of a polled driver; return the rows."""
    clock.now_us += 1000 * bed.driver.measure()
    bed.driver.read(bed.block)
    return rows()


def begin_measuring():
    bed.driver.measure()


def read():
    bed.driver.read(bed.block)
    return rows()


def measure_early(ms):
    """Take one sample, reading it sooner than the driver said."""
    bed.driver.measure()
    clock.now_us += 1000 * ms
    bed.driver.read(bed.block)
    return rows()


def measure_but(kind):
    """Take one sample while a fault happens."""
    wait_ms = bed.driver.measure()
    clock.now_us += 500 * wait_ms
    bed.model.fault(kind)
    clock.now_us += 500 * wait_ms
    bed.driver.read(bed.block)
    return rows()


def wait_ms():
    """Return how long a measurement takes, by the driver."""
    wait_ms = bed.driver.measure()
    clock.now_us += 1000 * wait_ms
    return wait_ms


def measure_all():
    """Take samples until the source ends."""
    out = []
    for _ in range(len(bed.source.rows)):
        out += measure()
    return out


def transactions():
    return bed.bus.transactions


def serial():
    return list(bed.driver.serial)


def get(name):
    return getattr(bed.driver, name)


def model_get(name):
    return getattr(bed.model, name)


def model_set(name, value):
    setattr(bed.model, name, value)


def model_do(name, *args):
    getattr(bed.model, name)(*args)


def register(register):
    return bed.bus.readfrom_mem(bed.driver.address, register, 1)[0]


def write(hexadecimal):
    """Put bytes on the I2C bus as another program would have."""
    bed.bus.writeto(bed.driver.address, bytes.fromhex(hexadecimal))


def wire_command(hexadecimal):
    """Send function commands to all parts on the wire as another program would have."""
    bed.bus.reset()
    bed.bus.write(b"\xcc" + bytes.fromhex(hexadecimal))


class Fixed:
    """A bus that costs nothing: each read gives the same bytes.

    A register may have replies of its own, which it gives in turn: {"2d": "80/00"}.
    """

    at = 0  # of the data, on a UART

    def __init__(self, replies):
        own = replies if isinstance(replies, dict) else {}
        self.data = b"\0" if own else bytes.fromhex(replies)
        self.own = {int(r, 16): [bytes.fromhex(x) for x in own[r].split("/")] for r in own}
        self.turn = dict.fromkeys(self.own, 0)

    def readfrom_mem_into(self, _addr, register, buf):
        data = self.data
        if register in self.own:
            turns = self.own[register]
            data = turns[self.turn[register]]
            self.turn[register] = (self.turn[register] + 1) % len(turns)
        for i in range(len(buf)):
            buf[i] = data[i % len(data)]

    def writeto_mem(self, _addr, _register, _buf):
        pass

    def readfrom_into(self, _addr, buf):
        for i in range(len(buf)):
            buf[i] = self.data[i]

    def writeto(self, _addr, buf):
        return len(buf)

    def reset(self):
        return True

    def crc8(self, _data):
        return 0

    def any(self):
        return len(self.data)

    def readinto(self, buf, nbytes=None):
        n = min(nbytes or len(buf), len(self.data))
        for i in range(n):
            buf[i] = self.data[(self.at + i) % len(self.data)]
        self.at = (self.at + n) % len(self.data)
        return n

    def write(self, buf):
        self.at = 0  # a reply begins
        return len(buf)


def fixed_sample(name, data_hex):
    """Return the rows of one sample from a part that says these bytes."""
    driver = drivers.load(name)(Fixed(data_hex))
    bed.driver = driver
    bed.block = Block(len(channels_of(driver, {})), 4)
    burst(driver, bed.block, 1)
    return rows()


def burst_of(register, n):
    """Return what the part's registers hold, hexadecimal."""
    return bed.bus.readfrom_mem(bed.driver.address, register, n).hex()


def on_fixed(data_hex):
    """Put the driver, started as it is, on a bus that always gives the same bytes."""
    bed.driver.bus = Fixed(data_hex)


def driver_allocates(n):
    """Return the heap bytes that n samples of the driver take."""
    burst(bed.driver, bed.block, n)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    burst(bed.driver, bed.block, n)
    after = gc.mem_alloc()
    gc.enable()
    return after - before


def bytes_allocated(name, replies, n, rounds):
    """Return the heap bytes that `rounds` bursts of n samples take from a bus that takes none."""
    clock.now_us = 0  # a larger one is an object on the heap
    driver = drivers.load(name)(Fixed(replies))
    block = Block(len(channels_of(driver, {})), 64)
    burst(driver, block, n)
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for _ in range(rounds):
        burst(driver, block, n)
    after = gc.mem_alloc()
    gc.enable()
    return after - before


def burst(driver, block, n):
    block.count = 0
    if driver.STREAMING:
        driver.pending()
        driver.drain(block, n)
    else:
        for _ in range(n):
            driver.measure()
            driver.read(block)


def locked_burst(name, replies, n):
    """Take a burst with the heap locked: any allocation is a MemoryError."""
    clock.now_us = 0  # a larger one is an object on the heap
    driver = drivers.load(name)(Fixed(replies))
    block = Block(len(channels_of(driver, {})), 64)
    burst(driver, block, n)
    micropython.heap_lock()
    try:
        burst(driver, block, n)
    finally:
        micropython.heap_unlock()
    return block.count

"""A driver on the model of its chip, in virtual time; tests call these functions in a VM."""

import gc
import sys

import micropython


class Clock:
    """`time`, as the driver sees it: nothing passes but what a test or a sleep lets pass."""

    now_us = 0

    def ticks_us(self):
        return self.now_us & 0x3FFFFFFF

    def ticks_ms(self):
        return self.now_us // 1000 & 0x3FFFFFFF

    def ticks_diff(self, a, b):
        return ((a - b + 0x20000000) & 0x3FFFFFFF) - 0x20000000

    def sleep_ms(self, ms):
        self.now_us += 1000 * ms

    def clock_us(self):
        return self.now_us


clock = Clock()
sys.modules["time"] = clock

from motefw import drivers  # noqa: E402
from motefw.packet import Block  # noqa: E402
from rom import chips  # noqa: E402
from rom.bus import I2CBus, Uart  # noqa: E402


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

    def at(self, t_us):
        self.next += 1
        return self.sample(self.next - 1)


class Bed:
    """What the calls work on."""

    driver = model = bus = block = source = None


bed = Bed()


def new(name, rows, raw=True, options=None, capacity=64, ramp=None, baud=9600):
    """Put a driver on a new model; rows is what the model sees."""
    options = options or {}
    bed.source = Rows(rows, raw, ramp)
    bed.model = chips.load(name)(bed.source, clock.clock_us, options)
    cls = drivers.load(name)
    if cls.BUS == "uart":
        bed.bus = Uart(bed.model, clock.clock_us, baud)
    else:
        bed.bus = I2CBus([(bed.model.ADDRESSES[0], bed.model)])
    clock.now_us += 2000
    bed.driver = cls(bed.bus)
    bed.block = Block(len(cls.CHANNELS), capacity)


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
        row = []
        for c in range(len(columns)):
            at = i * len(columns) + c
            row.append(None if is_invalid(block, c, i) else columns[c][i])
        out.append(row)
    block.clear()
    return out


def is_invalid(block, channel, sample):
    at = channel * block.capacity + sample
    return bool(block.invalid[at >> 3] >> (at & 7) & 1)


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


def measure_all():
    """Take samples until the source ends."""
    out = []
    for _ in range(len(bed.source.rows)):
        out += measure()
    return out


def get(name):
    return getattr(bed.driver, name)


def model_get(name):
    return getattr(bed.model, name)


def register(register):
    return bed.bus.readfrom_mem(bed.driver.address, register, 1)[0]


def write(hexadecimal):
    """Put bytes on the I2C bus as another program would have."""
    bed.bus.writeto(bed.driver.address, bytes.fromhex(hexadecimal))


class Fixed:
    """A bus that costs nothing: each read gives the same bytes."""

    def __init__(self, data):
        self.data = data

    def readfrom_mem_into(self, addr, register, buf):
        for i in range(len(buf)):
            buf[i] = self.data[i % len(self.data)]

    def readfrom_into(self, addr, buf):
        for i in range(len(buf)):
            buf[i] = self.data[i]

    def writeto(self, addr, buf):
        return len(buf)

    def any(self):
        return len(self.data)

    def readinto(self, buf):
        n = min(len(buf), len(self.data))
        for i in range(n):
            buf[i] = self.data[i]
        return n


def bytes_allocated(name, data_hex, n, rounds):
    """Return the heap bytes that `rounds` bursts of n samples take from a bus that takes none."""
    driver = drivers.load(name)(Fixed(bytes.fromhex(data_hex)))
    block = Block(len(driver.CHANNELS), 64)
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


def locked_burst(name, data_hex, n):
    """Take a burst with the heap locked: any allocation is a MemoryError."""
    driver = drivers.load(name)(Fixed(bytes.fromhex(data_hex)))
    block = Block(len(driver.CHANNELS), 64)
    burst(driver, block, n)
    micropython.heap_lock()
    try:
        burst(driver, block, n)
    finally:
        micropython.heap_unlock()
    return block.count

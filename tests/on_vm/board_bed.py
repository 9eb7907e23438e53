"""Parts of the board in virtual time: tests call these functions, and see what comes out."""

import asyncio  # before its `time` is another
import gc
import sys


class Time:
    """`time`, as the firmware sees it: nothing passes but what a test or a sleep lets pass."""

    def __init__(self):
        self.now_us = 0
        self.off_us = 0  # what the ticks are ahead
        # As attributes: a module's functions can be imported by name, an object's methods cannot.
        self.ticks_us = lambda: self.now_us + self.off_us & 0x3FFFFFFF
        self.ticks_ms = lambda: (self.now_us + self.off_us) // 1000 & 0x3FFFFFFF
        self.ticks_diff = lambda a, b: ((a - b + 0x20000000) & 0x3FFFFFFF) - 0x20000000
        self.ticks_add = lambda a, d: (a + d) & 0x3FFFFFFF
        self.sleep_ms = self._sleep_ms
        self.clock_us = lambda: self.now_us

    def _sleep_ms(self, ms):
        self.now_us += 1000 * ms


time = Time()
sys.modules["time"] = time

from rom import chips
from rom.bus import I2CBus, Uart

from motefw import config, control, drivers, identity, packet_setup, schema
from motefw import status as told
from motefw.clock import Clock
from motefw.errors import SensorError
from motefw.links.serial import SerialLink
from motefw.log import RamLog
from motefw.options import channels_of
from motefw.recorder import Recorder
from motefw.sampler import Stream
from motefw.uplink import Uplink

assert asyncio
STEP_MAX_US = 32_000_000  # as boot has it
UNIQUE_ID = b"\x24\x0a\xc4\x00\x01\x02"


class Bed:
    """What the calls work on."""


bed = Bed()


class Rows:
    """A source: a ramp of raw rows that never ends, unless `rows` are given."""

    raw = True

    def __init__(self, channels, rows=None):
        self.channels = channels
        self.rows = rows
        self.asked = 0

    def sample(self, i):
        if self.rows is not None:
            return tuple(self.rows[i]) if i < len(self.rows) else None
        return tuple([i * (c + 1) % 2000 for c in range(self.channels)])

    def at(self, t_us):
        self.asked += 1
        return self.sample(self.asked - 1)


def reset(now_us=0, pages=16, key_file=None):
    """Begin a board: clock, identity, log, recorder."""
    time.now_us = now_us
    time.off_us = 0
    bed.identity = identity.make(UNIQUE_ID, key_file)
    bed.log = RamLog(pages)
    bed.clock = Clock(time.ticks_us, time.ticks_diff, STEP_MAX_US)
    bed.kernel = packet_setup.select_kernel()[1]
    bed.recorder = Recorder(bed.log, bed.identity, 7, bed.clock, bed.kernel, 4096)
    bed.said = []
    bed.recovered = 0
    bed.models = []
    bed.streams = []
    gc.collect()


def packets():
    """Take all packets out of the log."""
    log = bed.log
    out = []
    data = bytearray(4096)
    while log.tail_seq < log.next_seq:
        n = log.size(log.tail_seq)
        assert log.peek(log.tail_seq, 0, data, 0, 4096) == n
        out.append(data[:n].hex())
        log.ack(log.tail_seq)
    return out


# Clock.


def clock_reads(start_us, steps):
    """Return what the clock says after each step of microseconds."""
    time.now_us = start_us
    clock = Clock(time.ticks_us, time.ticks_diff, STEP_MAX_US)
    out = []
    for step in steps:
        time.now_us += step
        out.append(clock.now_us())
    return out


# Log.


def log_run(pages, page_bytes, operations):
    """Run operations on a log; return what each gave, and its state after it."""
    log = RamLog(pages, page_bytes)
    size = pages * page_bytes
    out = []
    for name, a, b in operations:
        if name == "append":
            result = log.append(bytes([(a + i) & 0xFF for i in range(b)]), b)
        elif name == "ack":
            result = log.ack(a)
        elif name == "shrink":
            result = log.shrink()
        else:
            offset, most = (0, size) if name == "read" else (b // 3, b)
            data = bytearray(most + 2)
            n = log.peek(a, offset, data, 1, most)
            result = [log.size(a), data[1 : 1 + n].hex()]
        out.append([result, log.tail_seq, log.next_seq, log.dropped, log.used_bytes])
        out[-1].append(log.size_bytes)
    return out


# Sampler.


class Hands:
    """What a stream is handed: the clock, its bus, and whom to tell."""

    def __init__(self, bus):
        self._bus = bus

    def bus(self, spec):
        return self._bus

    def recover(self, spec):
        bed.recovered += 1

    def report(self, text):
        bed.said.append(text)


def add(sensor, samples=512, latency_ms=5000, rows=None):
    """Put a sensor on a new model of its chip and start it; return (its number, first wait)."""
    cls = drivers.load(sensor["driver"])
    options = sensor.get("options", {})
    source = Rows(len(channels_of(cls, options)), rows)
    model = chips.load(sensor["driver"])(source, time.clock_us, options)
    if cls.BUS == "uart":
        bus = Uart(model, time.clock_us, 9600)
    else:
        bus = I2CBus([(model.ADDRESSES[0], model)])
    limits = {"samples": samples, "latency_ms": latency_ms}
    number = len(bed.streams)
    stream = Stream(number, sensor, {}, cls, bed.recorder, Hands(bus), limits)
    bed.streams.append([stream, time.now_us])
    bed.models.append(model)
    return number


def fault(number, kind, on=True):
    bed.models[number].fault(kind, on)


def advance(ms, stall_ms=0):
    """Run all sensors for so long; first let `stall_ms` pass in which nothing runs."""
    time.now_us += 1000 * stall_ms
    end = time.now_us + 1000 * ms
    while True:
        due = min(bed.streams, key=lambda entry: entry[1])
        if due[1] >= end:
            time.now_us = end
            return
        time.now_us = max(time.now_us, due[1])
        bed.clock.tick()
        due[1] = time.now_us + 1000 * due[0].step()


def jump(ms):
    """Have the ticks jump, and all sensors be looked after at once."""
    time.off_us += 1000 * ms
    for entry in bed.streams:
        entry[1] = time.now_us


def status():
    return [told.state(stream) for stream, _ in bed.streams]


def schemas():
    return [schema.table(stream) for stream, _ in bed.streams]


def stop():
    for stream, _ in bed.streams:
        stream.stop()


def said():
    return bed.said


def recovered():
    return bed.recovered


class Steady:
    """A driver without hardware, of which all ways of sampling can be had."""

    BUS = "i2c"
    ADDRESSES = ()
    STREAMING = False
    TIMED = False
    CODE = "i"
    FIFO = 32
    CHANNELS = (("a", "1", 1, 0), ("b", "1", 1, 0))
    OPTIONS = ()
    wide = False  # values that no packet of 512 x 12 holds
    broken = None
    claim = 0  # samples that it says it gave, beyond those that it did

    @classmethod
    def channels(cls, _options):
        return cls.CHANNELS

    def __init__(self, bus, address=None):
        self.period_us = 5000
        self.gap = False
        self.bad = 0
        self.n = 0

    def start(self):
        if self.broken:
            raise self.broken

    def stop(self):
        pass

    def measure(self):
        return 10

    def read(self, block):
        if self.broken:
            raise self.broken
        self._put(block)
        block.count += self.claim

    def _put(self, block):
        i = block.count
        for column in block.columns:
            column[i] = (self.n * 0x3779B9 ^ self.n << 9 if self.wide else self.n) & 0x3FFFFFFF
        self.n += 1
        block.count = i + 1

    def pending(self):
        return 4

    def drain(self, block, n):
        for _ in range(n):
            self._put(block)
        block.count += self.claim


def add_steady(streaming, timed=False, wide=False, channels=2, samples=512, latency_ms=600000):
    """Add a sensor without hardware; return its number."""

    class Driver(Steady):
        STREAMING = streaming
        TIMED = timed
        CODE = "i"
        CHANNELS = tuple([("c" + str(i), "1", 1, 0) for i in range(channels)])

    Driver.wide = wide
    sensor = {"name": "steady", "driver": "steady", "period_ms": 20}
    limits = {"samples": samples, "latency_ms": latency_ms}
    number = len(bed.streams)
    stream = Stream(number, sensor, {}, Driver, bed.recorder, Hands(None), limits)
    bed.streams.append([stream, time.now_us])
    return number


def break_steady(number, kind):
    """Let the driver raise from now on; None mends it."""
    kinds = {
        "os": OSError(110),
        "nodev": OSError(19),
        "bug": TypeError("bug"),
        "sensor": SensorError("s"),
    }
    bed.streams[number][0].cls.broken = kinds.get(kind)


def overclaim(number, samples):
    """Let the driver say from now on that it gave so many samples more than it did."""
    bed.streams[number][0].cls.claim = samples


def allocated(number, steps):
    """Return the heap bytes that so many steps take, none of them closing a packet.

    Time passes between them, as far as it is a small integer.
    """
    stream = bed.streams[number][0]
    stream.step()
    before = stream.samples
    gc.collect()
    gc.disable()
    now_us = time.now_us
    start = gc.mem_alloc()
    for _ in range(steps):
        time.now_us += 1000 * stream.step()
    taken = gc.mem_alloc() - start
    gc.enable()
    time.now_us = now_us
    return taken, stream.samples - before


# Line: link, uplink, commands, as the app puts them together.


class Wire:
    """A line of which the test is the other end."""

    def __init__(self):
        self.out = bytearray()

    def write(self, data):
        self.out.extend(data)


class FakeBoard:
    """What commands work on."""

    root = ""

    def __init__(self):
        self.identity = bed.identity
        self.log = bed.log
        self.recorder = bed.recorder
        self.nonce = b"\1\2\3\4\5\6\7\x08"
        self.nonces = 0
        self.streams = []
        self.stopped = None
        self.port = self
        self.clock = bed.clock
        self.settings = {"board": "test"}
        self.previous_seq = self.config_error = None
        self.encoder = "plain"
        self.epoch = 7
        self.counters = {}
        self.tasks = []
        self.refused = self.starved = self.messages_bad = self.heap_min_bytes = 0
        self.interrupts_ignored = 0

    def reset_cause(self):
        return "power_on"

    def heap(self):
        return gc.mem_free()

    def random(self, n):
        self.nonces += 1
        return bytes([self.nonces] * n)

    def stop(self, why):
        self.stopped = why


def connect(root=""):
    """Begin a line; files of the board are under root."""
    from motefw import message
    from motefw.errors import MoteError

    bed.uplink = Uplink(
        bed.log, bed.identity.ack, bed.identity.generation, 7, time.ticks_ms, time.ticks_diff
    )
    bed.board = FakeBoard()
    bed.board.root = root
    bed.board.uplink = bed.uplink
    bed.wire = Wire()
    bed.bad = 0
    bed.handled = []

    def handle(data):
        data = bytes(data)
        bed.handled.append(data.hex())
        try:
            if data[0] == message.REQUEST:
                bed.link.reply(control.handle(bed.board, data))
            else:
                bed.uplink.receipt(data)
        except MoteError:
            bed.bad += 1

    bed.board.receive = handle
    bed.link = bed.board.link = SerialLink(bed.wire, bed.log, bed.uplink, bed.board)


def note(text):
    """Log a note; return its seq."""
    return bed.recorder.note({"text": text})


def feed(data):
    """Give the board bytes (hex) from the line."""
    data = bytes.fromhex(data)
    for i in range(0, len(data), 64):
        chunk = data[i : i + 64]
        bed.link.feed(chunk, len(chunk))


def exchange(data="", pieces=1000):
    """Feed bytes, let the board send up to so many pieces; return what it wrote, as hex."""
    feed(data)
    while pieces and bed.link._send_piece():
        pieces -= 1
    out = bed.wire.out.hex()
    bed.wire.out = bytearray()
    return out


def tick(ms):
    """Let time pass on the line, looked after each second."""
    while ms > 0:
        step = min(ms, 1000)
        ms -= step
        time.now_us += 1000 * step
        bed.uplink.tick()


def line():
    """Return the state of the line."""
    return {
        "tail": bed.log.tail_seq,
        "next": bed.log.next_seq,
        "alive": bed.uplink.alive,
        "sent": bed.uplink.sent_seq,
        "skipped": bed.uplink.skipped,
        "ignored": bed.uplink.ignored,
        "resent": bed.uplink.resent,
        "frames_bad": bed.link.frames_bad,
        "bad": bed.bad,
        "refused": bed.board.refused,
        "handled": len(bed.handled),
        "nonces": bed.board.nonces,
        "nonce": bed.board.nonce.hex(),
        "stopped": bed.board.stopped,
    }


def soak(data):
    """Feed noise; return the heap bytes held more than before."""
    feed(data)
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(5):
        exchange(data)
    bed.handled = []
    gc.collect()
    return gc.mem_alloc() - before


# Configuration and identity.


def check(value):
    """Return the configuration as the board would take it."""
    return config.check(value, drivers.load)


def save(root, value):
    config.save(root + "config.json", value, drivers.load)


def load(root):
    return config.load(root, drivers.load)


def begin(root):
    return config.begin(root, drivers.load)


def next_epoch(root):
    return identity.next_epoch(root, lambda n: b"\x12\x34\x56\x78"[:n])


def end_epoch(root, epoch, seq):
    identity.end_epoch(root, epoch, seq)


def load_identity(root):
    who = identity.load(UNIQUE_ID, root)
    return [who.device.decode(), who.generation, who.data.tag(b"x").hex()]

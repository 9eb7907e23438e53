"""The whole firmware on a port of its own making, in virtual time: for a test to run and look."""

import asyncio
import gc
import json
import sys

import fake_port
import virtual_time

from motefw import app, drivers, packet, status

virtual_time.let_sleep(asyncio.core)
fake_port.time = virtual_time.clock

I2C = {"kind": "i2c", "id": 0, "sda": 5, "scl": 6, "hz": 400000}


class Bed:
    """What a run left behind."""


bed = Bed()


class Counter:
    """A sensor that counts; what it does when it is asked is up to the test."""

    BUS = "i2c"
    ADDRESSES = ()
    OPTIONS = ()
    STREAMING = False
    TIMED = False
    CODE = "i"
    CHANNELS = (("n", "1", 1, 0),)
    hook = None
    stopped = 0

    @classmethod
    def channels(cls, _options):
        return cls.CHANNELS

    def __init__(self, bus, address=None):
        self.period_us = 0
        self.bad = 0
        self.n = 0

    def start(self):
        pass

    def stop(self):
        Counter.stopped += 1

    def measure(self):
        return 0

    def read(self, block):
        self.n += 1
        block.columns[0][block.count] = self.n
        block.count += 1
        if Counter.hook:
            Counter.hook(self.n)


class Fifo(Counter):
    """Counts by itself, 200 times a second, into a FIFO that forgets what is taken out."""

    STREAMING = True
    FIFO = 32
    gap = False

    def start(self):
        self.period_us = 5000
        self.begun_ms = bed.port.ticks_ms()

    def pending(self):
        point()
        passed_ms = bed.port.ticks_diff(bed.port.ticks_ms(), self.begun_ms)
        return min(passed_ms // 5 - self.n, 32)

    def drain(self, block, n):
        for i in range(block.count, block.count + n):
            point()
            self.n += 1
            value = self.n
            point()
            block.columns[0][i] = value
            block.count = i + 1


class Sys:
    """`sys` of the firmware, whose tracebacks do not get between the answers."""

    implementation = sys.implementation
    modules = sys.modules

    @staticmethod
    def print_exception(error):
        bed.said.append(repr(error))


bed.said = []
drivers.load = lambda name: Fifo if name == "fifo" else Counter
app.print = bed.said.append
app.sys = Sys


def start(root, sensors=1, period_ms=50):
    """Prepare a board whose files are under root, with so many counters."""
    config = {"board": "test", "buses": {"i2c0": I2C}, "packet": {"latency_ms": 200}}
    config["sensors"] = [
        {"driver": "counter", "bus": "i2c0", "period_ms": period_ms} for _ in range(sensors)
    ]
    with open(root + "/config.json", "w") as file:
        json.dump(config, file)
    bed.port = Port(root)
    Counter.hook = None
    Counter.stopped = 0


class Port(fake_port.Port):
    """Interrupts the firmware after so many feeds, unless something else ends it."""

    interrupt_after = 2

    def feed(self):
        super().feed()
        if self.fed >= self.interrupt_after:
            raise KeyboardInterrupt

    def reset(self):
        super().reset()
        raise SystemExit


def interrupt_at(n):
    """Press Ctrl-C while a sensor is being read."""

    def hook(i):
        if i == n:
            raise KeyboardInterrupt

    Counter.hook = hook


class NoisyLine(fake_port.Line):
    """A line on which each Ctrl-C has the rest of a frame behind it."""

    rest = b""

    def take(self):
        bed.board.interrupted_ms = None  # noise that comes seldom
        b = self.rest[0] if self.rest else -1
        self.rest = self.rest[1:]
        return b

    def write(self, data):
        half = len(data) // 2
        super().write(data[:half])
        point()
        super().write(data[half:])
        point()
        return len(data)


NOISES_MAX = 60  # what is logged of more may be too much for the queue
bed.every = bed.points = bed.noises = 0


def point():
    """Count a place where an interrupt may come; let one come at each `every`-th."""
    bed.points += 1
    if bed.every and bed.noises < NOISES_MAX and bed.points % bed.every == 0:
        bed.noises += 1
        bed.port.serial.rest = b"A"
        raise KeyboardInterrupt


def with_points(module, name):
    function = getattr(module, name)

    def wrapped(*args):
        point()
        result = function(*args)
        point()
        return result

    setattr(module, name, wrapped)


def start_noisy(root, every):
    """Prepare a polled and a streaming sensor, and a line that brings Ctrl-C again and again."""
    start(root)
    with open(root + "/config.json") as file:
        config = json.load(file)
    config["sensors"].append({"driver": "fifo", "bus": "i2c0"})
    with open(root + "/config.json", "w") as file:
        json.dump(config, file)
    bed.port.serial = NoisyLine()
    for name in ("encode", "encode_note", "seal"):
        with_points(packet, name)
    read = Counter.read

    def read_noisy(self, block):
        point()
        read(self, block)
        point()

    Counter.read = read_noisy

    def hook(i):
        if i == 10:
            bed.every = every
        if i == 36:  # of what the queue holds, half
            bed.every = 0
            bed.board.stop()

    Counter.hook = hook


def logged():
    """Return what the log holds, packet by packet, and how often Ctrl-C came."""
    log = bed.board.log
    out = bytearray(4096)
    seqs = range(log.tail_seq, log.next_seq)
    return [bytes(out[: log.peek(seq, 0, out, 0, 4096)]).hex() for seq in seqs], bed.noises


def raise_at(n, name):
    """Let the driver raise once."""

    def hook(i):
        if i == n:
            raise {"TypeError": TypeError, "MemoryError": MemoryError}[name]("as asked")

    Counter.hook = hook


def hang_task_at(n):
    """Let a task of the board wait for ever from the n-th sample on."""

    def hook(i):
        if i == n:
            stuck = app.Task("stuck", None, bed.port.ticks_ms)
            stuck.beat(-20000)
            bed.board.tasks.append(stuck)

    Counter.hook = hook


def send(data):
    """Give the line bytes (hex) once the firmware runs."""
    bed.port.serial.send(bytes.fromhex(data))


def run(interrupt_after=2):
    """Run the firmware to its end; return what the port saw."""
    bed.port.interrupt_after = interrupt_after
    boards = []
    make = app.Board

    def board(port):
        bed.board = make(port)
        boards.append(bed.board)
        return bed.board

    app.Board = board
    ended = "returned"
    try:
        app.run(bed.port)
    except SystemExit:
        ended = "reset"
    finally:
        app.Board = make
    return {
        "ended": ended,
        "fed": bed.port.fed,
        "held": bed.port.held,
        "resets": bed.port.resets,
        "out": bytes(bed.port.serial.out).hex(),
        "said": bed.said,
        "stopped": Counter.stopped,
        "next_seq": boards[0].log.next_seq if boards and boards[0].log else None,
        "status": status.status(boards[0], {}) if boards and boards[0].link else None,
    }


def pages_after_shrinking(free_bytes):
    """Have the queue give up what it can, then so much be free; return its pages by the minute."""
    port = bed.port
    feed = port.feed
    pages = []
    bed.free_bytes = 1 << 20
    port.heap = lambda: bed.free_bytes

    def watched():
        log = bed.board.log
        if port.fed == 0:
            while log.shrink():
                pass
            bed.free_bytes = free_bytes
        if port.fed % 60 == 30:
            pages.append(len(log.pages))
        feed()

    port.feed = watched
    run(10 * 60)
    return pages


def reboot_after_hello():
    """Ask for a reboot, as its command does, after a few samples."""

    def hook(i):
        if i == 5:
            bed.board.stop("reboot")

    Counter.hook = hook


def break_task_at(n):
    """Let the task of the sensors raise once, which nothing in it does by itself."""

    def hook(i):
        if i == n:
            stream = bed.board.streams[0]
            step = stream.step

            def broken():
                stream.step = step
                raise TypeError("as asked")

            stream.step = broken

    Counter.hook = hook


def reboot_unacked():
    """Ask for a reboot with a host there that acknowledges nothing; hurry up the ticks then."""

    def hook(i):
        if i == 5:
            bed.board.stop("reboot")

    class Alive:
        alive = True

        def __getattr__(self, name):
            return getattr(bed.uplink, name)

    tick = app.Board._tick

    def hurried(board):
        if not isinstance(board.uplink, Alive):
            bed.uplink = board.uplink
            board.uplink = Alive()
        tick(board)
        if board._stopped_tick and board._ticks < board._stopped_tick + 9:
            board._ticks = board._stopped_tick + 9

    app.Board._tick = hurried
    Counter.hook = hook


def spoil(path):
    """Put a folder where a file is to be written, once the board runs."""
    import os

    before = Counter.hook

    def hook(i):
        if i == 2:
            os.mkdir(path)
        before(i)

    Counter.hook = hook


def run_limited(ms):
    """Run the firmware for so long, then interrupt it."""
    end = fake_port.time.ticks_add(fake_port.time.ticks_ms(), ms)
    before = Counter.hook

    def hook(i):
        before(i)
        if fake_port.time.ticks_diff(fake_port.time.ticks_ms(), end) > 0:
            raise KeyboardInterrupt

    Counter.hook = hook
    return run(1000)


def stop_at(n):
    """Let the port say that time is up, as a virtual board's does."""
    bed.left = []

    def hook(i):
        if i == n:
            bed.left.append(bed.port.stopper())

    Counter.hook = hook


def left():
    bed.left.append(bed.port.stopper())
    return bed.left


def loop_is_clean():
    """Tell whether asyncio can be used again at the prompt."""

    async def main():
        await asyncio.sleep_ms(1)
        return 42

    return asyncio.run(main())


def modules():
    gc.collect()
    return [name for name in sys.modules if name.startswith("motefw")]

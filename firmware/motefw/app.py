"""The board as a whole: boot order, tasks, their supervision, and the way back to the prompt.

Order of a boot: watchdog, identity, epoch (on the flash before anything is sent under it), boot note,
sensors, line. One task per sensor, two for the line; the supervisor feeds the watchdog only while each of
them is within the time it gave itself. A task that raises is reported and begun again.
"""

import asyncio
import gc
import sys
from time import ticks_add, ticks_diff

from . import __version__, config, drivers, identity, message, packet
from .clock import Clock
from .commands import Commands
from .compat import const
from .errors import ConfigError, MoteError
from .links.serial import SerialLink
from .log import RamLog
from .recorder import Recorder
from .sampler import Stream
from .uplink import Uplink

WATCHDOG_MS = const(30000)
HOLD_MINUTES = const(10)
_TICK_MS = const(1000)
_COLLECT_TICKS = const(10)
_GRACE_MS = const(10000)  # how late a task may be before the watchdog starves
_FLUSH_TICKS = const(10)
_LINE_CHARS = const(200)


class Task:
    """One supervised task: it says when it will be back, and is late after that."""

    def __init__(self, name, run, ticks_ms):
        self.name = name
        self.run = run
        self.restarts = 0
        self._ticks_ms = ticks_ms
        self._parked = False
        self.beat(0)

    def beat(self, ms):
        """Promise to be here again within ms, and some grace."""
        self._parked = False
        self._due_ms = ticks_add(self._ticks_ms(), ms + _GRACE_MS)

    def park(self):
        """Wait for something that may never come."""
        self._parked = True

    def late(self):
        """Tell whether the promise is broken."""
        return not self._parked and ticks_diff(self._ticks_ms(), self._due_ms) > 0


class Board:
    """Everything that runs; `port` is the hardware."""

    def __init__(self, port):
        self.port = port
        self.root = port.root
        self._watchdog = port.watchdog(WATCHDOG_MS)
        self.identity = identity.load(port.unique_id(), self.root)
        self.epoch, self.previous_epoch, self.previous_seq = identity.next_epoch(
            self.root, port.random
        )
        self.new_nonce()
        self.clock = Clock(port.ticks_us, port.ticks_diff)
        self.encoder, kernel = packet.select_kernel()
        self.log = RamLog()
        self.recorder = Recorder(self.log, self.identity, self.epoch, self.clock, kernel)
        self.config_error = None
        self._settings = self._load_config()
        self.commands = Commands(self)
        self.uplink = Uplink(
            self.log,
            self.identity.ack,
            self.identity.generation,
            self.epoch,
            port.ticks_ms,
            port.ticks_diff,
        )
        self.link = SerialLink(port.serial, self.log, self.uplink, self._message)
        self.streams = []
        self._buses = {}
        self._tasks = []
        self.messages_bad = 0
        self._heap_min = port.heap()
        self._ticks = 0
        self._stopping = None
        self._stopped_tick = 0

    def _load_config(self):
        """Return the configuration; a broken one leaves the board without sensors, not mute."""
        try:
            return config.load(self.root, drivers.load)
        except (ConfigError, OSError) as error:
            self.config_error = str(error)
            self.report(f"no sensors: {error}")
            return config.check({"board": "unknown"}, drivers.load)

    def new_nonce(self):
        """Make all requests that were tagged so far void."""
        self.nonce = self.port.random(message.NONCE_BYTES)

    def report(self, text):
        """Print a line to whoever watches; frames and lines leave whole, so they do not mix."""
        print("motefw: " + text[:_LINE_CHARS])

    def about(self):
        """Return who the board is, for `hello` and the boot note."""
        version = sys.implementation.version
        about = {
            "device": self.identity.device.decode(),
            "board": self._settings["board"],
            "firmware": __version__,
            "micropython": ".".join(str(n) for n in version[:3]),
            "encoder": self.encoder,
            "reset": self.port.reset_cause(),
            "previous_seq": self.previous_seq,
            "generation": self.identity.generation,
            "epoch": self.epoch,
            "heap_free": self.port.heap(),
        }
        if "name" in self._settings:
            about["name"] = self._settings["name"]
        return about

    def uptime_ms(self):
        """Return the milliseconds since the epoch began."""
        return self.clock.now_us() // 1000

    def status(self):
        """Return how the board and its sensors are."""
        return {
            "uptime_ms": self.uptime_ms(),
            "heap_free": self.port.heap(),
            "heap_min_free": self._heap_min,
            "queue_bytes": self.log.used_bytes,
            "queue_size_bytes": self.log.size_bytes,
            "queue_dropped": self.log.dropped,
            "next_seq": self.log.next_seq,
            "tail_seq": self.log.tail_seq,
            "frames_bad": self.link.frames_bad,
            "messages_bad": self.messages_bad,
            "refused_commands": self.commands.refused,
            "skipped_packets": self.uplink.skipped,
            "resent_packets": self.uplink.resent,
            "ignored_receipts": self.uplink.ignored,
            "restarted_tasks": sum(task.restarts for task in self._tasks),
            "config_error": self.config_error,
            "sensors": [stream.status() for stream in self.streams],
        }

    # Boot.

    def boot(self):
        """Log the boot and each sensor's table, and start the sensors."""
        about = self.about()
        about["previous_epoch"] = self.previous_epoch
        self.recorder.note({"boot": about})
        device = self.identity.device.decode()
        self.report(f"{__version__} device {device} epoch {self.epoch} reset {about['reset']}")
        ticks_ms = self.port.ticks_ms
        self._tasks.append(Task("read", self.link.read, ticks_ms))
        self._tasks.append(Task("send", self.link.send, ticks_ms))
        for number, sensor in enumerate(self._settings["sensors"]):
            try:
                self._add_stream(number, sensor)
            except (MemoryError, MoteError) as error:
                self.config_error = f"{sensor['name']}: {type(error).__name__}: {error}"
                self.report(self.config_error)

    def _add_stream(self, number, sensor):
        bus = sensor["bus"]
        hands = (
            lambda: self._bus(bus),
            lambda: self.port.recover(bus),
            self.port.ticks_ms,
            self.report,
        )
        cls = drivers.load(sensor["driver"])
        stream = Stream(number, sensor, cls, self.recorder, hands, self._settings["packet"])
        self.streams.append(stream)
        wait_ms = stream.step()
        self.recorder.note({"schema": stream.schema()})
        gc.collect()

        async def run(task):
            await self._sample(stream, task, wait_ms)

        self._tasks.append(Task(stream.name, run, self.port.ticks_ms))

    def _bus(self, name):
        if name not in self._buses:
            spec = dict(self._settings["buses"][name], name=name)
            make = self.port.i2c if spec["kind"] == "i2c" else self.port.uart
            self._buses[name] = make(spec)
        return self._buses[name]

    # Run.

    async def run(self):
        """Run until somebody wants a reboot."""
        for task in self._tasks:
            asyncio.create_task(self._guard(task))
        while not self._flushed():
            await asyncio.sleep_ms(_TICK_MS)
            try:
                self._tick()
            except Exception as error:
                self.report(f"supervisor: {type(error).__name__}: {error}")

    async def _guard(self, task):
        """Run a task for ever, whatever it raises."""
        while True:
            try:
                await task.run(task)
            except Exception as error:
                self.report(f"task {task.name}: {type(error).__name__}: {error}")
                sys.print_exception(error)
            task.restarts += 1
            await asyncio.sleep_ms(_TICK_MS)

    async def _sample(self, stream, task, wait_ms):
        while True:
            task.beat(wait_ms)
            await asyncio.sleep_ms(wait_ms)
            if self._stopping:
                stream.stop()
            held = self.log.next_seq
            wait_ms = stream.step()
            if self.log.next_seq != held:
                self.uplink.wake.set()

    def _tick(self):
        """Look after everything; called each second."""
        self._ticks += 1
        self.clock.tick()
        self.uplink.tick()
        if self._ticks % _COLLECT_TICKS == 0:
            gc.collect()
            self._heap_min = min(self._heap_min, self.port.heap())
        if self._stopping and not self._stopped_tick:
            self._stopped_tick = self._ticks
            for stream in self.streams:
                stream.stop()
        for task in self._tasks:
            if task.late():
                return
        self._watchdog.feed()

    def _message(self, data):
        """Take a message from the host."""
        data = bytes(data)
        try:
            if message.kind(data) == message.REQUEST:
                self.link.reply(self.commands.handle(data))
            else:
                self.uplink.receipt(data)
        except MoteError:
            self.messages_bad += 1

    # End.

    def stop(self, why="stop"):
        """End sampling soon; return how many packets are not acked, at least 1 until it has ended.

        "reboot" ends the program too. May be called from anywhere: it only leaves word.
        """
        if self._stopping != "reboot":
            self._stopping = why
        left = self.log.next_seq - self.log.tail_seq
        return left if self._stopped_tick else max(left, 1)

    def _flushed(self):
        """Tell whether a reboot was asked for, and nothing is left to wait for."""
        if self._stopping != "reboot" or not self._stopped_tick:
            return False
        waited = self._ticks - self._stopped_tick
        empty = self.log.next_seq == self.log.tail_seq or not self.uplink.alive
        return waited > _FLUSH_TICKS or waited > 0 and empty and self.link.idle

    def leave(self):
        """Leave sensors quiet, and on the flash how far the numbering came."""
        for stream in self.streams:
            stream.stop()
        identity.end_epoch(self.root, self.epoch, self.log.next_seq - 1)


def _hold(port):
    """Have the watchdog fed while somebody is at the prompt; Ctrl-C comes in twos and threes."""
    for _ in range(3):
        try:
            port.hold(HOLD_MINUTES)
            return
        except KeyboardInterrupt:
            pass


def run(port):
    """Run the board; come back when interrupted, or reset it when that was asked for.

    Whatever ends it, the prompt is there for 10 minutes, then the watchdog resets the board.
    """
    board = None
    try:
        asyncio.new_event_loop()
        board = Board(port)
        port.on_stop(board.stop)
        board.boot()
        asyncio.run(board.run())
        board.leave()
        port.reset()
    except KeyboardInterrupt:
        _hold(port)
        print("motefw: interrupted; the board resets itself in 10 minutes")
    except Exception as error:
        _hold(port)
        print(f"motefw: cannot run: {type(error).__name__}: {error}")
        sys.print_exception(error)
    try:
        if board:
            board.leave()
    except (KeyboardInterrupt, Exception) as error:
        print(f"motefw: {type(error).__name__}")
    asyncio.new_event_loop()

"""The board as a whole: tasks, their supervision, and the way back to the prompt.

One task for all sensors, two for the line; the supervisor feeds the watchdog only while each of
them is within the time it gave itself. A task that raises is reported and begun again.

What is needed rarely (boot, commands, configuration, the end) is loaded when it is: see `overlay`.
"""

import asyncio
import gc
import sys
from time import ticks_add, ticks_diff

import micropython

from . import control, overlay, packet_stream
from .compat import const
from .errors import MoteError

WATCHDOG_MS = const(30000)
HOLD_MINUTES = const(10)
_TICK_MS = const(1000)
_COLLECT_TICKS = const(60)
_GRACE_MS = const(10000)  # how late a task may be before the watchdog starves
_FLUSH_TICKS = const(10)
_GROW_BYTES = const(11264)  # what is free is much more than a page is given up for
_LINE_CHARS = const(200)
_REQUEST = const(0x71)  # message.REQUEST
_SAMPLES = const(256)  # of a block, unless the configuration says otherwise

unsent = []  # of a run that has ended at the prompt, for rescuers: pages, where it begins, bytes


class Task:
    """One supervised task: it says when it will be back, and is late after that."""

    def __init__(self, name, run, ticks_ms):
        self.name = name
        self.run = run
        self.restarts = 0
        self._ticks_ms = ticks_ms
        self.beat(0)

    def beat(self, ms):
        """Promise to be here again within ms, and some grace."""
        self._due_ms = ticks_add(self._ticks_ms(), ms + _GRACE_MS)

    def park(self):
        """Wait for something that may never come."""
        self._due_ms = None

    def late(self):
        """Tell whether the promise is broken."""
        return self._due_ms is not None and ticks_diff(self._ticks_ms(), self._due_ms) > 0


class Board:
    """Everything that runs; `port` is the hardware. `boot` adds the parts."""

    def __init__(self, port):
        overlay.setup(port.heap)
        self.port = port
        self.ticks_ms = port.ticks_ms
        packet_stream.reserve(_SAMPLES)  # the larger ones first, while the heap is in one piece
        self.log = None
        self.settings = None
        self.identity = self.recorder = self.encoder = None
        self.clock = self.uplink = self.link = None
        self.nonce = None
        self.epoch = self.previous_epoch = self.previous_seq = None
        self._watchdog = port.watchdog(WATCHDOG_MS)
        self.tasks = []
        self.streams = []
        self.left_out = []  # (number, name, driver, why) of sensors for which there is no room
        self.due_ms = []  # when each of them wants to be looked after
        self.buses = {}
        self.tap = None  # what tells of the buses, while a recording is made
        self.counters = {}  # of hosts' requests
        self.refused = 0
        self.messages_bad = 0
        self._starving = False
        self.starved = 0  # requests that found no room for their answer
        self.interrupts_ignored = 0
        self.interrupted_ms = None
        self.config_error = None
        self.heap_min_bytes = port.heap()
        self._ticks = 0
        self._stopping = None
        self._stopped_tick = 0

    def boot(self):
        """Make all parts, start the sensors."""
        self.log, self.clock, self.uplink, self.link = overlay.call("boot", "parts", self)
        overlay.call("boot", "begin", self)
        overlay.call("attach", "attach", self)
        overlay.call("boot", "finish", self)

    def bus(self, spec):
        """Return the bus of a configuration's entry, made once for all sensors on it."""
        name = spec["name"]
        if name not in self.buses:
            bus = getattr(self.port, spec["kind"])(spec)
            self.buses[name] = self.tap.wrap(spec["kind"], name, bus) if self.tap else bus
        return self.buses[name]

    def recover(self, spec):
        """Free a bus that hangs."""
        self.port.recover(spec["name"])

    def report(self, text):
        """Print a line to whoever watches; frames and lines leave whole, so they do not mix."""
        print("motefw: " + text[:_LINE_CHARS])

    # Run.

    async def run(self):
        """Run until somebody wants a reboot."""
        running = [asyncio.create_task(self.guard(task)) for task in self.tasks]
        while running and not self._flushed():
            await asyncio.sleep_ms(_TICK_MS)
            try:
                self._tick()
            except Exception as error:
                self._complain("supervisor", error)

    async def guard(self, task):
        """Run a task for ever, whatever it raises."""
        while True:
            try:
                await task.run(task)
            except Exception as error:
                self._complain("task " + task.name, error)
            task.restarts += 1
            await asyncio.sleep_ms(_TICK_MS)

    def _complain(self, who, error):
        """Report what was raised; when even that takes more heap than there is, go on without."""
        try:
            self.report(f"{who}: {type(error).__name__}: {error}")
            sys.print_exception(error)
        except Exception:
            gc.collect()

    async def sample(self, task):
        """Give each sensor its turn when it is due: a step never raises and never waits."""
        log = self.log
        ticks_ms = self.ticks_ms
        due_ms = self.due_ms
        while True:
            held = log.next_seq
            wait_ms = _TICK_MS
            now = ticks_ms()
            for i in range(len(due_ms)):
                left_ms = ticks_diff(due_ms[i], now)
                if left_ms <= 0:
                    stream = self.streams[i]
                    if self._stopping:
                        stream.stop()
                    left_ms = stream.step()
                    now = ticks_ms()
                    due_ms[i] = ticks_add(now, left_ms)
                wait_ms = min(wait_ms, left_ms)
            if log.next_seq != held:
                self.uplink.wake.set()
            task.beat(_TICK_MS)
            await asyncio.sleep_ms(max(wait_ms, 0))

    def _tick(self):
        """Look after everything; called each second."""
        self._ticks += 1
        self.clock.tick()
        if self.tap:
            self.tap.tick()
        if self._ticks % _COLLECT_TICKS == 0:
            gc.collect()
            self._starving = False
            self.heap_min_bytes = min(self.heap_min_bytes, overlay.tidy())
            if overlay.roomy(_GROW_BYTES):
                overlay.call("relief", "grow", self.log)
        if self._stopping and not self._stopped_tick:
            self._stopped_tick = self._ticks
            for stream in self.streams:
                stream.stop()
        self.uplink.tick()
        for task in self.tasks:
            if task.late():
                return
        self._watchdog.feed()

    def receive(self, box):
        """Take a message out of its list; without room for an answer the host has to ask again."""
        try:
            if box[0][0] == _REQUEST:
                self.link.reply(())  # who asks has the answer before, or is not waiting for it
                self.link.reply(control.handle(self, box))
            else:
                self.uplink.receipt(box.pop())
        except MoteError:
            self.messages_bad += 1
        except MemoryError:
            self.starve()

    def starve(self):
        """Make room for a request that found none; its host makes it again."""
        overlay.tidy(overlay.ALL_BYTES)
        self.log.shrink()
        self.starved += 1
        if self._starving:  # for the second time in a minute: what asks again finds none either
            try:
                overlay.call("relief", "part", self)
            except Exception as error:
                self._complain("supervisor", error)
        self._starving = not self._starving

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
        return waited > _FLUSH_TICKS or (waited > 0 and empty and self.link.idle)


def _hold(port):
    """Have the watchdog fed while somebody is at the prompt; Ctrl-C comes in twos and threes."""
    for _ in range(3):
        try:
            port.hold(HOLD_MINUTES)
            return
        except KeyboardInterrupt:
            pass


def _serve(board):
    """Run until a reboot is wanted, or somebody interrupts.

    A byte damaged on the line may be a Ctrl-C, too: the board goes on after it with all it has.
    """
    while True:
        try:
            asyncio.run(board.run())
            return
        except KeyboardInterrupt:
            overlay.tidy(overlay.ALL_BYTES)  # one of the rare modules may be loaded by half
            if not overlay.call("ending", "resume", board):
                raise


def _leave(board):
    """Leave sensors quiet and the queue where rescuers find it, whatever else goes wrong."""
    log = board.log
    try:
        overlay.tidy(overlay.ALL_BYTES)
        overlay.call("ending", "leave", board)
    except (KeyboardInterrupt, Exception) as error:
        print(f"motefw: {type(error).__name__}")
    if log:  # boot had come that far
        unsent.extend((log.pages, log.tail, log.used_bytes))


def run(port):
    """Run the board; come back when interrupted, or reset it when that was asked for.

    Whatever ends it, the prompt is there for 10 minutes, then the watchdog resets the board.
    """
    unsent.clear()
    if overlay.forgotten():
        again = __import__(__name__, None, None, ("run",))
        again.run(port)
        unsent.extend(again.unsent)  # who asks may know this one
        return
    board = None
    try:
        asyncio.new_event_loop()
        board = Board(port)
        board.boot()
        port.on_stop(board.stop)
        _serve(board)
        overlay.call("ending", "leave", board)
        port.reset()
    except KeyboardInterrupt:
        micropython.kbd_intr(-1)  # till the prompt: a second one must not cut short what follows
        _hold(port)
        print("motefw: interrupted; the board resets itself in 10 minutes")
    except Exception as error:
        _hold(port)
        print(f"motefw: cannot run: {type(error).__name__}: {error}")
        sys.print_exception(error)
    if board:
        _leave(board)
    asyncio.new_event_loop()
    overlay.forget()

"""One virtual board as the supervisor sees it: a process, a pty, a line, a control channel.

A reboot ends the process and starts it again on the same pty. What the board says on its control
channel is listed in rom/control.py. Ctrl-C is asked for over that channel and never sent as a
signal, which would jump out of the VM's collector; a program that does not take it within a
second in which it could run is ended, and its user gets a prompt all the same.
"""

import asyncio
import json
import os
import tty
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from motefw import frame_host
from motekit.sim.child import Child, read_last_words
from motekit.sim.image import environment
from motekit.sim.interruption import Interruption
from motekit.sim.preparation import Prepared
from motekit.sim.serial_line import RING_BYTES, Lanes, Pace
from motekit.sim.vm import Vm

if TYPE_CHECKING:
    from collections.abc import Callable

_CTRL_C = 3
_FEED_S = 0.004
_QUEUE_BYTES = 8192  # towards the board, before the host is held back
_BACKLOG_BYTES = 65536  # towards the host, under a virtual clock
_STUCK_S = 5.0
_SETTLED_S = 1.0
_PRESENT_S = 5.0  # a host that is there speaks every 3 s
_KEEP_ALIVE = frame_host.encode_to_board(b"RM" + bytes(5))  # asks for no piece of no reply
_TRACEBACK = b"Traceback (most recent call last):\r\nKeyboardInterrupt: \r\n"


@dataclass
class Counts:
    """What the supervisor saw of one board."""

    starts: int = 0
    resets: dict[str, int] = field(default_factory=dict[str, int])
    forced: int = 0  # programs that would not take Ctrl-C
    ring_dropped_bytes: int = 0
    unread_bytes: int = 0  # nobody at the host's end took them


def _ignore(_board: "VirtualBoard", _text: str) -> None:
    """Do nothing: nobody wants to know."""


class VirtualBoard:
    """A board under a supervisor's event loop; `start` it, and `close` it in any case."""

    def __init__(self, vm: Vm, prepared: Prepared) -> None:
        spec = prepared.spec
        self.device: str = spec["device"]
        self.board: str = spec["board"]
        self.counts = Counts()
        self.ready = asyncio.Event()
        self.done = asyncio.Event()
        self.crashed = False
        self.unacked = 0  # packets that the host had not taken when the scenario ended
        self.stopping_s = 0.0  # when the scenario ended, by the loop's clock
        self.rom_bytes = prepared.rom_bytes
        self.on_event: Callable[[VirtualBoard, str], None] = _ignore
        self._vm = vm
        self._spec = spec
        self._folder = prepared.folder
        self._heap_bytes = prepared.heap_bytes
        self._virtual: bool = spec["virtual"]
        self._loop = asyncio.get_running_loop()
        self._line = Lanes(spec, self._loop)
        self._pace = Pace(spec["baud"], self._loop.time())
        self._child: Child | None = None
        self._closing = False
        self.serial = self._open_line()
        self._rx = bytearray()  # from the host, not yet at the board
        self._tx: bytearray = bytearray()  # from the board, not yet taken by the host
        self._feeding: asyncio.TimerHandle | None = None
        self._powering: asyncio.TimerHandle | None = None
        self._heard_s: float | None = None  # when a host last sent something
        self._alone = False
        self._calls = {
            "run": self._run,
            "prompt": self._prompt,
            "intr": self._set_intr,
            "serial": self._serial,
            "alive": self._keep_alive,
            "fault": self._fault,
            "i": self._interrupted,
        }
        self._words = {
            "reset": self._reset,
            "watchdog": self._watchdog,
            "left": self._left,
            "done": self._done,
            "hello": self._hello,
            "replay": self._replay,
        }
        self._reset_line()

    def _open_line(self) -> str:
        """Make the pty; return the path of the host's end."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        return os.ttyname(self._slave)

    def _close_line(self) -> None:
        """Give the pty back; harmless the second time."""
        if self._master < 0:
            return
        self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def _reset_line(self) -> None:
        self._who: str | None = None  # whose program runs: main, raw, friendly
        self._intr = _CTRL_C
        self._interrupting: Interruption | None = None
        self._control_text = b""
        self._watchdog_s = 0.0
        self._beat_s = self._loop.time()
        self._line.begin()

    # The process

    def start(self) -> None:
        """Power the board on."""
        self._loop.add_reader(self._master, self._from_host)
        self._spawn("power_on", "main")

    def _spawn(self, cause: str, then: str) -> None:
        """Start the VM: `cause` is the reset cause, `then` what it does after its ROM is up."""
        self._reset_line()
        self.counts.starts += 1
        path = self._folder / "spec.json"
        started = {**self._spec, "reset": cause, "then": then}
        path.write_text(json.dumps(started))
        child = Child(self._vm.argv, self._heap_bytes, path, environment(self._vm))
        self._child = child
        self._loop.add_reader(child.stdout, self._from_board)
        self._loop.add_reader(child.control, self._from_control)

    def _end_process(self) -> None:
        """End the VM, and take what it had printed."""
        child = self._child
        if child is None:
            return
        self._settle_interrupt()
        child.end()
        self._take_output()
        self._child = None
        self._loop.remove_reader(child.stdout)
        self._loop.remove_reader(child.control)
        child.close()

    def _restart(self, cause: str, then: str, off_s: float = 0.0) -> None:
        self._end_process()
        self.counts.resets[cause] = self.counts.resets.get(cause, 0) + 1
        self.on_event(self, f"reset: {cause}")
        if off_s:
            self._powering = self._loop.call_later(off_s, self._spawn, cause, then)
        elif not self._closing:
            self._spawn(cause, then)

    @property
    def corrupted_bytes(self) -> int:
        """How often the line did something to bytes or frames, both ways."""
        return self._line.to_board.hits + self._line.to_host.hits

    @property
    def pid(self) -> int | None:
        """The VM's process id."""
        return self._child.pid if self._child else None

    @property
    def untaken_bytes(self) -> int:
        """How much of what the host has sent the program has not read yet."""
        return len(self._rx) + (self._child.unread() if self._child else 0)

    def power_cut(self) -> None:
        """Take the power away and give it back."""
        self._restart("power_on", "main")

    def close(self) -> None:
        """End the board and give back its pty."""
        if self._closing:
            return
        self._closing = True
        self._end_process()
        for timer in (self._feeding, self._powering):
            if timer:
                timer.cancel()
        self._close_line()
        self.done.set()

    def look_after(self) -> None:
        """Reset a board whose program no longer reads its clock; tell when its host has gone."""
        if self._virtual and self._heard_s and not (self._alone or self._line.cut):
            self._alone = not self._host_is_there() and not self.done.is_set()
            if self._alone:
                self.on_event(self, "alone")
        if self._child is None or self._who != "main" or not self._watchdog_s or self._tx:
            return
        if self._loop.time() - self._beat_s > max(self._watchdog_s, _STUCK_S):
            self._restart("watchdog", "main")

    # Towards the host

    def _from_board(self) -> None:
        if self._child is None:
            return
        data = self._child.output()
        if data:
            self._to_host(data)
        elif data is not None:
            self._loop.remove_reader(self._child.stdout)

    def _take_output(self) -> None:
        while self._child and (data := self._child.output()):
            self._to_host(data)

    def _to_host(self, data: bytes) -> None:
        if self._who == "main":
            self._ready()
        if self._intr == _CTRL_C and self._who != "main":
            data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        self._line.carry(self._line.to_host, data, self._send)

    def _send(self, data: bytes) -> None:
        if not self._closing:
            self._tx += data
            self._flush()

    def _flush(self) -> None:
        try:
            sent = os.write(self._master, self._tx)
        except BlockingIOError:
            sent = 0
        del self._tx[:sent]
        if not self._virtual:
            self.counts.unread_bytes += len(self._tx)
            self._tx.clear()
        elif self._tx and self._child:
            self._loop.add_writer(self._master, self._flush)
            if len(self._tx) > _BACKLOG_BYTES:
                self._loop.remove_reader(self._child.stdout)
        else:
            self._loop.remove_writer(self._master)
            if self._child:
                self._loop.add_reader(self._child.stdout, self._from_board)

    # Towards the board

    def _from_host(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except (BlockingIOError, OSError):
            return
        self._line.carry(self._line.to_board, data, self._arrive)

    def _arrive(self, data: bytes) -> None:
        """Take what the line has carried to the board."""
        if not data or self._closing:
            return
        self._heard_s = self._loop.time()
        self._alone = False
        at = data.find(self._intr) if self._who and 0 <= self._intr < 256 else -1
        if at >= 0 and self._child:
            # It never gets into the ring; a second one before the first is taken is the same.
            if not self._interrupting:
                self._rx += data[:at]
                self._push(len(self._rx))
                data = data[at + 1 :]
                self._interrupt()
            data = data.replace(bytes((self._intr,)), b"")
        self._rx += data
        if len(self._rx) > _QUEUE_BYTES:
            self._loop.remove_reader(self._master)
        self._feed()

    def _feed(self) -> None:
        """Put on the line what it can carry by now; come back for the rest."""
        if self._feeding:
            self._feeding.cancel()
            self._feeding = None
        if not self._rx or self._interrupting or not self._child:
            return
        if self._virtual:
            self._push(min(len(self._rx), RING_BYTES - self._child.unread()))
        else:
            n = self._pace.take(len(self._rx), self._loop.time())
            room = RING_BYTES - self._child.unread()
            if n > room:
                del self._rx[room:n]
                self.counts.ring_dropped_bytes += n - room
            self._push(min(n, room))
        if len(self._rx) <= _QUEUE_BYTES and not self._closing:
            self._loop.add_reader(self._master, self._from_host)
        if self._rx:
            self._feeding = self._loop.call_later(_FEED_S, self._feed)

    def _push(self, n: int) -> None:
        if self._child:
            self._child.type(bytes(self._rx[:n]))
        del self._rx[:n]

    def _interrupt(self) -> None:
        if not self._interrupting:
            self._interrupting = Interruption(self._loop, self.pid, self._force)
            self._tell(b"I")

    def _interrupted(self, _: str) -> None:
        self._settle_interrupt()
        self._feed()

    def _settle_interrupt(self) -> None:
        if self._interrupting:
            self._interrupting.settle()
            self._interrupting = None

    def _force(self) -> None:
        """End a program that does not take Ctrl-C, and give its user a prompt."""
        who = self._who
        self._end_process()
        self.counts.forced += 1
        self._who = None
        if who == "raw":
            self._to_host(b"\x04" + _TRACEBACK + b"\x04>")
        else:
            self._to_host(_TRACEBACK)
        self._spawn("soft", "again" if who == "raw" else "prompt")
        self._feed()

    # The control channel

    def _tell(self, data: bytes) -> None:
        if self._child:
            self._child.tell(data)

    def _from_control(self) -> None:
        data = self._child.told() if self._child else None
        if data is None:
            return
        if not data:
            self._process_ended()
            return
        *lines, self._control_text = (self._control_text + data).split(b"\n")
        child = self._child
        for line in lines:
            if child is self._child:  # else it was started anew: the rest is of the old one
                self._obey(*line.decode().partition(" ")[::2])

    def _process_ended(self) -> None:
        """Take note of a VM that ended unasked: a fault of the ROM or of the VM itself."""
        self._end_process()
        self.crashed = True
        self.on_event(self, "crashed: " + self.last_words())
        self.ready.set()
        self.done.set()

    def last_words(self) -> str:
        """Return the end of what the VM wrote to its standard error."""
        return read_last_words(self._folder)

    def _obey(self, word: str, rest: str) -> None:
        if word == "beat":
            self._beat_s = self._loop.time()
            self._spec["start_ms"] = int(rest)  # where a board goes on that has to be forced
        elif word in self._calls:
            self._take_output()
            self._calls[word](rest)
            self._tell(b".")
        else:
            self._words[word](rest)

    def _block_stdin(self, blocking: bool) -> None:
        if self._child:
            self._child.block_stdin(blocking)

    def _run(self, who: str) -> None:
        self._who = who
        self._intr = _CTRL_C
        self._block_stdin(True)
        if who == "main" and not self.ready.is_set():
            self._loop.call_later(_SETTLED_S, self.ready.set)  # a program that takes no line

    def _prompt(self, _: str) -> None:
        self._who = None
        self._intr = _CTRL_C
        self._block_stdin(False)
        self._settle_interrupt()
        self._ready()
        self._loop.call_soon(self._feed)

    def _ready(self) -> None:
        self._beat_s = self._loop.time()
        if not self.ready.is_set():
            self.ready.set()

    def _serial(self, _: str) -> None:
        self._block_stdin(False)
        self._ready()

    def _host_is_there(self) -> bool:
        return self._heard_s is not None and self._loop.time() - self._heard_s < _PRESENT_S

    def _keep_alive(self, _: str) -> None:
        """Say once more, in the board's time, that a host is there; not amid what it says."""
        if self._child and self._host_is_there() and not (self._rx or self._child.unread()):
            self._child.type(_KEEP_ALIVE)

    def _set_intr(self, char: str) -> None:
        self._intr = int(char)

    def _fault(self, rest: str) -> None:
        number, on = rest.split()
        self._line.fault(int(number), on=on == "1")

    def _reset(self, rest: str) -> None:
        said = json.loads(rest)
        cursors = said.get("cursors", self._spec["cursors"])
        self._spec = {**self._spec, "cursors": cursors, "start_ms": said["start_ms"]}
        off_s = 0.0 if self._virtual else said["off_ms"] / 1000
        self._restart(said["reset"], said["then"], off_s)

    def _watchdog(self, ms: str) -> None:
        self._watchdog_s = int(ms) / 1000
        self._beat_s = self._loop.time()

    def _left(self, left: str) -> None:
        self.unacked = int(left)
        self.stopping_s = self.stopping_s or self._loop.time()

    def _done(self, left: str) -> None:
        self._left(left)
        self.on_event(self, "done")
        self.done.set()

    def _hello(self, _: str) -> None:
        self.on_event(self, "hello")

    def _replay(self, what: str) -> None:
        self.on_event(self, f"replay: {what}")

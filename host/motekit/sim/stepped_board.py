"""One virtual board of a World: its VM in step with the world's time, its restarts, its line.

A reboot ends the process and starts it again where scenario time has come to.
"""

import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from motekit import resources
from motekit.sim.child import read_last_words
from motekit.sim.nursery import Nursery
from motekit.sim.plan import BoardPlan
from motekit.sim.preparation import Prepared
from motekit.sim.stepped_vm import STUCK_S, Awaited, EndedError, Report, SteppedVm, StuckError
from motekit.sim.vm import Vm
from motekit.sim.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

_TAIL_BYTES = 20_000
_TAIL_LINES = 3
_HEARD_MS = 2  # after a credit was written: rom/lockstep.py _QUIET_MS
STUCK_MAX = 5  # each of which costs STUCK_S of real time
_STUCK_WITHIN_MS = 600_000
_BOOT_MS = 5  # nothing that a host says first has arrived by then: a hello takes 8 ms


@dataclass
class Counts:
    """What the world saw of one board."""

    starts: int = 0
    resets: dict[str, int] = field(default_factory=dict[str, int])
    stuck: int = 0  # programs that never looked at their clock
    unread_bytes: int = 0  # nobody collected when they were written


class WorldBoard:
    """A board; `step` lets time pass for it, `type` sends it bytes, `listener` takes its own."""

    def __init__(
        self, vm: Vm, prepared: Prepared, plan: BoardPlan, nursery: Nursery | None = None
    ) -> None:
        spec = prepared.spec
        self.plan = plan
        self.device: str = spec["device"]
        self.board: str = spec["board"]
        self.counts = Counts()
        self.done = False
        self.crashed = False
        self.unacked = 0  # packets that the host had not taken when the scenario ended
        self.stopping_ms: int | None = None  # when the scenario ended for this board
        self.now_ms = 0
        self.rom_bytes = prepared.rom_bytes
        self.wire = Wire(spec["seed"], spec["baud"], plan.faults)
        self.listener: Callable[[int, bytes], None] | None = None
        self.on_event: Callable[[WorldBoard, str], None] = _ignore
        self._vm = vm
        self._prepared = prepared
        self._nursery = nursery  # in which it starts the first time
        self._spec: dict[str, Any] = spec
        self._process: SteppedVm | None = None
        self._watchdog_ms = 0
        self._stuck_ms: deque[int] = deque(maxlen=STUCK_MAX)  # when it was, the last few times
        self._booting = False
        self._inputs: list[tuple[int, bytes]] = []

    def start(self) -> None:
        """Power the board on; it boots at once, beside others that do."""
        self._start("power_on", "main")
        if self._process:
            self._process.grant(_BOOT_MS, [])
            self._booting = True

    def _start(self, cause: str, then: str) -> None:
        self._watchdog_ms = 0
        self.counts.starts += 1
        spec = {**self._spec, "reset": cause, "then": then}
        self._process = SteppedVm(self._vm, self._prepared, spec, self._nursery)
        self._nursery = None

    def step(self, until_ms: int, awaited: Awaited | None = None) -> None:
        """Let the board run until then, or until it has something to say but what is awaited."""
        process = self._process
        if process is None or until_ms <= self._spec["start_ms"]:
            self.now_ms = until_ms  # it has crashed, or has no power
            return
        try:
            if not self._booting:
                process.grant(until_ms, self._take_inputs(until_ms), awaited)
            self._booting = False
            report = process.report()
        except EndedError:
            self._crash()
        except StuckError as e:
            self._heed(process.told_ahead())
            self._stuck(str(e))
        else:
            self._take(report)

    def _take_inputs(self, until_ms: int) -> list[tuple[int, bytes]]:
        due = [each for each in self._inputs if each[0] <= until_ms]
        if due:
            self._inputs = [each for each in self._inputs if each[0] > until_ms]
            due = [(max(at_ms, self.now_ms), data) for at_ms, data in due]
        return due

    def _take(self, report: Report) -> None:
        self.now_ms = now_ms = report.now_ms
        for at_ms, data in report.credited:
            self._say(at_ms, data, at_ms + _HEARD_MS)
        if report.printed:
            lines = report.printed.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            self._say(now_ms, lines, now_ms)
        for at_ms, data in report.written:
            self._say(at_ms, data, now_ms)
        self._heed(report.told)

    def _heed(self, lines: list[str]) -> None:
        for line in lines:
            self._obey(*line.partition(" ")[::2])

    def _say(self, at_ms: int, data: bytes, heard_ms: int) -> None:
        for arrives_ms, arrived in self.wire.to_host(at_ms, data, heard_ms):
            if self.listener:
                self.listener(arrives_ms, arrived)
            else:
                self.counts.unread_bytes += len(arrived)

    def type(self, at_ms: int, data: bytes) -> None:
        """Send bytes to the board."""
        self._inputs += self.wire.to_board(at_ms, data)

    def power_cut(self) -> None:
        """Take the power away and give it back."""
        self._restart_unasked("power_on", self.now_ms)

    def finish(self) -> None:
        """Have the VM end by itself, so that tools that watch it get to their word."""
        if self._process:
            self._process.finish()
            self._process = None

    @property
    def pid(self) -> int | None:
        """The VM's process id."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """End the board."""
        self._booting = False
        if self._process:
            self._process.end()
            self._process = None

    def last_words(self) -> str:
        """Return the end of what the VM wrote to its standard error."""
        return read_last_words(self._prepared.folder)

    def words(self) -> str:
        """Return the last lines that tell what is wrong, of all that the board printed."""
        lines = self._printed()
        told = [line for line in lines if "motefw: " in line or "Error" in line]
        said = " | ".join((told or lines)[-_TAIL_LINES:]) or "nothing"
        return f"{said}; {self._stood_still()}" if self.counts.stuck else said

    def _stood_still(self) -> str:
        """Say that the program hung, and where that may be."""
        times = f"{self.counts.stuck} times" if self.counts.stuck > 1 else "once"
        yours = ", ".join(sorted(resources.own))
        where = f" of {yours}?" if yours else "?"
        return (
            f"its program stood still {times} and was given to its watchdog: it did not look at "
            f"its clock for {STUCK_S:g} s of this machine's time; a loop without end{where}"
        )

    def _printed(self) -> list[str]:
        """Return the last lines that the board printed, without frames and what was echoed."""
        path = self._prepared.folder / "serial.txt"
        tail = path.read_bytes()[-_TAIL_BYTES:] if path.exists() else b""
        lines = tail.replace(b"\0", b"\n").decode("ascii", "replace").splitlines()
        texts = [line for line in lines if line.isprintable() and "\ufffd" not in line]
        return [text for text in texts if text.strip() and not text.startswith(">>> ")]

    # What the board tells; see rom/lockstep.py

    def _obey(self, word: str, rest: str) -> None:
        if word == "reset":
            self._reset(json.loads(rest))
        elif word == "watchdog":
            self._watchdog_ms = int(rest)
        elif word in ("left", "done"):
            self.unacked = int(rest)
            self.stopping_ms = self.now_ms if self.stopping_ms is None else self.stopping_ms
            if word == "done" and not self.done:
                self.done = True
                self.on_event(self, "done")
        elif word == "hello":
            self.on_event(self, "hello")
        elif word == "replay":
            self.on_event(self, f"replay: {rest}")

    def _reset(self, said: dict[str, Any]) -> None:
        cursors = said.get("cursors", self._spec["cursors"])
        self._spec = {**self._spec, "cursors": cursors}
        self._restart(said["reset"], said["then"], said["start_ms"])

    def _restart_unasked(self, cause: str, start_ms: int) -> None:
        """Restart a board that could not tell how far its sensors had come: as far as time has."""
        ran_us = 1000 * max(0, self.now_ms - self._spec["start_ms"])
        cursors = dict(self._spec["cursors"])
        for sensor in self._spec["sensors"]:
            if sensor["interval_us"]:
                before = cursors.get(sensor["name"], 0)
                cursors[sensor["name"]] = before + ran_us // sensor["interval_us"]
        self._spec = {**self._spec, "cursors": cursors}
        self._restart(cause, "main", start_ms)

    def _restart(self, cause: str, then: str, start_ms: int) -> None:
        self.close()
        self.counts.resets[cause] = self.counts.resets.get(cause, 0) + 1
        self.on_event(self, f"reset: {cause}")
        self._inputs.clear()  # what was under way finds nobody
        self._spec = {**self._spec, "start_ms": start_ms}
        self._start(cause, then)

    def _crash(self) -> None:
        """Take note of a VM that ended unasked: a fault of the ROM or of the VM itself."""
        self.close()
        self.crashed = self.done = True
        self.on_event(self, "crashed: " + self.last_words())

    def _stuck(self, why: str) -> None:
        """Do what the watchdog would; without one, or after some times, that is the end."""
        self.counts.stuck += 1
        self.on_event(self, f"stuck: {why}")
        self._stuck_ms.append(self.now_ms)
        often = len(self._stuck_ms) == STUCK_MAX
        often = often and self.now_ms - self._stuck_ms[0] < _STUCK_WITHIN_MS
        if self._watchdog_ms and not often:
            self._restart_unasked("watchdog", self.now_ms + self._watchdog_ms)
            return
        self.close()
        self.crashed = self.done = True
        more = f"for the {STUCK_MAX}th time in a row" if often else "and has started no watchdog"
        self.on_event(self, f"crashed: {why}, {more}")


def _ignore(_board: WorldBoard, _text: str) -> None:
    """Do nothing: nobody wants to know."""

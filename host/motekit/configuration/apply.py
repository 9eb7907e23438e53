"""Changing configurations: compared, sent, tried for a boot, read back, and kept only if all well.

    read (marks, configuration, state) -> compare -> send -> boot -> read back -> well? -> keep
                                                                              not? -> boot again

A board that is not well with the new configuration gets the old one back: by another boot, and
where it cannot be reached any more by its own next boot, since a trial lasts no longer than one.
Not well is: no answer, another configuration than the one that was sent, one that the firmware
could not start, or a sensor that gave samples before and does not any more. A new sensor that
does not answer is told, and kept.
"""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from motekit.errors import LinkError, MotekitError
from motekit.hello import Hello
from motekit.keys import KeyStore

from . import wire
from .diff import Change, changes, completed
from .lines import Line, Opened, each, opened
from .paths import Config
from .wire import Held, Marks

BOOT_S = 75.0  # until it has sent what it holds (10 s), and a watchdog has come (30 s)
SETTLE_S = 20.0  # for a sensor that gave samples before to give them again
NEW_S = 4.0  # for one that fails at first: it is tried again after 1 and 2 s
_POLL_S = 0.5
Target = Callable[[Hello, Config], Config]  # what a board's configuration shall become
Steps = Callable[[str, str], None]  # port, and what is done there now


class Sensor(NamedTuple):
    """How a sensor is that is not well."""

    name: str
    state: str
    error: str


@dataclass(frozen=True)
class Outcome:
    """What became of a board, or would.

    `state`: "unchanged", "differs" (of a plan), "applied", "rolled back" or "failed".
    """

    port: str
    state: str
    device: str = ""
    name: str = ""
    changes: tuple[Change, ...] = ()
    sensors: tuple[Sensor, ...] = ()
    mark: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str = ""

    @property
    def failed(self) -> bool:
        """Tell whether the board is not as it was to be."""
        return self.state in {"failed", "rolled back"}


class TrialError(MotekitError):
    """A board that is not well with what it tries."""


def plan(ports: Sequence[str], target: Target, key_store: KeyStore) -> list[Outcome]:
    """Return for each port what would change; nothing is changed."""
    with opened(ports, key_store, None) as lines:
        return each(ports, lambda port: _safely(lines, port, lambda line: _compare(line, target)))


def apply(
    ports: Sequence[str],
    target: Target,
    key_store: KeyStore,
    store: Path | None = None,
    on_step: Steps = lambda _port, _what: None,
) -> list[Outcome]:
    """Change the boards at some ports, all at once; return what became of each.

    With a store what the boards hold is collected into it before they boot, else that is lost.
    """
    with opened(ports, key_store, store) as lines:
        return each(
            ports,
            lambda port: _safely(lines, port, lambda line: _Change(line, target, on_step).run()),
        )


def _safely(lines: Opened, port: str, work: Callable[[Line], Outcome]) -> Outcome:
    """Do the work of one board; what is raised becomes its outcome."""
    begun = time.monotonic()
    line = None
    try:
        line = lines.line(port)
        found = work(line)
    except (MotekitError, OSError) as error:
        text = str(error).removeprefix(f"{port}: ")
        hello = line.hello if line else None
        found = Outcome(port, "failed", hello.device if hello else "", _called(hello), error=text)
    finally:
        if line is not None:
            lines.release(line)
    return replace(found, seconds=round(time.monotonic() - begun, 1))


def _called(hello: Hello | None) -> str:
    return (hello.name or "") if hello else ""


def _compare(line: Line, target: Target) -> Outcome:
    """Return what would change on a board."""
    held = wire.read(line.ask)
    wanted = completed(target(line.hello, held.config))
    found = tuple(changes(held.config, wanted))
    state = "differs" if found or held.error or _pending(held.marks) else "unchanged"
    return Outcome(
        line.port,
        state,
        line.hello.device,
        str(wanted.get("name") or _called(line.hello)),
        found,
        mark=held.marks.kept or "",
        notes=_notes(held),
    )


def _pending(marks: Marks) -> bool:
    """Tell whether a trial was left undecided."""
    return (marks.trial or marks.next) is not None


def _notes(held: Held) -> tuple[str, ...]:
    notes: list[str] = []
    if held.error:
        notes.append(f"what it has is broken: {held.error}")
    if _pending(held.marks):
        notes.append("it tries a configuration that nobody has kept; apply decides that")
    return tuple(notes)


class _Change:
    def __init__(self, line: Line, target: Target, on_step: Steps) -> None:
        self._line = line
        self._target = target
        self._step = on_step

    def run(self) -> Outcome:
        """Bring one board to its target; raises MotekitError before anything was changed."""
        line = self._line
        self._step(line.port, "reading")
        held = wire.read(line.ask)
        wanted = self._target(line.hello, held.config)
        found = tuple(changes(held.config, completed(wanted)))
        name = str(wanted.get("name") or _called(line.hello))
        outcome = Outcome(line.port, "applied", line.hello.device, name, found)
        if not found and not held.error and not _pending(held.marks):
            return replace(outcome, state="unchanged", mark=held.marks.kept or "")
        well = self._well()
        self._step(line.port, "sending")
        mark = wire.send(line.ask, wanted, held.marks)
        try:
            self._boot()
            self._tried(mark)
            sensors = self._settled(well)
            self._step(line.port, "keeping")
            wire.keep(line.ask, mark)
            if wire.marks(line.ask).kept != mark:
                raise TrialError("it was told to keep the configuration, and has another")
        except (MotekitError, OSError) as error:
            return self._back(outcome, held.marks, error)
        return replace(outcome, sensors=sensors, mark=mark)

    def _well(self) -> dict[str, object]:
        """Return the drivers of the sensors that give samples now, by name."""
        return {
            str(sensor["name"]): sensor.get("driver")
            for sensor in _sensors(self._line.ask("status", {}))
            if sensor.get("state") == "ok"
        }

    def _boot(self) -> None:
        """Have the board boot; it is asked once, and looked for until it is back."""
        self._step(self._line.port, "booting")
        with contextlib.suppress(LinkError):
            self._line.ask("reboot", {})

    def _tried(self, mark: str) -> None:
        """Wait until the board has booted with what it was sent; TrialError if it went back."""
        found = self._await(lambda marks: marks.next is None)
        if found.trial != mark:
            raise TrialError(
                "it booted more than once, and so went back to what it had: the configuration"
                " lets it crash, or its power went"
            )

    def _await(self, true: Callable[[Marks], bool]) -> Marks:
        """Ask for the marks until they are so; TrialError if the board does not come back."""
        end = time.monotonic() + BOOT_S
        while True:
            error: Exception = TrialError("it does not boot")
            try:
                found = wire.marks(self._line.ask)
                if true(found):
                    return found
            except (LinkError, OSError) as e:
                error = e
            if time.monotonic() > end:
                text = str(error).removeprefix(f"{self._line.port}: ")
                raise TrialError(f"it is not back after {BOOT_S:.0f} s: {text}")
            time.sleep(_POLL_S)

    def _settled(self, well: Mapping[str, object]) -> tuple[Sensor, ...]:
        """Wait for the sensors' first samples; TrialError for one that has become worse."""
        self._step(self._line.port, "looking")
        begun = time.monotonic()
        while True:
            status = self._line.ask("status", {})
            if why := status.get("config_error"):
                raise TrialError(f"its firmware could not start all of it: {why}")
            ill = [row for row in _sensors(status) if row.get("state") != "ok"]
            worse = [row for row in ill if well.get(str(row["name"])) == row.get("driver")]
            waiting = worse or any(row.get("state") == "starting" for row in ill)
            wait_s = SETTLE_S if waiting else NEW_S
            if not ill or time.monotonic() - begun > wait_s:
                break
            time.sleep(_POLL_S)
        for row in worse:
            if row.get("state") != "starting":
                raise TrialError(
                    f"{row['name']} gave samples before, and is {row.get('state')} now"
                    f" ({row.get('last_error') or 'it says nothing'})"
                )
        return tuple(
            Sensor(str(row["name"]), str(row.get("state")), str(row.get("last_error") or ""))
            for row in ill
        )

    def _back(self, outcome: Outcome, was: Marks, error: Exception) -> Outcome:
        """Have the board go back to what it had, and say what was wrong."""
        self._step(self._line.port, "going back")
        why = str(error).removeprefix(f"{self._line.port}: ")
        try:
            found = wire.marks(self._line.ask)
            if found.trial is not None or found.next is not None:
                self._boot()
                if found.next is not None:  # that boot tries it, and the one after does not
                    self._await(lambda marks: marks.next is None)
                    self._boot()
                found = self._await(lambda marks: marks.trial is None and marks.next is None)
        except (MotekitError, OSError) as e:
            text = str(e).removeprefix(f"{self._line.port}: ")
            return replace(
                outcome,
                state="failed",
                error=f"{why}; it could not be told to go back ({text}): its next boot does",
            )
        if found.kept != was.kept:
            return replace(outcome, state="failed", error=f"{why}; and it has another one now")
        return replace(outcome, state="rolled back", error=f"{why}; it has its old one again")


def _sensors(status: Any) -> list[dict[str, Any]]:
    """Return the sensors of a status; LinkError if it has none that can be read."""
    told = cast("dict[str, Any]", status) if isinstance(status, dict) else {}
    listed: Any = told.get("sensors")
    rows = cast("list[Any]", listed) if isinstance(listed, list) else [None]
    found = [cast("dict[str, Any]", row) for row in rows if isinstance(row, dict)]
    if len(found) != len(rows) or any("name" not in row for row in found):
        raise LinkError(
            f"status: sensors are {told.get('sensors')!r:.80}, a list of objects expected"
        )
    return found

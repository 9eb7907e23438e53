"""One board's configuration, tried for a boot, and kept only if all is well.

    send -> boot -> read back -> well? -> keep
                                  not? -> boot again

A board that is not well with the new configuration gets the old one back: by another boot, and
where it cannot be reached any more by its own next boot, since a trial lasts no longer than one.
Not well is: no answer, another configuration than the one that was sent, one that the firmware
could not start, or a sensor that gave samples before and does not any more. A new sensor that
does not answer is told, and kept.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from motekit.errors import LinkError, MotekitError

from . import wire
from .lines import Line
from .outcome import Outcome, Sensor, Steps, TrialError
from .paths import Config
from .wire import Held, Marks

BOOT_S = 75.0  # until it has sent what it holds (10 s), and a watchdog has come (30 s)
AGAIN_S = 20.0  # a board that is to boot does it within 10 s
SETTLE_S = 20.0  # for a sensor that gave samples before to give them again
NEW_S = 4.0  # for one that fails at first: it is tried again after 1 and 2 s
POLL_S = 0.5


class Trial:
    """What is tried on one board."""

    def __init__(self, line: Line, on_step: Steps, *, discard: bool) -> None:
        self._line = line
        self._step = on_step
        self._discard = discard

    def run(self, held: Held, wanted: Config, outcome: Outcome) -> Outcome:
        """Change what a board has; return the outcome with what became of it.

        Raises MotekitError before anything was changed.
        """
        line = self._line
        well = self._well()
        self._step(line.port, "sending")
        mark = wire.send(line.ask, wanted, held.marks)
        try:
            self.boot()
            self._tried(mark)
            sensors = self._settled(well)
            self._step(line.port, "keeping")
            wire.keep(line.ask, mark)
            if wire.marks(line.ask).kept != mark:
                raise TrialError("it was told to keep the configuration, and has another")
        except (MotekitError, OSError) as error:
            return self._back(outcome, held.marks, error)
        return replace(outcome, state="applied", sensors=sensors, mark=mark)

    def _well(self) -> dict[str, object]:
        """Return the drivers of the sensors that give samples now, by name.

        LinkError for a board that would lose what it has sampled.
        """
        status = self._line.ask("status", {})
        well: dict[str, object] = {
            str(sensor["name"]): sensor.get("driver")
            for sensor in _sensors(status)
            if sensor.get("state") == "ok"
        }
        unsent = _count(status, "next_seq") - _count(status, "tail_seq")
        if (well or unsent) and self._line.hello.generation and not self._discard:
            raise LinkError(
                f"a boot loses what no collector has taken ({_held(unsent)}):"
                " --store STORE collects all of it, --discard gives it up"
            )
        return well

    def boot(self) -> None:
        """Have the board boot; it is asked once, and looked for until it is back."""
        self._step(self._line.port, "booting")
        with contextlib.suppress(LinkError):
            self._line.ask("reboot", {})

    def _tried(self, mark: str) -> None:
        """Wait until the board has booted with what it was sent; TrialError if it went back."""
        asked_at = self._line.clock.monotonic()

        def booted(marks: Marks) -> bool:
            nonlocal asked_at
            now = self._line.clock.monotonic()
            if marks.next is not None and now - asked_at > AGAIN_S:
                asked_at = now
                self.boot()  # it was not heard
            return marks.next is None

        found = self._await(booted)
        if found.trial != mark:
            raise TrialError(
                "it booted more than once, and so went back to what it had: the configuration"
                " lets it crash, or its power went"
            )

    def _await(self, true: Callable[[Marks], bool]) -> Marks:
        """Ask for the marks until they are so; TrialError if the board does not come back."""
        end = self._line.clock.monotonic() + BOOT_S
        while True:
            error: Exception = TrialError("it does not boot")
            try:
                found = wire.marks(self._line.ask)
                if true(found):
                    return found
            except (LinkError, OSError) as e:
                error = e
            if self._line.clock.monotonic() > end:
                text = str(error).removeprefix(f"{self._line.port}: ")
                raise TrialError(f"it is not back after {BOOT_S:.0f} s: {text}")
            self._line.clock.sleep(POLL_S)

    def _settled(self, well: Mapping[str, object]) -> tuple[Sensor, ...]:
        """Wait for the sensors' first samples; TrialError for one that has become worse."""
        self._step(self._line.port, "looking")
        begun = self._line.clock.monotonic()
        while True:
            status = self._line.ask("status", {})
            if why := status.get("config_error"):
                raise TrialError(f"its firmware could not start all of it: {why}")
            ill = [row for row in _sensors(status) if row.get("state") != "ok"]
            worse = [row for row in ill if well.get(str(row["name"])) == row.get("driver")]
            waiting = worse or any(row.get("state") == "starting" for row in ill)
            wait_s = SETTLE_S if waiting else NEW_S
            if not ill or self._line.clock.monotonic() - begun > wait_s:
                break
            self._line.clock.sleep(POLL_S)
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
                self.boot()
                if found.next is not None:  # that boot tries it, and the one after does not
                    self._await(lambda marks: marks.next is None)
                    self.boot()
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


def _count(status: Any, name: str) -> int:
    told = cast("dict[str, Any]", status) if isinstance(status, dict) else {}
    value = told.get(name)
    return value if isinstance(value, int) else 0


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


def _held(packets: int) -> str:
    return f"{packets} packets now" if packets else "samples of packets that it has just begun"

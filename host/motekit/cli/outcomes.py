"""How commands print what became of boards that were changed, or would be."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from motekit.cli import say
from motekit.configuration.outcome import Outcome
from motekit.errors import LinkError

_LOCK = threading.Lock()


def tell(port: str, what: str) -> None:
    """Say what is done on a board now."""
    with _LOCK:
        say.err(f"{port}: {what}")


def silent(_port: str, _what: str) -> None:
    """Say nothing."""


def show(done: Sequence[Outcome], *, as_json: bool) -> None:
    """Print each board, and below it what changes."""
    for each in done:
        if as_json:
            say.json_line(_record(each))
            continue
        name = f" {each.name}" if each.name else ""
        lines = [f"{each.port}{name}{_in_brackets(each.device)}: {each.state}"]
        lines += [f"  {told}" for told in (*each.changes, *each.notes)]
        for sensor in each.sensors:
            lines.append(f"  ! {sensor.name} is {sensor.state}: {sensor.error or 'no sample yet'}")
        say.out("\n".join(lines))


def fail(done: Sequence[Outcome]) -> None:
    """Raise LinkError that names the boards that are not as they were to be, if there are any."""
    fail_naming([(each.port, each.device, each.error) for each in done if each.failed], len(done))


def fail_naming(failed: Sequence[tuple[str, str, str]], total: int, said: str = "failed") -> None:
    """Raise LinkError if boards failed, of so many: of each its port, its id if known, and why."""
    if failed:
        lines = (f"{port}{_in_brackets(device)}: {why}" for port, device, why in failed)
        raise LinkError(f"{len(failed)} of {total} boards {said}:\n  " + "\n  ".join(lines))


def _in_brackets(device: str) -> str:
    return f" ({device})" if device else ""


def _record(outcome: Outcome) -> Mapping[str, Any]:
    return {
        "port": outcome.port,
        "device": outcome.device,
        "name": outcome.name,
        "state": outcome.state,
        "changes": [change.record() for change in outcome.changes],
        "sensors": [sensor._asdict() for sensor in outcome.sensors],
        "mark": outcome.mark,
        "notes": list(outcome.notes),
        "seconds": outcome.seconds,
        "error": outcome.error,
    }

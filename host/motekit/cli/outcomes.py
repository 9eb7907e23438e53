"""How commands print what became of boards that were changed, or would be."""

import json
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from motekit.configuration.outcome import Outcome
from motekit.errors import LinkError
from motekit.plain import plain

_LOCK = threading.Lock()


def tell(port: str, what: str) -> None:
    """Say what is done on a board now."""
    with _LOCK:
        print(f"{port}: {what}", file=sys.stderr, flush=True)


def silent(_port: str, _what: str) -> None:
    """Say nothing."""


def show(done: Sequence[Outcome], *, as_json: bool) -> None:
    """Print each board, and below it what changes."""
    for each in done:
        if as_json:
            print(json.dumps(_record(each), ensure_ascii=False), flush=True)
            continue
        name = f" {each.name}" if each.name else ""
        lines = [f"{each.port}{name}{_of(each)}: {each.state}"]
        lines += [f"  {told}" for told in (*each.changes, *each.notes)]
        for sensor in each.sensors:
            lines.append(f"  ! {sensor.name} is {sensor.state}: {sensor.error or 'no sample yet'}")
        print(plain("\n".join(lines)))


def fail(done: Sequence[Outcome]) -> None:
    """Raise LinkError that names the boards that are not as they were to be, if there are any."""
    failed = [each for each in done if each.failed]
    if failed:
        lines = (f"{each.port}{_of(each)}: {each.error}" for each in failed)
        raise LinkError(f"{len(failed)} of {len(done)} boards failed:\n  " + "\n  ".join(lines))


def _of(outcome: Outcome) -> str:
    return f" ({outcome.device})" if outcome.device else ""


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

"""Changing what boards have: compared first, tried, read back; many boards at once.

read -> compare -> configuration, on trial (trial.py) -> Wi-Fi, on trial (rotation.py)
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from motekit.errors import MotekitError
from motekit.hello import Hello
from motekit.keys import KeyStore

from . import wire
from .diff import changes, completed
from .lines import Line, Opened, anybody, each, opened
from .outcome import Outcome, Steps, Target
from .rotation import Rotation
from .trial import Trial
from .wire import Held, Marks


def plan(ports: Sequence[str], target: Target, key_store: KeyStore) -> list[Outcome]:
    """Return for each port what would change; nothing is changed."""
    with opened(ports, key_store, None) as lines:
        return each(
            ports, lambda port: _safely(lines, port, lambda line: compare(line, target, key_store))
        )


def apply(
    ports: Sequence[str],
    target: Target,
    key_store: KeyStore,
    store: Path | None = None,
    on_step: Steps = lambda _port, _what: None,
    *,
    discard: bool = False,
    admit: Callable[[Hello], None] = anybody,
) -> list[Outcome]:
    """Change the boards at some ports, all at once; return what became of each.

    With a store what the boards hold is collected into it before they boot; without one a
    provisioned board that holds anything is left as it is, unless that may be discarded. `admit`
    raises MotekitError for a board of which nothing is even to be collected.
    """
    safe = discard or store is not None

    def work(line: Line) -> Outcome:
        return change(line, target, key_store, on_step, discard=safe)

    with opened(ports, key_store, store, discard=discard, admit=admit) as lines:
        return each(ports, lambda port: _safely(lines, port, work))


def compare(line: Line, target: Target, key_store: KeyStore) -> Outcome:
    """Return what would change on a board."""
    held = wire.read(line.ask)
    wanted = target(line.hello, held.config)
    rotation = Rotation(line, wanted.networks, key_store)
    found = (*changes(held.config, completed(wanted.config)), *rotation.changes())
    notes = (*_notes(held), *rotation.notes())
    return Outcome(
        line.port,
        "differs" if found or notes else "unchanged",
        line.hello.device,
        str(wanted.config.get("name") or _called(line.hello)),
        found,
        mark=held.marks.kept or "",
        was=held.config,
        shall=completed(wanted.config),
        notes=notes,
    )


def change(
    line: Line, target: Target, key_store: KeyStore, on_step: Steps, *, discard: bool = True
) -> Outcome:
    """Bring one board to its target; raises MotekitError before anything was changed."""
    on_step(line.port, "reading")
    held = wire.read(line.ask)
    wanted = target(line.hello, held.config)
    rotation = Rotation(line, wanted.networks, key_store)
    found = tuple(changes(held.config, completed(wanted.config)))
    outcome = Outcome(
        line.port,
        "unchanged",
        line.hello.device,
        str(wanted.config.get("name") or _called(line.hello)),
        (*found, *rotation.changes()),
        mark=held.marks.kept or "",
    )
    trial = Trial(line, on_step, discard=discard)
    if found or held.error or _pending(held.marks):
        outcome = trial.run(held, wanted.config, outcome)
    return outcome if outcome.failed else rotation.run(outcome, trial.boot, on_step)


def _safely(lines: Opened, port: str, work: Callable[[Line], Outcome]) -> Outcome:
    """Do the work of one board; what is raised becomes its outcome."""
    begun = lines.clock.monotonic()
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
    return replace(found, seconds=round(lines.clock.monotonic() - begun, 1))


def _called(hello: Hello | None) -> str:
    return (hello.name or "") if hello else ""


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

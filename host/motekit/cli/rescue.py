"""The command `motekit rescue`."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from motekit import board as boards
from motekit.cli import dialogue, micropython, options, progress, say, show
from motekit.cli.doctor import record
from motekit.errors import LinkError, UsageError
from motekit.flasher import ports
from motekit.flasher.job import Step
from motekit.keys import KeyStore
from motekit.rescue import rescue as rescuer
from motekit.rescue.case import Wishes
from motekit.rescue.rescue import Report
from motekit.store import collecting_into

_Port = Annotated[str, typer.Argument(metavar="PORT", help="The board at this port.")]
_Store = Annotated[
    Path | None,
    typer.Option("--store", "-s", help="Takes its unsent packets.", envvar="MOTEKIT_STORE"),
]
_Out = Annotated[
    Path, typer.Option("--out", help="Takes all that is saved of it; its keys are in there.")
]
_Remove = Annotated[
    list[str] | None,
    typer.Option(
        "--remove",
        metavar="NAME",
        help="A file that goes if its file system is full, not the largest; once for each.",
    ),
]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Go on without asking.")]


def rescue(
    port: _Port,
    board: options.BoardIfKnown = "",
    store: _Store = None,
    out: _Out = Path("rescued"),
    keys: options.KeysIfAny = None,
    release: options.Release = None,
    image: options.Image = None,
    pinned: options.Manifest = None,
    remove: _Remove = None,
    yes: _Yes = False,
    as_json: options.Json = False,
) -> None:
    """Mend a board in any state; unsent packets, identity, keys, Wi-Fi and settings are kept.

    What can be read is saved first; what is not motekit's own is replaced only once you agree. It
    says what could not be kept. `motekit doctor PORT` tells before what is wrong.

    Example: motekit rescue /dev/ttyUSB0 --store fleet.motekit
    """
    name = ports.one(port)
    give = micropython.chosen(release, image, pinned)
    step = _silent if as_json else _told(name)
    ask = _agreed if yes else _ask
    with ExitStack() as stack:
        opened = stack.enter_context(collecting_into(store)) if store else None
        chosen = boards.load(board) if board else None
        going = tuple(f"/{each.lstrip('/')}" for each in remove or ())
        wishes = Wishes(out, give, ask, chosen, opened, KeyStore.load(keys), step, going)
        report = rescuer.rescue(name, wishes)
    _show(report, as_json=as_json)
    if report.state not in ("healthy", "mended"):
        raise LinkError(f"{name}: {report.error or 'is not mended: see above'}")


def _silent(_: str) -> None:
    """Say nothing of steps."""


def _told(port: str) -> Callable[[str], None]:
    said = progress.Lines()
    return lambda what: said.step(Step(port, what))


def _agreed(_: str) -> bool:
    return True


def _ask(question: str) -> bool:
    """Return whether the user agrees; UsageError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to say; --yes does without")
    return dialogue.agreed(question)


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        row = {**asdict(report), "left": [record(each) for each in report.left]}
        say.json_line(row)
        return
    lines = [
        ("state", report.state),
        ("device", report.device),
        ("was", ", ".join(report.was)),
        *(("done", each) for each in report.did),
        *(("kept", each) for each in report.kept),
        *(("not kept", each) for each in report.lost),
        *(("still", f"{each.state}: {each.found}; {each.fix}") for each in report.left),
    ]
    columns: show.Columns[tuple[str, str]] = (
        show.Column("", lambda row: row[0]),
        show.Column("", lambda row: row[1], fold=True),
    )
    show.rows(columns, [row for row in lines if row[1]])

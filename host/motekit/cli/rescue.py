"""The command `motekit rescue`."""

import json
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from motekit import board as boards
from motekit.board import Board
from motekit.cli import progress, show
from motekit.cli.doctor import record
from motekit.cli.flash import release_of
from motekit.errors import LinkError, UsageError
from motekit.flash.merged import Release
from motekit.flasher import ports
from motekit.flasher.job import Step
from motekit.keys import KeyStore
from motekit.rescue import rescue as rescuer
from motekit.rescue.case import Wishes
from motekit.rescue.rescue import Report
from motekit.store import collecting_into


def rescue(
    port: Annotated[str, typer.Argument(metavar="PORT", help="The board at this port.")],
    board: Annotated[
        str, typer.Option("--board", "-b", help="What board it is, where nothing on it tells.")
    ] = "",
    store: Annotated[
        Path | None,
        typer.Option("--store", "-s", help="Takes its unsent packets.", envvar="MOTEKIT_STORE"),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Takes all that is saved of it; its keys are in there.")
    ] = Path("rescued"),
    keys: Annotated[
        Path | None, typer.Option(help="The fleet's key store; see `motekit collect`.")
    ] = None,
    release: Annotated[
        str | None, typer.Option(help="MicroPython's; see `motekit flash`.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="A local MicroPython image.")] = None,
    pinned: Annotated[
        Path | None, typer.Option("--manifest", help="Which images there are.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Go on without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Mend a board in any state; unsent packets, identity, keys, Wi-Fi and settings are kept.

    What can be read is saved first; what is not motekit's own is replaced only once you agree. It
    says what could not be kept. `motekit doctor PORT` tells before what is wrong.

    Example: motekit rescue /dev/ttyUSB0 --store fleet.motekit
    """
    (name,) = ports.named([port])

    def give(chosen: Board) -> Release:
        return release_of(chosen, release, image, pinned)

    said = progress.Lines()

    def step(what: str) -> None:
        if not as_json:
            said.step(Step(name, what))

    def ask(question: str) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            raise UsageError(f"{question} Nobody is there to say; --yes does without")
        return typer.confirm(question, err=True)

    with ExitStack() as stack:
        opened = stack.enter_context(collecting_into(store)) if store else None
        chosen = boards.load(board) if board else None
        wishes = Wishes(out, give, ask, chosen, opened, KeyStore.load(keys), step)
        report = rescuer.rescue(name, wishes)
    _show(report, as_json=as_json)
    if report.state not in ("healthy", "mended"):
        raise LinkError(f"{name}: {report.error or 'is not mended: see above'}")


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        row = {**asdict(report), "left": [record(each) for each in report.left]}
        print(json.dumps(row, ensure_ascii=False))
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

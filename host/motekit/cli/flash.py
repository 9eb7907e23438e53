"""The command `motekit flash`."""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from motekit import board as boards
from motekit import own
from motekit.cli import dialogue, micropython, options, outcomes, progress, show
from motekit.errors import UsageError
from motekit.flasher import flash as flasher
from motekit.flasher import ports
from motekit.flasher.esptool import FAST_BAUD
from motekit.flasher.job import Job, Result
from motekit.keys import KeyStore
from motekit.provision.sparing import Sparing

_Board = Annotated[
    str, typer.Option("--board", "-b", help="What boards they are: `motekit boards`, or a file.")
]
_Erase = Annotated[
    bool, typer.Option("--erase", help="Erase all first: files, identity and unsent data.")
]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Erase without asking.")]
_Baud = Annotated[
    int,
    typer.Option("--baud", min=9600, max=2_000_000, help="Where it fails, a lower one is tried."),
]


def flash(
    names: options.Ports = None,
    all_: options.All = False,
    board: _Board = "",
    release: options.Release = None,
    image: options.Image = None,
    pinned: options.Manifest = None,
    erase: _Erase = False,
    yes: _Yes = False,
    store: options.StoreOfUnsent = None,
    discard: options.Discard = False,
    baud: _Baud = FAST_BAUD,
    drivers: options.Drivers = None,
    modules: options.Modules = None,
    as_json: options.Json = False,
) -> None:
    """Write MicroPython and the firmware onto boards, all at once, and wait until each says hello.

    A blank board gets everything; on one that was flashed before, files and identity stay and only
    what differs is written. Each is reset, which empties its queue: one of a fleet that holds
    packets which nobody has is left alone, unless --store collects them first, or --discard gives
    them up. So is a wrong chip, or one that holds something else. Boards that fail hold nobody up;
    exit code 1 names them. Doing it again is always safe.

    Example: motekit flash --all --board esp32-c3-devkitm-1
    """
    if not board:
        raise UsageError(f"--board is missing; known: {', '.join(boards.names())}, or a file")
    image_of = micropython.chosen(release, image, pinned)
    with own.taken(drivers or (), (), modules or ()):
        chosen = boards.load(board)
        wanted = ports.chosen(names, all_)
        job = Job(chosen, image_of(chosen), erase=erase, baud=baud)
        # who agrees to erase all agrees to that, too
        spare = Sparing(KeyStore.load(), store, discard=discard or (erase and not store))
        if erase and not yes:
            _ask(wanted)
        with progress.view(len(wanted), as_json=as_json) as on_step:
            done = flasher.flash(wanted, job, on_step, spare)
    show.rows(_COLUMNS, done, as_json=_record if as_json else None)
    failed = [each for each in done if each.state == "failed"]
    outcomes.fail_naming([(each.port, each.mac, each.error) for each in failed], len(done))


def _ask(wanted: Sequence[str]) -> None:
    """Have the user confirm that all is lost; UsageError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise UsageError("--erase wants to ask first and nobody is there; --yes does without")
    listed = ", ".join(wanted)
    dialogue.agree(f"Erase all on {len(wanted)} boards ({listed}): files, identity, unsent data?")


_COLUMNS: show.Columns[Result] = (
    show.Column("port", lambda each: each.port),
    show.Column("device", lambda each: each.mac),
    show.Column("chip", lambda each: each.chip, spare=2),
    show.Column("state", lambda each: each.state),
    show.Column("bytes sent", lambda each: f"{each.sent_bytes:,}", right=True, spare=1),
    show.Column("s", lambda each: f"{each.seconds:.1f}", right=True),
    show.Column("unsent", lambda each: each.unsent, spare=3),
    show.Column("firmware", lambda each: f"motefw {each.hello.firmware}" if each.hello else ""),
)


def _record(result: Result) -> Mapping[str, object]:
    return {
        "port": result.port,
        "device": result.mac,
        "chip": result.chip,
        "state": result.state,
        "sent_bytes": result.sent_bytes,
        "files": result.files,
        "seconds": result.seconds,
        "firmware": result.hello.firmware if result.hello else None,
        "name": result.hello.name if result.hello else None,
        "unsent": result.unsent,
        "error": result.error,
    }

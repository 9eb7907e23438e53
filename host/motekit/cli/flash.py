"""The command `motekit flash`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from motekit import board as boards
from motekit import own
from motekit.board import Board
from motekit.cli import progress, show
from motekit.errors import LinkError, UsageError
from motekit.flash.merged import Release
from motekit.flasher import flash as flasher
from motekit.flasher import images, manifest, ports
from motekit.flasher.esptool import FAST_BAUD
from motekit.flasher.job import Job, Result
from motekit.keys import KeyStore
from motekit.provision.sparing import Sparing

BAUDS = (9_600, 2_000_000)


def flash(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PORT",
            help="/dev/ttyUSB0, 'serial:/dev/ttyACM*', rfc2217://HOST:PORT, socket://HOST:PORT.",
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every attached USB serial port.")] = False,
    board: Annotated[
        str, typer.Option("--board", "-b", help="What boards they are: `motekit boards`.")
    ] = "",
    release: Annotated[
        str | None,
        typer.Option(help="MicroPython's release.", show_default="the newest of the manifest"),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="A local MicroPython image, in place of a release.")
    ] = None,
    pinned: Annotated[
        Path | None,
        typer.Option(
            "--manifest", help="Which images there are; `motekit firmware refresh` makes it."
        ),
    ] = None,
    erase: Annotated[
        bool, typer.Option("--erase", help="Erase all first: files, identity and unsent data.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Erase without asking.")] = False,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            "-s",
            envvar="MOTEKIT_STORE",
            help="Collect what boards hold into this store, before they are reset and lose it.",
        ),
    ] = None,
    discard: Annotated[
        bool, typer.Option("--discard", help="Give up packets that no collector has taken.")
    ] = False,
    baud: Annotated[int, typer.Option(help="Where it fails, a lower one is tried.")] = FAST_BAUD,
    drivers: Annotated[
        list[Path] | None, typer.Option("--driver", help="A driver of your own, a file.")
    ] = None,
    modules: Annotated[
        list[Path] | None, typer.Option("--module", help="Another module for the board, a file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
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
    if not BAUDS[0] <= baud <= BAUDS[1]:
        raise typer.BadParameter(f"{baud} is not in {BAUDS[0]}..{BAUDS[1]}", param_hint="--baud")
    if image and (release or pinned):
        raise UsageError("--image or --release with its manifest, not both")
    with own.taken(drivers or (), (), own.named(modules or ())):
        chosen = boards.load(board)
        wanted = _ports(names or [], all_)
        micropython = release_of(chosen, release, image, pinned)
        if erase and not yes:
            _ask(wanted)
        job = Job(chosen, micropython, erase=erase, baud=baud)
        # who agreed to erase all has agreed to that, too
        spare = Sparing(KeyStore.load(), store, discard=discard or (erase and not store))
        with progress.view(len(wanted), as_json=as_json) as on_step:
            done = flasher.flash(wanted, job, on_step, spare)
    show.rows(_COLUMNS, done, as_json=_record if as_json else None)
    failed = [each for each in done if each.state == "failed"]
    if failed:
        lines = (f"{each.port}{_of(each)}: {each.error}" for each in failed)
        raise LinkError(f"{len(failed)} of {len(done)} boards failed:\n  " + "\n  ".join(lines))


def _ports(names: Sequence[str], all_: bool) -> list[str]:
    if bool(names) == all_:
        raise UsageError("name ports, or say --all for every attached USB serial port")
    return ports.attached() if all_ else ports.named(names)


def release_of(
    board: Board, release: str | None, image: Path | None, pinned: Path | None
) -> Release:
    """Return what the options mean for a board: a local image, or a release of the manifest."""
    if image:
        return images.of_file(image, board.chip)
    path = pinned or manifest.default_path()
    entry, found = images.of_release(board.chip, release, path, tell_fetch)
    print(f"MicroPython {entry.release} for {entry.build}", file=sys.stderr)
    return found


def tell_fetch(what: str, done: int, total: int) -> None:
    """Say that an image is fetched, once, at its end."""
    if done == total:
        print(f"fetched {what}, {total:,} bytes", file=sys.stderr)


def _ask(wanted: Sequence[str]) -> None:
    """Have the user confirm that all is lost; UsageError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise UsageError("--erase wants to ask first and nobody is there; --yes does without")
    listed = ", ".join(wanted)
    typer.confirm(
        f"Erase all on {len(wanted)} boards ({listed}): files, identity, unsent data?",
        abort=True,
        err=True,
    )


def _of(result: Result) -> str:
    return f" ({result.mac})" if result.mac else ""


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

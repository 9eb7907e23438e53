"""The commands `motekit firmware build`, `refresh` and `list`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from motekit import board as boards
from motekit import bundle, own
from motekit.cli import options, say, show
from motekit.cli.micropython import tell_fetch
from motekit.errors import VmError
from motekit.flasher import images, manifest
from motekit.flasher.manifest import Entry
from motekit.sim import vm

firmware = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Firmware for boards: compile it, and say which MicroPython it runs on.\n\n"
    "Example: motekit firmware build esp32-c3-devkitm-1 --out roof",
)


@firmware.command()
def build(
    board: Annotated[
        str | None, typer.Argument(help="The board; none: compile alone, for every chip.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder to fill.")] = Path("build/firmware"),
    drivers: options.Drivers = None,
    modules: options.Modules = None,
    as_json: options.Json = False,
) -> None:
    """Compile the firmware; for a board, with its configuration, ready to be copied onto it.

    Example: motekit firmware build esp32-c3-devkitm-1 --out roof
    """
    with own.taken(drivers or (), (), modules or ()):
        if board is not None:
            chosen = boards.load(board)
            made = {chosen.chip.march: bundle.write(chosen, out)}
        else:
            made = bundle.compile_all(out, _host_march())
    for march, files in made.items():
        folder = out if board is not None else out / march
        size = sum((folder / name).stat().st_size for name in files)
        record = {"folder": str(folder), "march": march, "files": len(files), "bytes": size}
        say.out(
            json.dumps(record)
            if as_json
            else f"{folder}: {len(files)} files, {size:,} bytes, for {march}"
        )


@firmware.command()
def refresh(
    releases: Annotated[
        list[str], typer.Option("--release", help="MicroPython's release, such as 1.28.0.")
    ],
    path: options.Manifest = None,
    site: Annotated[str, typer.Option(help="Where images are fetched.")] = images.SITE,
    as_json: options.Json = False,
) -> None:
    """Fetch and check MicroPython's images of a release, and write down which they are.

    They are kept, so that boards can be flashed without a network. Put the manifest into your
    project, and all who flash from it write the same bytes.

    Example: motekit firmware refresh --release 1.28.0
    """
    found = images.refresh(path or manifest.default_path(), releases, site, tell_fetch)
    show.rows(_COLUMNS, found, as_json=asdict if as_json else None)


@firmware.command("list")
def list_(path: options.Manifest = None, as_json: options.Json = False) -> None:
    """List the MicroPython images of a manifest, and which of them are here.

    Example: motekit firmware list
    """
    found = manifest.load(path or manifest.default_path())
    show.rows(_COLUMNS, found, as_json=asdict if as_json else None)


_COLUMNS: show.Columns[Entry] = (
    show.Column("build", lambda each: each.build),
    show.Column("release", lambda each: each.release),
    show.Column("bytes", lambda each: f"{each.size:,}", right=True, spare=1),
    show.Column("here", lambda each: "yes" if images.kept(each) else "no"),
    show.Column("sha256", lambda each: each.sha256[:16], spare=2),
    show.Column("url", lambda each: each.url, fold=True, spare=3),
)


def _host_march() -> str | None:
    try:
        return vm.find().march
    except VmError:
        return None

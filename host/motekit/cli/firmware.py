"""The command `motekit firmware`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from motekit import board as boards
from motekit import bundle, own
from motekit.errors import VmError
from motekit.sim import vm


def firmware(
    board: Annotated[
        str | None, typer.Argument(help="The board; none: compile alone, for every chip.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder to fill.")] = Path("build/firmware"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    drivers: Annotated[
        list[Path] | None, typer.Option("--driver", help="A driver of your own, a file.")
    ] = None,
    modules: Annotated[
        list[Path] | None, typer.Option("--module", help="Another module for the board, a file.")
    ] = None,
) -> None:
    """Compile the firmware; for a board, with its configuration, ready to be copied onto it.

    Example: motekit firmware esp32-c3-devkitm-1 --out roof
    """
    with own.taken(drivers or (), (), own.named(modules or ())):
        if board is not None:
            chosen = boards.load(board)
            made = {chosen.chip.march: bundle.write(chosen, out)}
        else:
            made = bundle.compile_all(out, _host_march())
    for march, files in made.items():
        folder = out if board is not None else out / march
        size = sum((folder / name).stat().st_size for name in files)
        record = {"folder": str(folder), "march": march, "files": len(files), "bytes": size}
        print(
            json.dumps(record)
            if as_json
            else f"{folder}: {len(files)} files, {size:,} bytes, for {march}"
        )


def _host_march() -> str | None:
    try:
        return vm.find().march
    except VmError:
        return None

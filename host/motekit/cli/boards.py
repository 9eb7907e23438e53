"""The command `motekit boards`."""

from typing import Annotated

import typer

from motekit import board
from motekit.board import Board
from motekit.cli import options, show
from motekit.config import device_config


def boards(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Boards, or files ending in .toml to check; all known if none."),
    ] = None,
    json: options.Json = False,
) -> None:
    """List the known boards: chip, flash, buses and their pins, sensors; or check a board file.

    Example: motekit boards my-board.toml
    """
    found = [board.load(name) for name in names or board.names()]
    show.rows(_COLUMNS, found, as_json=_record if json else None)


def _buses(each: Board) -> str:
    return "; ".join(
        f"{bus.name} " + " ".join(f"{role}={pin}" for role, pin in bus.pins.items())
        for bus in each.buses.values()
    )


def _record(each: Board) -> dict[str, object]:
    return {
        **device_config(each),
        "title": each.title,
        "chip": each.chip.name,
        "flash_bytes": each.flash_bytes,
        "flash": {p.name: {"offset": p.offset, "size": p.size} for p in each.partitions},
    }


_COLUMNS: show.Columns[Board] = (
    show.Column("board", lambda each: each.name),
    show.Column("title", lambda each: each.title, spare=2),
    show.Column("chip", lambda each: each.chip.name),
    show.Column("flash", lambda each: f"{each.flash_bytes >> 20} MB", spare=1),
    show.Column("buses", _buses, fold=True),
    show.Column(
        "sensors", lambda each: ", ".join(sensor.name for sensor in each.sensors), fold=True
    ),
)

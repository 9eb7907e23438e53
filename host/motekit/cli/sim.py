"""`motekit sim`: virtual boards."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from motekit.cli import show
from motekit.errors import MotekitError
from motekit.sim import scenario as scenarios
from motekit.sim.fleet import HEAP_BYTES, Fleet
from motekit.sim.virtual_board import VirtualBoard


def sim(
    scenario: Annotated[
        Path, typer.Option(help="What the boards see and what goes wrong (TOML).")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    bits: Annotated[
        int | None, typer.Option(help="The VM's word size: 32, as a board's, or 64. [32 if there]")
    ] = None,
    heap: Annotated[int, typer.Option(help="Heap of each board, KiB.")] = HEAP_BYTES >> 10,
    keep: Annotated[
        Path | None, typer.Option(help="A folder that keeps the boards' flash from run to run.")
    ] = None,
) -> None:
    """Run a scenario's virtual boards, each on a serial port of its own, until the scenario ends.

    Example: motekit sim --scenario three-boards.toml
    """
    if bits not in (None, 32, 64):
        raise typer.BadParameter(f"{bits} is neither 32 nor 64", param_hint="--bits")
    if not 16 <= heap <= 65536:
        raise typer.BadParameter(f"{heap} is not in 16..65536", param_hint="--heap")
    asyncio.run(_run(scenarios.load(scenario), as_json, bits, heap << 10, keep))


async def _run(
    loaded: scenarios.Scenario, as_json: bool, bits: int | None, heap_bytes: int, keep: Path | None
) -> None:
    fleet = Fleet(loaded, bits=bits, heap_bytes=heap_bytes, folder=keep, on_event=_tell)
    async with fleet:
        for board in fleet.boards:
            row = {"device": board.device, "board": board.board, "serial": board.serial}
            print(json.dumps(row) if as_json else "  ".join(row.values()), flush=True)
        ports = " ".join(f"serial:{board.serial}" for board in fleet.boards)
        hint = f"{show.program()} collect {ports} --store FILE"
        print(f"runs until the scenario is over and all is collected, by: {hint}", file=sys.stderr)
        await fleet.finished()
        failed = [board for board in fleet.boards if board.crashed]
        late = [board for board in fleet.boards if board.unacked and not board.crashed]
        for board in late:
            print(f"{board.device}: {board.unacked} packets not acked by a host", file=sys.stderr)
        if failed:
            raise MotekitError("; ".join(f"{b.device}: {b.last_words()}" for b in failed))


def _tell(board: VirtualBoard, text: str) -> None:
    if text.startswith("reset"):
        print(f"{board.device}: {text}", file=sys.stderr)

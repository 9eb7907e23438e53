"""`motekit sim`: virtual boards."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from motekit import own
from motekit.cli import show
from motekit.errors import MotekitError
from motekit.sim import scenario as scenarios
from motekit.sim.fleet import Fleet
from motekit.sim.virtual_board import VirtualBoard

_PORTS_SHOWN = 4


def sim(
    scenario: Annotated[
        Path, typer.Option(help="What the boards see and what goes wrong (TOML).")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    bits: Annotated[
        int | None, typer.Option(help="The VM's word size: 32, as a board's, or 64. [32 if there]")
    ] = None,
    heap: Annotated[
        int | None, typer.Option(help="Heap of each board, KiB. [109, an ESP32's; 218 on 64 bits]")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(help="A folder that keeps the boards' flash from run to run.")
    ] = None,
    drivers: Annotated[
        list[Path] | None, typer.Option("--driver", help="A driver of your own, a file.")
    ] = None,
    models: Annotated[
        list[Path] | None, typer.Option("--model", help="The model of its chip, a file.")
    ] = None,
    modules: Annotated[
        list[Path] | None, typer.Option("--module", help="Another module for the boards, a file.")
    ] = None,
) -> None:
    """Run a scenario's virtual boards, each on a serial port of its own, until the scenario ends.

    With clock = "virtual", time starts when a collector is there, and waits for it. All keys of a
    scenario file are in the README, section "Scenario files".

    Example: motekit sim --scenario three-boards.toml
    """
    if bits not in (None, 32, 64):
        raise typer.BadParameter(f"{bits} is neither 32 nor 64", param_hint="--bits")
    if heap is not None and not 16 <= heap <= 65536:
        raise typer.BadParameter(f"{heap} is not in 16..65536", param_hint="--heap")
    heap_bytes = None if heap is None else heap << 10
    with own.taken(drivers or (), models or (), own.named(modules or ())):
        loaded = scenarios.load(scenario)
        with contextlib.suppress(KeyboardInterrupt):  # how a scenario without duration_s ends
            asyncio.run(_run(loaded, as_json, bits, heap_bytes, keep))


async def _run(
    loaded: scenarios.Scenario,
    as_json: bool,
    bits: int | None,
    heap_bytes: int | None,
    keep: Path | None,
) -> None:
    fleet = Fleet(loaded, bits=bits, heap_bytes=heap_bytes, folder=keep, on_event=_tell)
    async with fleet:
        for board in fleet.boards:
            row = {"device": board.device, "board": board.board, "serial": board.serial}
            print(json.dumps(row) if as_json else "  ".join(row.values()), flush=True)
        print(_invitation(fleet), file=sys.stderr)
        await fleet.finished()
        failed = [board for board in fleet.boards if board.crashed]
        late = [board for board in fleet.boards if board.unacked and not board.crashed]
        for board in late:
            print(
                f"{board.device}: {board.unacked} packets not acknowledged by a collector, "
                f"lost with the board's queue",
                file=sys.stderr,
            )
        if failed:
            raise MotekitError("; ".join(f"{b.device}: {b.last_words()}" for b in failed))


def _invitation(fleet: Fleet) -> str:
    """Say what to do now, and whether anything happens before."""
    ports = [f"serial:{board.serial}" for board in fleet.boards[:_PORTS_SHOWN]]
    if len(fleet.boards) > _PORTS_SHOWN:
        ports.append("...")
    what = "waiting for a collector" if fleet.scenario.clock == "virtual" else "to collect"
    return f"{what}: {show.program()} collect {' '.join(ports)} --store FILE"


def _tell(board: VirtualBoard, text: str) -> None:
    if text.startswith("reset"):
        print(f"{board.device}: {text}", file=sys.stderr)
    elif text == "alone":
        print(
            f"{board.device}: its collector is silent, so its time stands still; "
            f"waiting for a collector: "
            f"{show.program()} collect serial:{board.serial} --store FILE",
            file=sys.stderr,
        )

"""`motekit sim`: virtual boards."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from motekit import disk, own
from motekit.chips import CHIPS
from motekit.cli import show
from motekit.cli.collect import INTERRUPTED
from motekit.errors import MotekitError, UsageError
from motekit.sim import scenario as scenarios
from motekit.sim.fleet import Fleet
from motekit.sim.loader import synthetic
from motekit.sim.stepped_board import WorldBoard
from motekit.sim.virtual_board import VirtualBoard
from motekit.sim.world import World

_PORTS_SHOWN = 4


def sim(
    scenario: Annotated[
        Path, typer.Option(help="What the boards see and what goes wrong (TOML).")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    bits: Annotated[
        int | None,
        typer.Option(
            help="The VM's word size: 32, as a board's, or 64.", show_default="32 if there"
        ),
    ] = None,
    heap: Annotated[
        int | None,
        typer.Option(
            help="Heap of each board, KiB.", show_default="109, an ESP32's; 218 on 64 bits"
        ),
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
        list[Path] | None,
        typer.Option("--module", help="Another module for the boards: FILE, or NAME=FILE."),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            help='Also write a stand-in for MicroPython\'s image: boards with flash = "blank" '
            "take it in its place."
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            "-s",
            help="Collect as well, into this store: boards, lines and collector share one virtual "
            "time, and there are no serial ports.",
        ),
    ] = None,
) -> None:
    """Run a scenario's virtual boards, each on a serial port of its own, until the scenario ends.

    With clock = "virtual", time starts when a collector is there, and waits for it. With --store
    all is as fast as this machine can, and the same each time. All keys of a scenario file are in
    the README, section "Scenario files".

    Example: motekit sim --scenario three-boards.toml
    """
    if bits not in (None, 32, 64):
        raise typer.BadParameter(f"{bits} is neither 32 nor 64", param_hint="--bits")
    if heap is not None and not 16 <= heap <= 65536:
        raise typer.BadParameter(f"{heap} is not in 16..65536", param_hint="--heap")
    heap_bytes = None if heap is None else heap << 10
    with own.taken(drivers or (), models or (), own.named(modules or ())):
        loaded = scenarios.load(scenario)
        if image is not None:
            _write_stand_in(loaded, image)
        if store is not None:
            if loaded.clock == "real":
                print("with --store time is simulated, whatever clock says", file=sys.stderr)
            _collect(loaded, store, as_json, bits, heap_bytes, keep)
            return
        asyncio.run(_run(loaded, as_json, bits, heap_bytes, keep))


def _write_stand_in(loaded: scenarios.Scenario, path: Path) -> None:
    """Write an image for the chip of a scenario's blank boards; UsageError if it is not one."""
    chips = {plan.board.chip.name for plan in loaded.boards if plan.blank}
    if len(chips) != 1:
        there = f"are of {len(chips)} chips: {', '.join(sorted(chips))}" if chips else "are none"
        raise UsageError(f"--image is for the chip of the scenario's blank boards; there {there}")
    with disk.writing(path.parent, "name a file elsewhere with --image"):
        disk.replace(path, synthetic.release(CHIPS[chips.pop()]))


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
        _end(fleet.boards)


def _collect(
    loaded: scenarios.Scenario,
    store: Path,
    as_json: bool,
    bits: int | None,
    heap_bytes: int | None,
    keep: Path | None,
) -> None:
    with World(
        loaded, bits=bits, heap_bytes=heap_bytes, store=store, folder=keep, on_event=_tell
    ) as world:
        for board in world.boards:
            row = {"device": board.device, "board": board.board, "serial": None}
            print(json.dumps(row) if as_json else f"{board.device}  {board.board}", flush=True)
        began = time.monotonic()
        interrupted = False
        try:
            world.run()
        except KeyboardInterrupt:
            interrupted = True
        took_s = time.monotonic() - began
        streams = [s for device in world.store.summary().devices for s in device.streams]
        print(
            f"{sum(s.samples for s in streams):,} samples in "
            f"{sum(s.packets for s in streams):,} packets of {len(world.boards)} boards, "
            f"{world.now_s:,.0f} s in {took_s:.1f} s, in {store}",
            file=sys.stderr,
        )
        if interrupted:
            raise typer.Exit(INTERRUPTED)
        _end(world.boards)
        if silent := world.silent():
            told = [f"{b.device}: nothing of it arrived; it printed: {b.words()}" for b in silent]
            raise MotekitError("; ".join(told))


def _end(boards: Sequence[VirtualBoard | WorldBoard]) -> None:
    """Say what was not collected; MotekitError if a board crashed."""
    for board in boards:
        if board.unacked and not board.crashed:
            print(
                f"{board.device}: {board.unacked} packets not acknowledged by a collector, "
                f"lost with the board's queue",
                file=sys.stderr,
            )
    if failed := [board for board in boards if board.crashed]:
        raise MotekitError("; ".join(f"{b.device}: {b.last_words()}" for b in failed))


def _invitation(fleet: Fleet) -> str:
    """Say what to do now, and whether anything happens before."""
    ports = [f"serial:{board.serial}" for board in fleet.boards[:_PORTS_SHOWN]]
    if len(fleet.boards) > _PORTS_SHOWN:
        ports.append("...")
    blank = next((plan for plan in fleet.scenario.boards if plan.blank), None)
    if blank is not None:
        names = " ".join(port.removeprefix("serial:") for port in ports)
        return f"to flash: {show.program()} flash {names} --board {blank.board.name} --image FILE"
    what = "waiting for a collector" if fleet.scenario.clock == "virtual" else "to collect"
    return f"{what}: {show.program()} collect {' '.join(ports)} --store FILE"


def _tell(board: VirtualBoard | WorldBoard, text: str) -> None:
    if text.startswith(("reset", "replay")):
        print(f"{board.device}: {text}", file=sys.stderr)
    elif text == "alone" and isinstance(board, VirtualBoard):
        print(
            f"{board.device}: its collector is silent, so its time stands still; "
            f"waiting for a collector: "
            f"{show.program()} collect serial:{board.serial} --store FILE",
            file=sys.stderr,
        )

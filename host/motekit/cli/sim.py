"""`motekit sim`: virtual boards."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from motekit import disk, own
from motekit.chips import CHIPS
from motekit.cli import INTERRUPTED, options, say, show
from motekit.errors import MotekitError, ScenarioError, UsageError
from motekit.sim import scenario as scenarios
from motekit.sim.fleet import Fleet
from motekit.sim.loader import synthetic
from motekit.sim.stepped_board import WorldBoard
from motekit.sim.virtual_board import VirtualBoard
from motekit.sim.world import World

_PORTS_SHOWN = 4


_Scenario = Annotated[
    Path, typer.Option("--scenario", help="What the boards see and what goes wrong (TOML).")
]
_Bits = Annotated[
    int | None,
    typer.Option(
        "--bits", help="The VM's word size: 32, as a board's, or 64.", show_default="32 if there"
    ),
]
_Heap = Annotated[
    int | None,
    typer.Option(
        "--heap",
        min=16,
        max=65536,
        help="Heap of each board, KiB.",
        show_default="109, an ESP32's; 218 on 64 bits",
    ),
]
_Keep = Annotated[
    Path | None,
    typer.Option("--keep", help="A folder that keeps the boards' flash from run to run."),
]
_Models = Annotated[
    list[Path] | None, typer.Option("--model", help="The model of its chip, a file.")
]
_Image = Annotated[
    Path | None,
    typer.Option(
        "--image",
        help='Also write a stand-in for MicroPython\'s image: boards with flash = "blank" take it '
        "in its place.",
    ),
]
_Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        "-s",
        help="Collect as well, into this store: boards, lines and collector share one virtual "
        "time, and there are no serial ports.",
    ),
]


def sim(
    scenario: _Scenario,
    as_json: options.Json = False,
    bits: _Bits = None,
    heap: _Heap = None,
    keep: _Keep = None,
    drivers: options.Drivers = None,
    models: _Models = None,
    modules: options.Modules = None,
    image: _Image = None,
    store: _Store = None,
) -> None:
    """Run a scenario's virtual boards, each on a serial port of its own, until the scenario ends.

    With clock = "virtual", time starts when a collector is there, and waits for it. With --store
    all is as fast as this machine can, and the same each time. All keys of a scenario file are in
    the README, section "Scenario files".

    Example: motekit sim --scenario three-boards.toml
    """
    if bits not in (None, 32, 64):
        raise typer.BadParameter(f"{bits} is neither 32 nor 64", param_hint="--bits")
    with own.taken(drivers or (), models or (), modules or ()):
        loaded = scenarios.load(scenario)
        if image is not None:
            _write_stand_in(loaded, image)
        wanted = _Wanted(loaded, bits, None if heap is None else heap << 10, keep)
        if store is None:
            asyncio.run(_run(wanted, as_json=as_json))
        else:
            if loaded.clock == "real":
                say.err("with --store time is simulated, whatever clock says")
            _collect(wanted, store, as_json=as_json)


class _Wanted(NamedTuple):
    """What is simulated, and on which VMs."""

    scenario: scenarios.Scenario
    bits: int | None
    heap_bytes: int | None
    folder: Path | None


def _write_stand_in(loaded: scenarios.Scenario, path: Path) -> None:
    """Write an image for the chip of a scenario's blank boards; UsageError if it is not one."""
    chips = {plan.board.chip.name for plan in loaded.boards if plan.blank}
    if len(chips) != 1:
        there = f"are of {len(chips)} chips: {', '.join(sorted(chips))}" if chips else "are none"
        raise UsageError(f"--image is for the chip of the scenario's blank boards; there {there}")
    with disk.writing(path.parent, "name a file elsewhere with --image"):
        disk.replace(path, synthetic.release(CHIPS[chips.pop()]))


async def _run(wanted: _Wanted, *, as_json: bool) -> None:
    fleet = Fleet(
        wanted.scenario,
        bits=wanted.bits,
        heap_bytes=wanted.heap_bytes,
        folder=wanted.folder,
        on_event=_tell,
    )
    async with fleet:
        for board in fleet.boards:
            row = {"device": board.device, "board": board.board, "serial": board.serial}
            say.out(json.dumps(row) if as_json else "  ".join(row.values()))
        say.err(_invitation(fleet))
        await fleet.finished()
        _end(fleet.boards)


def _list(world: World, *, as_json: bool) -> None:
    """Print the boards; where nobody takes that the store is made all the same."""
    try:
        for board in world.boards:
            row = {"device": board.device, "board": board.board, "serial": None}
            say.out(json.dumps(row) if as_json else f"{board.device}  {board.board}")
    except BrokenPipeError:
        say.no_more()
    except OSError as e:
        say.no_more()
        say.err(f"standard output: {e.strerror or e}; the boards are not listed")


def _collect(wanted: _Wanted, store: Path, *, as_json: bool) -> None:
    if wanted.scenario.duration_s is None:
        raise ScenarioError("duration_s: missing, so the scenario has no end to run to")
    world = World(
        wanted.scenario,
        bits=wanted.bits,
        heap_bytes=wanted.heap_bytes,
        store=store,
        folder=wanted.folder,
        on_event=_tell,
    )
    with world:
        _list(world, as_json=as_json)
        began = time.monotonic()
        interrupted = False
        try:
            world.run()
        except KeyboardInterrupt:
            interrupted = True
        say.err(f"{_total(world, time.monotonic() - began)}, in {store}")
        if interrupted:
            raise typer.Exit(INTERRUPTED)
        _end(world.boards)
        if silent := world.silent():
            told = [f"{b.device}: nothing of it arrived; it printed: {b.words()}" for b in silent]
            raise MotekitError("; ".join(told))


def _total(world: World, took_s: float) -> str:
    """Say how much was collected, and how quickly."""
    streams = [s for device in world.store.summary().devices for s in device.streams]
    return (
        f"{sum(s.samples for s in streams):,} samples in "
        f"{sum(s.packets for s in streams):,} packets of {len(world.boards)} boards, "
        f"{world.now_s:,.0f} s in {took_s:.1f} s"
    )


def _end(boards: Sequence[VirtualBoard | WorldBoard]) -> None:
    """Say what was not collected; MotekitError if a board crashed."""
    for board in boards:
        if board.unacked and not board.crashed:
            say.err(
                f"{board.device}: {board.unacked} packets not acknowledged by a collector, "
                f"lost with the board's queue"
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
    if text.startswith(("reset", "replay", "stuck")):
        say.err(f"{board.device}: {text}")
    elif text == "alone" and isinstance(board, VirtualBoard):
        say.err(
            f"{board.device}: its collector is silent, so its time stands still; "
            f"waiting for a collector: "
            f"{show.program()} collect serial:{board.serial} --store FILE"
        )

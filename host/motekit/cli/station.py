"""The command `motekit station`."""

import contextlib
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace as replaced
from pathlib import Path
from typing import Annotated

import typer

from motekit import own
from motekit import plan as plans
from motekit.board import Board
from motekit.cli.flash import release_of
from motekit.cli.station_view import View, interrupts, view
from motekit.errors import LinkError, UsageError
from motekit.flasher.job import Job
from motekit.keys import KeyStore
from motekit.provision.records import Records
from motekit.provision.sparing import Sparing
from motekit.station.desk import ENDS, Slot
from motekit.station.journal import Journal
from motekit.station.labels import Labels
from motekit.station.run import Event, Station
from motekit.station.visit import Step
from motekit.station.watch import Watch
from motekit.station.work import Work, jobs_of

AT_ONCE = (1, 64)


def station(
    plan: Annotated[Path, typer.Argument(help="What boards shall become: TOML or CSV.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PORT",
            help="Ports and patterns, as of `motekit flash`; none: every USB serial port.",
        ),
    ] = None,
    until_done: Annotated[
        bool,
        typer.Option("--until-done", help="End when each board that is there has a verdict."),
    ] = False,
    release: Annotated[
        str | None, typer.Option(help="MicroPython's release; else the newest of the manifest.")
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="A local MicroPython image, in place of a release.")
    ] = None,
    pinned: Annotated[
        Path | None, typer.Option("--manifest", help="Which images there are.")
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option(help="Which board has which role; else a file in your data folder."),
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="The fleet's key store; else $MOTEKIT_KEYS, else yours.")
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(help="What this station has done; else a file beside the records."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="A folder for each board's label, as SVG and PNG.")
    ] = None,
    font: Annotated[
        Path | None, typer.Option(help="A TrueType font, for labels beyond Latin letters.")
    ] = None,
    command: Annotated[
        str,
        typer.Option("--print", help="Prints a label: its PNG is added to this, as in 'lp -d X'."),
    ] = "",
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Erase boards that hold something else, too."),
    ] = False,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            "-s",
            envvar="MOTEKIT_STORE",
            help="Collect what boards hold from before they were plugged in into this store.",
        ),
    ] = None,
    discard: Annotated[
        bool, typer.Option("--discard", help="Give up packets that no collector has taken.")
    ] = False,
    drivers: Annotated[
        list[Path] | None, typer.Option("--driver", help="A driver of your own, a file.")
    ] = None,
    modules: Annotated[
        list[Path] | None, typer.Option("--module", help="Another module for the boards, a file.")
    ] = None,
    at_once: Annotated[int, typer.Option(help="So many boards at once.")] = 16,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Flash, provision, prove and label each board that is plugged in, by itself, all day.

    The screen says PASS or FAIL and why, to be read from two metres. Boards may be pulled at any
    moment, and this program may crash: what was begun is finished when the board is seen again;
    none is provisioned twice, and no two alike. Ctrl-C ends when no board is in the middle; a
    second one at once. With --until-done, exit code 1 names the boards that failed.

    Example: motekit station fleet.toml
    """
    if not AT_ONCE[0] <= at_once <= AT_ONCE[1]:
        raise typer.BadParameter(
            f"{at_once} is not in {AT_ONCE[0]}..{AT_ONCE[1]}", param_hint="--at-once"
        )
    if image and (release or pinned):
        raise UsageError("--image or --release with its manifest, not both")
    if (command or font) and not labels:
        raise UsageError("--print and --font are for labels: name a folder for them with --labels")

    def job(board: Board) -> Job:
        return Job(board, release_of(board, release, image, pinned), replace=replace)

    with own.taken(drivers or (), (), own.named(modules or ())):
        loaded = plans.load(plan)
        for warning in loaded.warnings:
            print(warning, file=sys.stderr)
        watch = Watch(names or ["serial:*"])
        there = _there(watch, names) if until_done else []
        given, key_store = Records(records), KeyStore.load(keys)
        jobs = jobs_of(loaded, job)
        label = Labels(loaded, labels, font, command) if labels else _none
        with Journal(journal or given.path.with_suffix(".station.jsonl")) as opened:
            steps = Work(
                loaded,
                jobs,
                keys=key_store,
                records=given,
                journal=opened,
                label=label,
                spare=Sparing(key_store, store, discard=discard),
            ).steps()
            shown = view(opened, f"{loaded.fleet}  {plan.name}", as_json=as_json)
            _serve(steps, opened, watch, shown, at_once, there)


def _none(_: object) -> None:
    """Make no label."""


def _there(watch: Watch, names: list[str] | None) -> list[str]:
    """Return the ports that are there; LinkError if one is not that was named."""
    found = watch.look()
    missing = [port for port in watch.explicit if port not in found]
    if missing or not found:
        raise LinkError(f"{', '.join(missing or names or ['serial:*'])}: no such port")
    return list(found)


def _serve(
    steps: Sequence[Step],
    journal: Journal,
    watch: Watch,
    shown: View,
    at_once: int,
    there: Sequence[str],
) -> None:
    """Serve boards; if ports are `there`, until each has a verdict: LinkError names fails."""
    ended: dict[str, Slot] = {}

    def hear(event: Event) -> None:
        slot = event.slot
        if event.what in ENDS:
            ended[slot.port] = slot
        elif event.what == "unplugged" and slot.state == "waiting":
            ended[slot.port] = replaced(slot, state="pulled", why="pulled before its turn came")
        shown.event(event)

    if begun := [each.device for each in journal.unfinished()]:
        shown.note(f"begun, not finished: {', '.join(begun)}; finished once plugged in")
    station = Station(steps, journal, watch.look, at_once=at_once, on_event=hear)
    handler = interrupts(shown, lambda now: station.stop(at_once=now))
    with shown, _handled(handler):
        station.run(
            lambda _: bool(there) and set(there) <= set(ended), lambda: shown.tick(station.desk)
        )
        shown.end()
    failed = [each for each in ended.values() if each.state in ("failed", "pulled")]
    if there and failed:
        lines = (f"{each.port}{_of(each)}: {each.why}" for each in failed)
        raise LinkError(f"{len(failed)} of {len(ended)} boards failed:\n  " + "\n  ".join(lines))


def _of(slot: Slot) -> str:
    return f" ({slot.device})" if slot.device else ""


@contextlib.contextmanager
def _handled(handler: Callable[[int, object], None]) -> Generator[None]:
    """Have Ctrl-C, and who ends this program or its terminal, end it as it should end."""
    wanted = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP"):
        wanted.append(signal.SIGHUP)
    before = {number: signal.signal(number, handler) for number in wanted}
    try:
        yield
    finally:
        for number, kept in before.items():
            signal.signal(number, kept)

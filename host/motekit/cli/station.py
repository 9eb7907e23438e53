"""The command `motekit station`."""

import contextlib
import signal
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace as replaced
from pathlib import Path
from typing import Annotated

import typer

from motekit import own
from motekit.cli import micropython, options, outcomes, plan_file
from motekit.cli.station_view import Interrupts, View, view
from motekit.errors import LinkError, UsageError
from motekit.flasher.job import Job
from motekit.keys import KeyStore
from motekit.plan import Plan
from motekit.provision import Outcome, Records
from motekit.provision.sparing import Sparing
from motekit.station.desk import ENDS, Slot
from motekit.station.journal import Journal
from motekit.station.labels import Labels
from motekit.station.run import Event, Station
from motekit.station.visit import Step
from motekit.station.watch import Watch
from motekit.station.work import Work, jobs_of

_EVERY_PORT = "serial:*"
_Ports = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PORT",
        help="Ports and patterns, as of `motekit flash`; none: every USB serial port.",
    ),
]
_UntilDone = Annotated[
    bool, typer.Option("--until-done", help="End when each board that is there has a verdict.")
]
_Journal = Annotated[
    Path | None,
    typer.Option(
        "--journal", help="What this station has done.", show_default="a file beside the records"
    ),
]
_Print = Annotated[
    str,
    typer.Option("--print", help="Prints a label: its PNG is added to this, as in 'lp -d X'."),
]
_Replace = Annotated[
    bool, typer.Option("--replace", help="Erase boards that hold something else, too.")
]
_AtOnce = Annotated[int, typer.Option("--at-once", min=1, max=64, help="So many boards at once.")]


def station(
    plan: options.Plan,
    names: _Ports = None,
    until_done: _UntilDone = False,
    release: options.Release = None,
    image: options.Image = None,
    pinned: options.Manifest = None,
    records: options.Records = None,
    keys: options.Keys = None,
    journal: _Journal = None,
    labels: options.Labels = None,
    font: options.Font = None,
    command: _Print = "",
    replace: _Replace = False,
    store: options.StoreOfUnsent = None,
    discard: options.Discard = False,
    drivers: options.Drivers = None,
    modules: options.Modules = None,
    at_once: _AtOnce = 16,
    as_json: options.Json = False,
) -> None:
    """Flash, provision, prove and label each board that is plugged in, by itself, all day.

    The screen says PASS or FAIL and why, to be read from two metres. Boards may be pulled at any
    moment, and this program may crash: what was begun is finished when the board is seen again;
    none is provisioned twice, and no two alike. Ctrl-C ends when no board is in the middle; a
    second one at once. With --until-done, exit code 1 names the boards that failed.

    Example: motekit station fleet.toml
    """
    image_of = micropython.chosen(release, image, pinned)
    with own.taken(drivers or (), (), modules or ()):
        loaded = plan_file.load(plan)
        watch, there = _watch(names or [_EVERY_PORT], until_done=until_done)
        book, key_store = Records(records), KeyStore.load(keys)
        jobs = jobs_of(loaded, lambda board: Job(board, image_of(board), replace=replace))
        label = _label(loaded, labels, font, command)
        with Journal(journal or book.path.with_suffix(".station.jsonl")) as opened:
            work = Work(
                *(loaded, jobs),
                keys=key_store,
                records=book,
                journal=opened,
                label=label,
                spare=Sparing(key_store, store, discard=discard),
            )
            shown = view(opened, f"{loaded.fleet}  {plan.name}", as_json=as_json)
            _serve(work.steps(), opened, watch, shown, at_once, there)


def _label(
    plan: Plan, folder: Path | None, font: Path | None, command: str
) -> Callable[[Outcome], None]:
    """Return what makes a board's label; nothing, where no folder is named for them."""
    if folder is not None:
        return Labels(plan, folder, font, command)
    if command or font:
        raise UsageError("--print and --font are for labels: name a folder for them with --labels")
    return lambda _: None


def _watch(names: list[str], *, until_done: bool) -> tuple[Watch, list[str]]:
    """Return what watches the ports, and those that must have a verdict before the station ends.

    LinkError if there is to be an end, and a port is not there that was named.
    """
    watch = Watch(names)
    if not until_done:
        return watch, []
    found = watch.look()
    missing = [port for port in watch.explicit if port not in found]
    if missing or not found:
        raise LinkError(f"{', '.join(missing or names)}: no such port")
    return watch, list(found)


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
    interrupts = Interrupts(shown, lambda now: station.stop(at_once=now))

    def tick() -> None:
        interrupts.act()
        shown.tick(station.desk)

    with shown, _handled(interrupts.handle):
        station.run(lambda _: bool(there) and set(there) <= set(ended), tick)
        shown.end()
    if there:
        failed = [each for each in ended.values() if each.state in ("failed", "pulled")]
        why = [(each.port, each.device, each.why) for each in failed]
        pulled = sum(each.state == "pulled" for each in failed)
        said = f"failed, {pulled} of them pulled" if pulled else "failed"
        outcomes.fail_naming(why, len(ended), said)


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

"""The whole chain on one machine: virtual boards, their serial lines, a collector, a store."""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from motekit import places
from motekit.collector import Collector
from motekit.collector.hub import Notice
from motekit.errors import StoreError
from motekit.keys import Host, KeyStore
from motekit.sim import fleet, scenario
from motekit.sim.fleet import Fleet
from motekit.sim.scenario import Scenario
from motekit.store import Store, Summary, remove
from motekit.transports import serial

SCENARIO = Path(__file__).parent / "sim" / "demo.toml"


@dataclass(frozen=True)
class Flow:
    """What one stream of one board has brought."""

    board: str
    stream: str
    samples: int
    channels: int
    bytes_per_sample: float


@dataclass(frozen=True)
class Outcome:
    """What a run left behind; packets are counted with their headers and tags."""

    samples: int
    packets: int
    bytes: int
    gaps: int  # samples that a sensor lost and packets that never came
    unacked: int  # packets that boards still held when the scenario ended

    @property
    def bytes_per_sample(self) -> float:
        """Return what one sample of all its channels took on the wire and in the store."""
        return self.bytes / self.samples if self.samples else 0.0


class Demo:
    """Boards that run and a collector that waits for `run`."""

    def __init__(self, boards: Fleet, store: Store, report: Callable[[Notice], None]) -> None:
        self.boards = boards
        self.store = store
        lines = [serial.make(board.serial) for board in boards.boards]
        host = Host(places.made() / "demo-host.json")
        self.collector = Collector(store, lines, KeyStore.empty(), host, report)

    def run(self, tick: Callable[[], None]) -> None:
        """Collect until the scenario has ended and all is acknowledged; tick twice a second."""

        def look() -> None:
            tick()
            if all(board.done.is_set() for board in self.boards.boards):
                self.collector.stop()

        self.collector.run(tick=look)

    def streams(self) -> list[Flow]:
        """Return what each stream has brought, board after board by name."""
        names = {each.device: each.name or each.board for each in self.collector.live.rows()}
        flows = [
            Flow(
                board=names.get(device.device, device.device),
                stream=stream.name,
                samples=stream.samples,
                channels=(stream.values or 0) // stream.samples,
                bytes_per_sample=stream.bytes / stream.samples,
            )
            for device in self.store.summary().devices
            for stream in device.streams
            if stream.samples
        ]
        return sorted(flows, key=lambda flow: flow.board)

    def outcome(self) -> Outcome:
        """Return what came, and what did not."""
        summary: Summary = self.store.summary()
        streams = [stream for device in summary.devices for stream in device.streams]
        missing = sum(each.missing + each.lost + each.cut_off for each in summary.devices)
        return Outcome(
            samples=sum(stream.samples for stream in streams),
            packets=sum(stream.packets for stream in streams),
            bytes=sum(stream.bytes for stream in streams),
            gaps=missing + sum(each.gaps for each in self.collector.live.rows()),
            unacked=sum(board.unacked for board in self.boards.boards),
        )


def store_path() -> Path:
    """Return where the demonstration keeps what it collects."""
    return places.made() / "demo.motekit"


@contextlib.contextmanager
def running(
    path: Path, report: Callable[[Notice], None], plan: Path = SCENARIO
) -> Generator[Demo]:
    """Start a scenario's boards beside a new store, which replaces that of an earlier run alone.

    Raises StoreError for a path where anything else is, and leaves that as it is.
    """
    loaded = scenario.load(plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    _make_room(path, loaded)
    with (
        fleet.running(loaded) as boards,
        Store.open(path, create=True) as store,
    ):
        yield Demo(boards, store, report)


def _make_room(path: Path, plan: Scenario) -> None:
    """Remove an earlier run's store: one that knows no other devices than the plan's own."""
    mine = {board.device for board in plan.boards}

    def made_by_a_run(store: Store) -> bool:
        strange = (each.device for each in store.quarantined())
        return mine.issuperset(store.devices()) and mine.issuperset(strange)

    if not path.exists():
        return
    try:
        remove(path, made_by_a_run)
    except StoreError as e:
        raise StoreError(
            f"{e}. The demonstration replaces only what an earlier one made, and left this "
            "untouched; name a new file with --store, or remove this one yourself"
        ) from None

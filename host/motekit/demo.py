"""The whole chain on one machine: virtual boards, their serial lines, a collector, a store."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from motekit.collector import Collector
from motekit.keys import Host, KeyStore
from motekit.live import LiveBoard
from motekit.session import Notice
from motekit.sim import fleet, places, scenario
from motekit.store import Store, Summary
from motekit.transports import serial

SCENARIO = Path(__file__).parent / "sim" / "demo.toml"


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    store: Path
    summary: Summary
    boards: list[LiveBoard]
    unacked: int  # packets that boards still held when the scenario ended
    interrupted: bool

    @property
    def gaps(self) -> int:
        """Everything that is missing: samples that a sensor lost, packets that never came."""
        packets = sum(d.missing + d.lost + d.cut_off for d in self.summary.devices)
        return packets + sum(board.gaps + board.lost_packets for board in self.boards)


def store_path() -> Path:
    """Return where the demonstration keeps what it collects."""
    return places.made() / "demo.motekit"


def run(
    store: Path,
    tick: Callable[[list[LiveBoard]], None],
    report: Callable[[Notice], None],
    plan: Path = SCENARIO,
) -> Outcome:
    """Run a scenario's boards and collect from them until it ends, or until Ctrl-C.

    A store of an earlier run is replaced. `tick` gets all boards twice a second.
    """
    loaded = scenario.load(plan)
    _remove(store)
    store.parent.mkdir(parents=True, exist_ok=True)
    interrupted = False
    with fleet.running(loaded) as boards, Store.open(store, create=True) as opened:
        lines = [serial.make(board.serial) for board in boards.boards]
        host = Host(store.with_name("demo-host.json"))
        collector = Collector(opened, lines, KeyStore.empty(), host, report)

        def look() -> None:
            tick(collector.live.rows())
            if all(board.done.is_set() for board in boards.boards):
                collector.stop()

        try:
            collector.run(tick=look)
        except KeyboardInterrupt:
            interrupted = True
        tick(collector.live.rows())
        return Outcome(
            store=store,
            summary=opened.summary(),
            boards=collector.live.rows(),
            unacked=sum(board.unacked for board in boards.boards),
            interrupted=interrupted,
        )


def _remove(store: Path) -> None:
    """Remove a store with what SQLite keeps beside it."""
    for path in store.parent.glob(store.name + "*"):
        path.unlink()

"""What collecting looks like: a table that lives on a terminal, plain lines in a pipe, or JSON."""

import time
from typing import Any, Self

from rich.console import Console
from rich.live import Live as LiveDisplay

from motekit.cli import say
from motekit.cli.live_table import LiveTable
from motekit.collector import Collector
from motekit.collector.hub import Notice
from motekit.plain import plain
from motekit.store import Store

PLAIN_EVERY_S = 5.0


class View:
    """What collecting looks like: results to stdout, talk to stderr."""

    def __init__(self, store: Store, *, as_json: bool, verbose: bool) -> None:
        self._table = LiveTable(store)
        self._store = store
        self._json = as_json
        self._verbose = verbose
        self._said_at = time.monotonic()
        self._said: list[str] = []
        self._console = Console()
        self._live: LiveDisplay | None = None
        if self._console.is_terminal and not as_json:
            self._live = LiveDisplay(console=self._console, auto_refresh=False)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def notice(self, notice: Notice) -> None:
        """Say what a session has to say."""
        if notice.kind == "log" and not self._verbose:
            return
        if self._json:
            self._print(notice._asdict())
            return
        text = f"{notice.port}: {notice.text}"
        if self._live:
            self._console.print(plain(text), markup=False, highlight=False)
        else:
            say.err(text)

    def tick(self, collector: Collector) -> None:
        """Show all boards: always anew on a terminal, now and then elsewhere."""
        rows = collector.live.rows()
        if self._live:
            self._live.update(self._table.table(rows), refresh=True)
        elif time.monotonic() - self._said_at >= PLAIN_EVERY_S:
            self._say(collector)

    def _say(self, collector: Collector, *, ending: bool = False) -> None:
        self._said_at = time.monotonic()
        rows = collector.live.rows()
        if self._json:
            for board in rows:
                self._print({"kind": "board", **self._table.record(board)})
        else:
            lines = self._table.lines(rows)
            if ending or lines != self._said:
                say.out("".join(f"{line}\n" for line in lines), end="")
            self._said = lines

    def end(self, collector: Collector) -> None:
        """Print how it ended."""
        rows = collector.live.rows()
        if self._live:
            self._live.update(self._table.table(rows))
            self._live.stop()  # what it shows last stays
        else:
            self._say(collector, ending=True)
        total = {
            "boards": len(rows),
            "packets": sum(board.packets for board in rows),
            "samples": sum(board.samples for board in rows),
            "gaps": sum(board.gaps + board.lost_packets for board in rows),
            "missing": self._missing({board.device for board in rows}),
            "store": str(self._store.path),
        }
        if self._json:
            self._print({"kind": "end", **total})
        else:
            missing = f", {total['missing']} packets missing" if total["missing"] else ""
            say.err(
                f"{total['samples']:,} samples in {total['packets']:,} packets of "
                f"{total['boards']} boards, {total['gaps']} gaps{missing}, in {total['store']}"
            )

    def _missing(self, devices: set[str]) -> int:
        """Return how many packets of these devices, of all runs, others show to exist."""
        summary = self._store.summary()
        return sum(each.missing for each in summary.devices if each.device in devices)

    def _print(self, value: dict[str, Any]) -> None:
        say.json_line(value)

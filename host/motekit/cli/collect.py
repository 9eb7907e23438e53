"""The command `motekit collect`."""

import contextlib
import json
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Self

import typer
from rich.console import Console
from rich.live import Live as LiveDisplay

from motekit.cli.live_table import LiveTable
from motekit.collector import Collector, Limits
from motekit.keys import Host, KeyStore
from motekit.query import store_path
from motekit.session import Notice
from motekit.store import Store, collecting_into
from motekit.transports import transport
from motekit.transports.replay import Recorder

PLAIN_EVERY_S = 5.0
INTERRUPTED = 130  # as every command that Ctrl-C ends
WAITING = "nothing is attached yet; waiting for boards until Ctrl-C"


def collect(
    urls: Annotated[
        list[str] | None,
        typer.Argument(
            help="serial:/dev/ttyUSB0, serial:* (every USB port, also those plugged in later), "
            "a plain port name, or replay:FILE.",
            show_default="serial:*",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store", "-s", help="The store; made if there is none.", envvar="MOTEKIT_STORE"
        ),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            help="A JSON file with the keys of provisioned boards; other boards need none.",
            show_default="$MOTEKIT_KEYS, or keys.json in your configuration",
        ),
    ] = None,
    for_s: Annotated[
        float | None, typer.Option("--for", min=0, help="End after so many seconds.")
    ] = None,
    until_idle_s: Annotated[
        float | None,
        typer.Option("--until-idle", min=0, help="End when nothing new came for so many seconds."),
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Also write all packets as they came, for replay:FILE.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what the boards print.")
    ] = False,
) -> None:
    """Collect from boards into a store until Ctrl-C: each sample once, whatever happens.

    Example: motekit collect 'serial:*' --store fleet.motekit
    """
    sources = [transport(url) for url in urls or ["serial:*"]]
    key_store = KeyStore.load(keys)
    with collecting_into(store_path(store)) as opened:
        view = View(opened, as_json=as_json, verbose=verbose)
        recorder = Recorder(record) if record else None
        collector = Collector(opened, sources, key_store, Host(), view.notice, recorder)

        def stop(_number: int, _frame: object) -> None:
            collector.stop()

        signal.signal(signal.SIGTERM, stop)
        if not any(source.find() for source in sources):
            view.notice(Notice("waiting", ", ".join(urls or ["serial:*"]), None, WAITING))
        interrupted = True
        with view:
            with contextlib.suppress(KeyboardInterrupt):
                collector.run(Limits(for_s, until_idle_s), lambda: view.tick(collector))
                interrupted = False
            view.end(collector)
    if interrupted:
        raise typer.Exit(INTERRUPTED)


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
            self._console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

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
                print(*lines, sep="\n", end="\n" if lines else "", flush=True)
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
            print(
                f"{total['samples']:,} samples in {total['packets']:,} packets of "
                f"{total['boards']} boards, {total['gaps']} gaps{missing}, in {total['store']}",
                file=sys.stderr,
            )

    def _missing(self, devices: set[str]) -> int:
        """Return how many packets of these devices, of all runs, others show to exist."""
        summary = self._store.summary()
        return sum(each.missing for each in summary.devices if each.device in devices)

    def _print(self, value: dict[str, Any]) -> None:
        print(json.dumps(value, ensure_ascii=False), flush=True)

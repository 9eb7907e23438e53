"""The command `motekit collect`."""

import contextlib
import signal
from pathlib import Path
from typing import Annotated

import typer

from motekit.cli import INTERRUPTED, options
from motekit.cli.collect_view import View
from motekit.collector import Collector, Limits
from motekit.collector.hub import Notice
from motekit.keys import Host, KeyStore
from motekit.query import store_path
from motekit.store import collecting_into
from motekit.transports import transport
from motekit.transports.replay import Recorder

_EVERY_PORT = "serial:*"
_WAITING = "nothing is attached yet; waiting for boards until Ctrl-C"
_Urls = Annotated[
    list[str] | None,
    typer.Argument(
        help="serial:/dev/ttyUSB0, serial:* (every USB port, also those plugged in later), "
        "a plain port name, or replay:FILE.",
        show_default=_EVERY_PORT,
    ),
]
_UntilIdle = Annotated[
    float | None,
    typer.Option("--until-idle", min=0, help="End when nothing new came for so many seconds."),
]
_Record = Annotated[
    Path | None,
    typer.Option("--record", help="Also write all packets as they came, for replay:FILE."),
]


def collect(
    urls: _Urls = None,
    store: options.StoreToFill = None,
    keys: options.KeysIfAny = None,
    for_s: options.For = None,
    until_idle_s: _UntilIdle = None,
    record: _Record = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Collect from boards into a store until Ctrl-C: each sample once, whatever happens.

    Example: motekit collect 'serial:*' --store fleet.motekit
    """
    wanted = urls or [_EVERY_PORT]
    sources = [transport(url) for url in wanted]
    key_store = KeyStore.load(keys)
    with collecting_into(store_path(store)) as opened:
        view = View(opened, as_json=as_json, verbose=verbose)
        recorder = Recorder(record) if record else None
        collector = Collector(opened, sources, key_store, Host(), view.notice, recorder)
        signal.signal(signal.SIGTERM, lambda _number, _frame: collector.stop())
        if not any(source.find() for source in sources):
            view.notice(Notice("waiting", ", ".join(wanted), None, _WAITING))
        interrupted = True
        with view:
            with contextlib.suppress(KeyboardInterrupt):
                collector.run(Limits(for_s, until_idle_s), lambda: view.tick(collector))
                interrupted = False
            view.end(collector)
    if interrupted:
        raise typer.Exit(INTERRUPTED)

"""The command `motekit record`."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from motekit.cli import options, say
from motekit.clock import SYSTEM
from motekit.collector import Collector
from motekit.collector.hub import Notice
from motekit.keys import Host, KeyStore
from motekit.recording.recorder import PACKETS_FILE, SCENARIO_FILE, STORE_FILE, BusRecorder, Result
from motekit.store import collecting_into
from motekit.transports import Transport, transport
from motekit.transports.replay import Recorder

_Port = Annotated[str, typer.Argument(help="The board: serial:/dev/ttyUSB0, or a port name.")]
_Out = Annotated[Path, typer.Option("--out", help="The folder to make.")]
_For = Annotated[int, typer.Option("--for", min=1, help="Seconds from its boot on.")]
_Board = Annotated[
    str | None, typer.Option("--board", help="Its board file, if it is none of `motekit boards`.")
]


def record(
    port: _Port,
    out: _Out,
    for_s: _For = 60,
    board: _Board = None,
    keys: options.KeysIfAny = None,
    as_json: options.Json = False,
) -> None:
    """Record what goes over a board's buses into a scenario that replays it; the board boots anew.

    Its packets go into the folder as well, and are acknowledged; `motekit collect replay:FILE`
    brings them to another store.

    Example: motekit record serial:/dev/ttyUSB0 --for 60 --out fan
    """
    source, key_store = transport(port), KeyStore.load(keys)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the board is to be told, too
    recorder = BusRecorder(out, for_s, SYSTEM.monotonic, board)
    try:
        _collect(recorder, source, key_store, out)
    except KeyboardInterrupt:
        so_far = recorder.result().entries
        say.err(f"{out}: stopped early, with {so_far} entries")
        raise
    finally:
        recorder.close()
    _show(recorder.result(), out / SCENARIO_FILE, as_json=as_json)


def _collect(recorder: BusRecorder, source: Transport, keys: KeyStore, out: Path) -> None:
    """Collect from the board until all is recorded."""

    def notice(told: Notice) -> None:
        if not recorder.notice(told) and told.kind != "log":
            say.err(f"{told.port}: {told.text}")

    def tick() -> None:
        recorder.tick(collector)
        if recorder.done:
            collector.stop()

    with collecting_into(out / STORE_FILE) as store:
        packets = Recorder(out / PACKETS_FILE)
        collector = Collector(store, [source], keys, Host(), notice, packets)
        collector.run(tick=tick)


def _show(result: Result, scenario: Path, *, as_json: bool) -> None:
    if as_json:
        say.json_line({**result._asdict(), "scenario": str(scenario)})
        return
    lost = ""
    if result.lost_lines or result.lost_entries:
        lost = f", {result.lost_lines} lines and {result.lost_entries} entries lost"
    say.out(
        f"{result.device}: {result.entries} entries in {result.seconds:.0f} s{lost}; "
        f"motekit sim --scenario {scenario} replays it"
    )

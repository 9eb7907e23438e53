"""The command `motekit record`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from motekit.clock import SYSTEM
from motekit.collector import Collector
from motekit.keys import Host, KeyStore
from motekit.record import PACKETS_FILE, SCENARIO_FILE, STORE_FILE, BusRecorder
from motekit.session import Notice
from motekit.store import collecting_into
from motekit.transports import transport
from motekit.transports.replay import Recorder


def record(
    port: Annotated[str, typer.Argument(help="The board: serial:/dev/ttyUSB0, or a port name.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to make.")],
    for_s: Annotated[int, typer.Option("--for", min=1, help="Seconds from its boot on.")] = 60,
    board: Annotated[
        str | None, typer.Option(help="Its board file, if it is none of `motekit boards`.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="Keys of provisioned boards; see `motekit collect`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Record what goes over a board's buses into a scenario that replays it; the board boots anew.

    Its packets go into the folder as well, and are acknowledged; `motekit collect replay:FILE`
    brings them to another store.

    Example: motekit record serial:/dev/ttyUSB0 --for 60 --out fan
    """
    source = transport(port)
    key_store = KeyStore.load(keys)
    recorder = BusRecorder(out, for_s, SYSTEM.monotonic, board)

    def notice(told: Notice) -> None:
        if not recorder.notice(told) and told.kind != "log":
            print(f"{told.port}: {told.text}", file=sys.stderr, flush=True)

    def tick() -> None:
        recorder.tick(collector)
        if recorder.done:
            collector.stop()

    try:
        with collecting_into(out / STORE_FILE) as store:
            packets = Recorder(out / PACKETS_FILE)
            collector = Collector(store, [source], key_store, Host(), notice, packets)
            collector.run(tick=tick)
    except KeyboardInterrupt:
        so_far = recorder.result().entries
        print(f"{out}: stopped early, with {so_far} entries", file=sys.stderr)
        raise
    finally:
        recorder.close()
    result = recorder.result()
    if as_json:
        print(json.dumps({**result._asdict(), "scenario": str(out / SCENARIO_FILE)}))
    else:
        lost = ""
        if result.lost_lines or result.lost_entries:
            lost = f", {result.lost_lines} lines and {result.lost_entries} entries lost"
        print(
            f"{result.device}: {result.entries} entries in {result.seconds:.0f} s{lost}; "
            f"motekit sim --scenario {out / SCENARIO_FILE} replays it"
        )

"""The command `motekit gateway`."""

import json
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from motekit.cli import options, say
from motekit.gateway.config import load
from motekit.gateway.gateway import Gateway, device_id
from motekit.gateway.port_blinka import BlinkaPort
from motekit.query import store_path
from motekit.store import collecting_into

_Config = Annotated[Path, typer.Argument(help="The gateway's file: adapter, buses, sensors.")]
_Device = Annotated[
    str | None,
    typer.Option("--device", help="Its id, 12 hex digits.", show_default="made of this machine's"),
]


def gateway(
    config: _Config,
    store: options.StoreToFill = None,
    for_s: options.For = None,
    device: _Device = None,
    as_json: options.Json = False,
) -> None:
    """Read sensors on this machine's own buses, or on a USB adapter's, into a store until Ctrl-C.

    Example: motekit gateway bench.toml --store fleet.motekit
    """
    plan = load(config)
    device = device_id(plan.name, given=device)

    def report(text: str) -> None:
        say.err(json.dumps({"kind": "log", "text": text}) if as_json else text)

    ending = threading.Event()

    def end(_number: int, _frame: object) -> None:
        ending.set()

    with collecting_into(store_path(store)) as opened:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        with Gateway(plan, opened, device, BlinkaPort(plan), report) as running:
            running.run(for_s, ending.is_set)
        for name, state, samples, error in running.states():
            row = {"device": device, "stream": name, "state": state, "samples": samples}
            if as_json:
                say.json_line({**row, "error": error})
            else:
                say.out(f"{device}  {name}  {samples:,} samples  {state}")

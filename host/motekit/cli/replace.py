"""The command `motekit replace`."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from motekit import probe
from motekit.cli import options, say, show
from motekit.configuration.replace import Job, Replaced, replace_unit
from motekit.errors import LinkError
from motekit.flasher import ports
from motekit.flasher.job import Step
from motekit.keys import Host, KeyStore
from motekit.provision import Options, Records
from motekit.query.bounds import time_ns

_Old = Annotated[str, typer.Argument(help="The unit that goes: its device id, or its role.")]
_New = Annotated[str, typer.Argument(help="The one that comes: its port, or its device id.")]
_Plan = Annotated[
    Path, typer.Option("--plan", help="The fleet's plan; a row with OLD's id gets NEW's.")
]
_Store = Annotated[
    Path | None,
    typer.Option(
        "--store", "-s", envvar="MOTEKIT_STORE", help="Where the role's history goes on."
    ),
]
_Since = Annotated[
    str, typer.Option("--since", help="When NEW took over: 2026-01-31T12:00:00Z, or -1h.")
]


def replace(
    old: _Old,
    new: _New,
    plan: _Plan,
    store: _Store = None,
    records: options.Records = None,
    since: _Since = "now",
    discard: options.Discard = False,
    as_json: options.Json = False,
) -> None:
    """Have a new unit take the role of an old one: name, site, sensors, Wi-Fi, and its history.

    NEW is provisioned as the plan says for OLD's role, with keys of its own; OLD is retired. No
    packet and no device id changes: asked for the role by its name, the store has each unit's data
    for its time. Doing it again goes on where it was cut off.

    Example: motekit replace roof-3 /dev/ttyUSB0 --plan fleet.toml --store fleet.motekit
    """
    now_ns = time.time_ns()
    taken_over_ns = time_ns(since, now_ns, "since")
    job = Job(plan, KeyStore.load(), Records(records), store, Options(discard=discard))
    done = replace_unit(old, _port(new), job, taken_over_ns // 1000, _tell)
    show.rows(_COLUMNS, [done], as_json=asdict if as_json else None)
    for note in done.notes:
        say.err(note)
    if done.error:
        raise LinkError(f"{done.new} did not take {done.role} over: {done.error}")


def _tell(step: Step) -> None:
    say.err(f"{step.port}: {step.what}")


def _port(new: str) -> str:
    """Return the port that is named, or at which the device is that is."""
    if len(new) == 12 and all(digit in "0123456789abcdef" for digit in new.lower()):
        found = probe.probe(probe.attached(), KeyStore.load(), Host())
        for port in found:
            if port.hello is not None and port.hello.device == new.lower():
                return port.name
        raise LinkError(f"{new}: is at none of the {len(found)} USB serial ports; name its port")
    return ports.one(new)


_COLUMNS: show.Columns[Replaced] = (
    show.Column("role", lambda each: each.role),
    show.Column("old", lambda each: each.old),
    show.Column("new", lambda each: each.new),
    show.Column("state", lambda each: each.state),
    show.Column("history", lambda each: "linked" if each.linked else "", spare=1),
    show.Column("plan", lambda each: f"{each.plan_file} changed" if each.plan_file else ""),
    show.Column("s", lambda each: f"{each.seconds:.1f}", right=True, spare=2),
)

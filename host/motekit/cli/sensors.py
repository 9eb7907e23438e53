"""The command `motekit sensors`."""

from dataclasses import asdict
from typing import Annotated

import typer

from motekit import drivers
from motekit.cli import show
from motekit.drivers import DriverInfo
from motekit.errors import UsageError
from motekit.fields import nearest
from motekit.sim import scenario


def sensors(
    names: Annotated[
        list[str] | None, typer.Argument(help="Drivers to tell more about; all if none.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the known sensors: maker, bus, rates, channels with units, what is unverified.

    Example: motekit sensors adxl345
    """
    for name in names or ():
        if name not in drivers.NAMES:
            raise UsageError(f"driver {name!r} is unknown; {nearest(name, drivers.NAMES)}")
    found = [drivers.describe(name) for name in names or drivers.NAMES]
    if names and not json:
        for info in found:
            show.rows(_DETAILS, _details(info))
        return
    elsewhere = "`sensors NAME`"
    show.rows(_COLUMNS, found, as_json=_record if json else None, elsewhere=elsewhere)


def _channels(info: DriverInfo) -> str:
    """Return `accel_x, accel_y, accel_z (g)`: names grouped by unit, in order."""
    units: dict[str, list[str]] = {}
    for channel in info.channels:
        units.setdefault(channel.unit, []).append(channel.name)
    return "; ".join(f"{', '.join(names)} ({unit})" for unit, names in units.items())


def _details(info: DriverInfo) -> list[tuple[str, str]]:
    return [
        ("driver", info.name),
        ("part", info.title),
        *((key.lower(), text) for key, text in info.notes.items()),
        *(("option", str(option)) for option in info.options),
        *(
            ("channel", f"{each.name}: raw * {each.scale:.9g} + {each.offset:g} {each.unit}")
            for each in info.channels
        ),
        ("faults", ", ".join(scenario.faults_of(info.name))),
    ]


def _record(info: DriverInfo) -> dict[str, object]:
    options = {
        each.name: {"default": each.default, "allowed": each.fits()} for each in info.options
    }
    return {**asdict(info), "options": options, "faults": scenario.faults_of(info.name)}


_COLUMNS: show.Columns[DriverInfo] = (
    show.Column("driver", lambda info: info.name),
    show.Column("part", lambda info: info.title.partition(":")[0]),
    show.Column("maker", lambda info: info.notes.get("Maker", ""), spare=1),
    show.Column("bus", lambda info: info.notes.get("Bus", info.bus)),
    show.Column("rates", lambda info: info.notes.get("Rates", ""), fold=True, spare=2),
    show.Column("channels", _channels, fold=True),
    show.Column("unverified", lambda info: info.notes.get("Unverified", ""), fold=True, spare=3),
)
_DETAILS: show.Columns[tuple[str, str]] = (
    show.Column("", lambda line: line[0]),
    show.Column("", lambda line: line[1], fold=True),
)

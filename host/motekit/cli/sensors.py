"""The command `motekit sensors`."""

from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer

from motekit import bus_scan, drivers, probe
from motekit.bus_scan import Part
from motekit.cli import options, show
from motekit.client import Client
from motekit.drivers import DriverInfo
from motekit.errors import UsageError
from motekit.fields import nearest
from motekit.keys import Host, KeyStore
from motekit.sim import faults
from motekit.transports.serial import SerialPipe


def sensors(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Drivers to tell more about; all if none. Or: scan [PORT], to tell what is on "
            "the I2C buses of the board at a port, or of the only one that is attached."
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """List the known sensors: maker, bus, rates, channels with units, how many points are open.

    Open are points that could not be verified against a datasheet; name a driver to read them.

    Example: motekit sensors adxl345
    """
    if names and names[0] == "scan":
        show.rows(_FOUND, _scan(names[1:]), as_json=asdict if json else None)
        return
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


def _scan(ports: list[str]) -> list[Part]:
    """Return what is on the buses of the board at a port, the only one where none is named."""
    if len(ports) > 1:
        raise UsageError(f"scan: {len(ports)} ports, one expected")
    attached = ports or [port.name for port in probe.attached()]
    if len(attached) != 1:
        there = f"are {len(attached)}: {', '.join(attached)}" if attached else "is none"
        raise UsageError(f"scan: name a port; of attached USB serial ports there {there}")
    with closing(SerialPipe(attached[0].removeprefix("serial:"))) as pipe:
        client = Client(pipe, KeyStore.load(), Host())
        client.connect()
        return bus_scan.scan(client)


def _address(part: Part) -> str:
    return "" if part.address is None else f"0x{part.address:02x}"


def _channels(info: DriverInfo) -> str:
    """Return `accel_x, accel_y, accel_z (g)`: names grouped by unit, in order."""
    units: dict[str, list[str]] = {}
    for channel in info.channels:
        units.setdefault(channel.unit, []).append(channel.name)
    return "; ".join(f"{', '.join(names)} ({unit})" for unit, names in units.items())


def _rates(info: DriverInfo) -> str:
    """Return `25, 50, 100 Hz`, without what there is to say of them."""
    return info.notes.get("Rates", "").partition(";")[0]


def _open(info: DriverInfo) -> str:
    """Return how many points could not be verified against a datasheet."""
    text = info.notes.get("Unverified", "")
    return str(text.count(";") + 1) if text else ""


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
        *(
            (
                "channel",
                f"{each.name}: raw * {each.scale:.9g} + {each.offset:g} {each.unit}, with {on}",
            )
            for on, each in drivers.optional_channels(info)
        ),
        ("faults", ", ".join(faults.of_driver(info.name))),
    ]


def _record(info: DriverInfo) -> dict[str, object]:
    options = {
        each.name: {"default": each.default, "allowed": each.fits()} for each in info.options
    }
    more = [{**asdict(each), "with": on} for on, each in drivers.optional_channels(info)]
    known = faults.of_driver(info.name)
    return {**asdict(info), "options": options, "optional_channels": more, "faults": known}


_COLUMNS: show.Columns[DriverInfo] = (
    show.Column("driver", lambda info: info.name),
    show.Column("part", lambda info: info.title.partition(":")[0], spare=1),
    show.Column("maker", lambda info: info.notes.get("Maker", ""), fold=True),
    show.Column("bus", lambda info: info.notes.get("Bus", info.bus), fold=True),
    show.Column("rates", _rates, fold=True),
    show.Column("channels", _channels, fold=True),
    show.Column("open", _open, right=True),
    show.Column("unverified", lambda info: info.notes.get("Unverified", ""), fold=True, spare=2),
)
_FOUND: show.Columns[Part] = (
    show.Column("bus", lambda part: part.bus),
    show.Column("address", _address),
    show.Column("driver", lambda part: " or ".join(part.drivers) or "-", fold=True),
    show.Column("as", lambda part: part.sensor, spare=1),
    show.Column("why", lambda part: part.note, fold=True),
)
_DETAILS: show.Columns[tuple[str, str]] = (
    show.Column("", lambda line: line[0]),
    show.Column("", lambda line: line[1], fold=True),
)

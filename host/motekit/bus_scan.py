"""What is on a board's I2C buses, told from addresses and from the drivers' identity registers.

An address may be shared by parts. A part whose identity register holds what its driver expects is
that part; where several remain that have no such register, all of them are told. What is on a
UART cannot be asked: such parts speak, or wait for commands of their own.
"""

from dataclasses import dataclass
from typing import Any, cast

from . import drivers
from .client import Client
from .drivers import DriverInfo
from .errors import LinkError

_ADDRESSES = range(0x08, 0x78)
_UNASKED: dict[Any, str] = {
    "uart": "UART: parts on it cannot be scanned",
    "onewire": "one-wire: its parts are searched for when their sensor starts, see status",
}


@dataclass(frozen=True)
class Part:
    """What answers at an address, or what is to say of a bus; `drivers` are those it may be."""

    bus: str
    address: int | None
    drivers: tuple[str, ...]
    note: str
    sensor: str = ""  # as which it is configured


def scan(client: Client) -> list[Part]:
    """Return what is on all buses of a connected board, in the order of buses and addresses.

    Raises LinkError for an answer that cannot be.
    """
    config = _table(client.request("config.get"), "config.get")
    known = [drivers.describe(name) for name in drivers.NAMES]
    parts: list[Part] = []
    for name, bus in sorted(_table(config.get("buses", {}), "buses").items()):
        named = _configured(config, name)
        kind = _table(bus, name).get("kind")
        if kind != "i2c":
            parts.append(Part(name, None, (), _UNASKED.get(kind, ""), ", ".join(named.values())))
        else:
            parts += _bus(client, name, known, named)
    return parts


def identify(address: int, registers: dict[int, int | None], known: list[DriverInfo]) -> Part:
    """Return which drivers' part it is, with the identity registers that were read."""
    here = [info for info in known if address in info.addresses]
    sure = [info for info in here if info.is_identified_by(registers)]
    may = sure or [info for info in here if info.identity is None]
    names = tuple(info.name for info in may)
    told = ", ".join(
        f"register 0x{register:02x} holds 0x{value:02x}"
        for register, value in sorted(registers.items())
        if value is not None
    )
    if sure:
        note = told
    elif len(may) > 1:
        note = "one of these: nothing tells them apart without disturbing them"
    elif may:
        note = "by its address alone: it has no identity register"
    else:
        note = f"no known part ({told})" if told else "no known part"
    return Part("", address, names, note)


def _bus(client: Client, bus: str, known: list[DriverInfo], named: dict[int, str]) -> list[Part]:
    """Return what is on one I2C bus, and what should be and is not."""
    answer = _table(client.request("bus.scan", {"bus": bus}), "bus.scan")
    if "hangs" in answer:
        why = str(answer["hangs"])[:100]
        return [Part(bus, None, (), f"hangs: SDA or SCL is held low, or has no pull-up ({why})")]
    found = _found(answer)
    pairs = sorted(
        {
            (address, info.identity[0])
            for info in known
            for address in info.addresses
            if info.identity and address in found
        }
    )
    values = _values(client, bus, pairs)
    parts: list[Part] = []
    for address in sorted({*found, *named}):
        sensor = named.get(address, "")
        if address not in _ADDRESSES:
            note = "configured; at which address is known to its driver alone"
            parts.append(Part(bus, None, (), note, sensor))
            continue
        if address not in found:
            parts.append(Part(bus, address, (), "configured, and does not answer", sensor))
            continue
        held = {pair[1]: values[pair] for pair in pairs if pair[0] == address}
        part = identify(address, held, known)
        parts.append(Part(bus, address, part.drivers, part.note, sensor))
    return parts or [Part(bus, None, (), "nothing answers")]


def _values(
    client: Client, bus: str, pairs: list[tuple[int, int]]
) -> dict[tuple[int, int], int | None]:
    """Return what registers hold, None for those of a part that did not answer."""
    if not pairs:
        return {}
    request = {"bus": bus, "reads": [list(pair) for pair in pairs]}
    answer = _table(client.request("bus.scan", request), "bus.scan")
    read = answer.get("read")
    if not isinstance(read, list) or len(cast("list[Any]", read)) != len(pairs):
        raise LinkError(f"bus.scan: told {str(answer)[:100]}, {len(pairs)} values expected")
    values = [
        value if isinstance(value, int) and 0 <= value <= 0xFF else None
        for value in cast("list[Any]", read)
    ]
    return dict(zip(pairs, values, strict=True))


def _found(answer: dict[str, Any]) -> list[int]:
    found = answer.get("found")
    if not isinstance(found, list):
        raise LinkError(f"bus.scan: told {str(answer)[:100]}, a list of addresses expected")
    return [a for a in cast("list[Any]", found) if isinstance(a, int) and a in _ADDRESSES]


def _configured(config: dict[str, Any], bus: str) -> dict[int, str]:
    """Return the sensors that are configured on a bus, by address; on a UART by their number."""
    named: dict[int, str] = {}
    for number, entry in enumerate(config.get("sensors", [])):
        sensor = _table(entry, "sensors")
        if sensor.get("bus") != bus:
            continue
        address = sensor.get("address")
        driver = str(sensor.get("driver"))
        if address is None and driver in drivers.NAMES:
            usual = drivers.describe(driver).addresses
            address = usual[0] if usual else number
        named[address if isinstance(address, int) else number] = str(sensor.get("name", driver))
    return named


def _table(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise LinkError(f"{what}: told {str(value)[:100]}, an object expected")
    return cast("dict[str, Any]", value)

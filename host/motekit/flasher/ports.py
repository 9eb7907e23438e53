"""Which ports are meant: names, patterns, and boards at the other end of a network."""

import os
from collections.abc import Iterable, Sequence

from motekit.errors import LinkError, UsageError
from motekit.transports.serial import SerialTransport, usb_ports

REMOTE = ("rfc2217://", "socket://")


def named(names: Iterable[str]) -> list[str]:
    """Return the ports that names and patterns stand for, each once, in their order.

    Raises UsageError for what is no port's name, LinkError for a pattern that fits none.
    """
    found: dict[str, str] = {}
    for name in names:
        for port in _ports(name):
            found.setdefault(port if port.startswith(REMOTE) else os.path.realpath(port), port)
    return list(found.values())


def one(name: str) -> str:
    """Return the one port that a name or a pattern stands for; UsageError if it is several."""
    found = named([name])
    if len(found) > 1:
        raise UsageError(f"{name}: fits {len(found)} ports; name one")
    return found[0]


def chosen(names: Sequence[str] | None, every: bool) -> list[str]:
    """Return the ports that are named, or every one: UsageError if neither is said, or both."""
    if bool(names) == every:
        raise UsageError("name ports, or say --all for every attached USB serial port")
    return attached() if every else named(names or ())


def attached() -> list[str]:
    """Return all USB serial ports; LinkError if there is none."""
    found = usb_ports()
    if not found:
        raise LinkError(
            "no USB serial port is attached; plug boards in, with a cable that carries data"
        )
    return found


def _ports(name: str) -> list[str]:
    if name.startswith(REMOTE):
        return [name]
    scheme, rest = name.split(":", 1) if ":" in name else ("serial", name)
    if "://" in name or "/" in scheme or (rest and scheme != "serial"):
        known = ", ".join(("serial:", *REMOTE))
        raise UsageError(f"{name!r}: no port that boards are flashed at; known: {known}")
    transport = SerialTransport(rest or name)
    found = transport.find()
    if not found:
        raise LinkError(f"{name}: no port fits this pattern")
    return found

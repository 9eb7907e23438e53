"""Which ports are plugged in now, and whether each is the one that was there a moment ago."""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from serial.tools import list_ports

from motekit.errors import UsageError
from motekit.flasher.ports import REMOTE
from motekit.transports.serial import SerialTransport


class Plug(NamedTuple):
    """A port that is there: where it is for people, and a mark that changes on each plugging."""

    place: str
    mark: tuple[int, ...]


class Watch:
    """Looks for ports, by names and patterns as `motekit flash` takes them."""

    def __init__(self, names: Iterable[str]) -> None:
        """UsageError for what is no port's name."""
        self._remote = [name for name in names if name.startswith(REMOTE)]
        self._finders = [_finder(name) for name in names if not name.startswith(REMOTE)]
        self.explicit = [each.find()[0] for each in self._finders if each.explicit]
        self.explicit += self._remote

    def look(self) -> dict[str, Plug]:
        """Return the ports that are there now, each once, however many names it has."""
        found = {name: Plug(name, ()) for name in self._remote}
        real: dict[str, str] = {}
        for finder in self._finders:
            for port in finder.find():
                mark = _mark(port)
                path = os.path.realpath(port)
                if mark is not None and path not in real:
                    real[path] = port
                    found[port] = Plug("", mark)
        return found | _placed(found, real)


def _placed(found: Mapping[str, Plug], real: Mapping[str, str]) -> dict[str, Plug]:
    """Return the ports of this machine with their places: on a hub, else by as much as names."""
    usb = {each.device: each.location for each in list_ports.comports() if each.location}
    names = Counter(Path(port).name for port in real.values())
    return {
        port: Plug(
            usb.get(path) or (Path(port).name if names[Path(port).name] == 1 else port),
            found[port].mark,
        )
        for path, port in real.items()
    }


def _finder(name: str) -> SerialTransport:
    scheme, colon, rest = name.partition(":")
    if not colon or "/" in scheme:
        scheme, rest = "serial", name
    if scheme != "serial" and os.name == "posix":
        known = ", ".join(("serial:", *REMOTE))
        raise UsageError(f"{name!r}: no port that boards are flashed at; known: {known}")
    return SerialTransport(rest if scheme == "serial" else name)


def _mark(port: str) -> tuple[int, ...] | None:
    """Return what tells a port from one of the same name that was there before; None: not there.

    A link is made anew when the device is; so is the device's own node.
    """
    try:
        link = Path(port).lstat()
        node = Path(port).stat()
    except OSError:
        return None if os.name == "posix" else ()
    changed = link.st_ctime_ns if stat.S_ISLNK(link.st_mode) else 0
    return link.st_ino, changed, node.st_ino, node.st_rdev

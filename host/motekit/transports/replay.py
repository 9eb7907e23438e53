"""Recordings: packets as they came from boards, in a file of JSON lines.

    {"device": "c3000000001a", "packet": "<base64>"}

`motekit collect --record FILE` writes one; `motekit collect replay:FILE` collects it again, tags
checked, duplicates harmless: for bug reports, and to bring one collector's data to another.
"""

import base64
import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

from motekit.clock import SYSTEM, Clock
from motekit.errors import LinkError

from . import Ended, Event, Recorded
from .link import Stats

LINE_MAX_BYTES = 8192
BATCH = 64
_DEVICE = re.compile(r"[0-9a-f]{2,64}")


class ReplayTransport:
    """One recording."""

    explicit = True

    def __init__(self, path: str) -> None:
        self._path = path

    def find(self) -> list[str]:
        """Return the file's name."""
        return [self._path]

    def open(self, name: str) -> "ReplayPipe":
        """Open the recording."""
        return ReplayPipe(name)


make = ReplayTransport


class ReplayPipe:
    """The packets of a recording, then its end; nobody is there to be written to."""

    live = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.clock: Clock = SYSTEM
        self.nonce = 0
        self.stats = Stats()
        self._line = 0
        self._closed = False
        self._lines = _lines(Path(name))
        try:
            next(self._lines)
        except OSError as e:
            raise LinkError(f"{name}: recording cannot be read: {e.strerror}") from None

    def receive(self, timeout_s: float) -> list[Event | Recorded | Ended]:
        """Return the next packets, at once; LinkError names the line that is none."""
        del timeout_s
        if self._closed:
            raise LinkError(f"{self.name}: recording is closed")
        events: list[Event | Recorded | Ended] = []
        while len(events) < BATCH:
            self._line += 1
            line = next(self._lines, b"")
            if not line:
                events.append(Ended())
                break
            self.stats.bytes_in += len(line)
            events.append(self._parse(line))
        return events

    def _parse(self, line: bytes) -> Recorded:
        try:
            return _recorded(line)
        except (ValueError, KeyError, TypeError, RecursionError) as e:
            raise LinkError(
                f"{self.name}:{self._line}: no packet of a recording ({e!r}); "
                f'expected {{"device": "<hex>", "packet": "<base64>"}}'
            ) from None

    def send(self, data: bytes, key: str | None = None) -> None:
        """Do nothing: nobody is there."""

    def expect(self, number: int | None) -> None:
        """Do nothing: a recording has no missing pieces."""

    def typed(self, keys: bytes) -> None:
        """Do nothing: nobody is there."""

    def tail(self) -> str:
        """Return no text."""
        return ""

    def wake(self) -> None:
        """Do nothing: a recording never waits."""

    def close(self) -> None:
        """Close the file."""
        self._closed = True
        self._lines.close()


def _lines(path: Path) -> Generator[bytes]:
    """Yield nothing once the file is open, then its lines, cut where they are too long."""
    with path.open("rb") as file:
        yield b""
        while line := file.readline(LINE_MAX_BYTES + 1):
            yield line


def _recorded(line: bytes) -> Recorded:
    if len(line) > LINE_MAX_BYTES:
        raise ValueError(f"longer than {LINE_MAX_BYTES} bytes")
    row: Any = json.loads(line)
    if not _DEVICE.fullmatch(row["device"]):
        raise ValueError(f"device {row['device']!r} is no lower-case hex id")
    return Recorded(row["device"], base64.b64decode(row["packet"], validate=True))


class Recorder:
    """Writes a recording, a line a packet."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")

    def write(self, device: str, data: bytes) -> None:
        """Add a packet."""
        row = {"device": device, "packet": base64.b64encode(data).decode()}
        self._file.write(json.dumps(row).encode() + b"\n")

    def close(self) -> None:
        """Write out what is buffered and close."""
        self._file.close()

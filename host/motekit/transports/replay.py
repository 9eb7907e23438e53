"""Recordings: packets as they came from boards, in a file of JSON lines.

    {"device": "c3000000001a", "packet": "<base64>"}

`motekit collect --record FILE` writes one; `motekit collect replay:FILE` collects it again, tags
checked, duplicates harmless: for bug reports, and to bring one collector's data to another.
"""

import base64
import json
import re
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import LinkError
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
        self.stats = Stats()
        self._line = 0
        try:
            self._file: BinaryIO | None = Path(name).open("rb")
        except OSError as e:
            raise LinkError(f"{name}: recording cannot be read: {e.strerror}") from None

    def receive(self, timeout_s: float) -> list[Event | Recorded | Ended]:
        """Return the next packets; LinkError names the line that is none."""
        if self._file is None:
            raise LinkError(f"{self.name}: recording is closed")
        events: list[Event | Recorded | Ended] = []
        while len(events) < BATCH:
            self._line += 1
            line = self._file.readline(LINE_MAX_BYTES + 1)
            if not line:
                events.append(Ended())
                break
            self.stats.bytes_in += len(line)
            events.append(self._parse(line))
        return events

    def _parse(self, line: bytes) -> Recorded:
        try:
            if len(line) > LINE_MAX_BYTES:
                raise ValueError(f"longer than {LINE_MAX_BYTES} bytes")
            row: Any = json.loads(line)
            if not _DEVICE.fullmatch(row["device"]):
                raise ValueError(f"device {row['device']!r} is no lower-case hex id")
            return Recorded(row["device"], base64.b64decode(row["packet"], validate=True))
        except (ValueError, KeyError, TypeError) as e:
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
        if self._file is not None:
            self._file.close()
            self._file = None


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

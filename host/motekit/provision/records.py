"""What was made of which board: a file of JSON lines, only ever added to, on the disk at once.

    {"at", "event", "fleet", "device", "name", "site", "board", "generation", "keys", "plan",
     "port", ...}

A board gets its role by a line "assigned" before anything is written to it, so that no other
board gets the same one, in whatever process. "provisioned" makes it the board's; "failed" gives
it back, unless it had been the board's before, or the board is on trial with it still;
"released" takes it away (`motekit replace`).
`keys` is the fingerprint of the fleet's key. No line has a secret in it.

A line that a crash has cut off was not believed by anybody, and is dropped with the next one.
"""

import datetime as dt
import json
import os
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import platformdirs

from motekit import disk
from motekit.errors import MotekitError
from motekit.plan import Role

ASSIGNED, PROVISIONED, FAILED, RELEASED = "assigned", "provisioned", "failed", "released"
_NEEDED = ("at", "event", "fleet", "device", "name")


class RecordsError(MotekitError):
    """A records file that cannot be read, written or believed."""


def default_path() -> Path:
    """Return the place in the user's data folder."""
    return platformdirs.user_data_path("motekit") / "provisioned.jsonl"


@dataclass
class Unit:
    """What the lines so far make of one device of a fleet."""

    name: str = ""  # the role that is its own
    pending: str = ""  # the role that it was given and has not proven
    generation: int = 0
    keys: str = ""

    @property
    def role(self) -> str:
        """The name of the role that it has or was given last."""
        return self.pending or self.name


def now() -> str:
    """Return the time as records and marks have it: UTC, RFC 3339."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Records:
    """One file of records; threads and processes may share it."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_path()
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise RecordsError now, rather than after a board was changed."""
        with self._opened() as file:
            self._rows(file)

    def rows(self) -> list[dict[str, Any]]:
        """Return all lines, the oldest first; empty if there is no file."""
        if not self.path.exists():
            return []
        with self._opened() as file:
            return self._rows(file)

    def units(self, fleet: str) -> dict[str, Unit]:
        """Return the devices of a fleet, by their ids."""
        return fold(self.rows(), fleet)

    def add(self, event: str, fields: Mapping[str, object]) -> None:
        """Add a line; on the disk when this returns."""
        with self._opened() as file:
            self._append(file, self._rows(file), {"at": now(), "event": event, **fields})

    def assign(self, fleet: str, device: str, choose: Callable[[dict[str, Unit]], Role]) -> Role:
        """Have a device's role chosen while nobody else can; return it.

        Nothing is added if the device has the role already.
        """
        with self._opened() as file:
            rows = self._rows(file)
            units = fold(rows, fleet)
            role = choose(units)
            if units.get(device, Unit()).role != role.name:
                row = {"at": now(), "event": ASSIGNED, "fleet": fleet, "device": device}
                self._append(file, rows, {**row, "name": role.name})
        return role

    @contextmanager
    def _opened(self) -> Generator[Any]:
        """Hold the file alone, among threads and processes."""
        with self._lock:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                is_new = not self.path.exists()
                file = self.path.open("a+b")
                if is_new:
                    disk.settle(self.path.parent)
            except OSError as e:
                raise RecordsError(
                    f"{self.path}: records cannot be written: {e.strerror or e}; nothing is "
                    f"provisioned without them; name another file with --records"
                ) from None
            with file:
                if os.name == "posix":
                    import fcntl

                    fcntl.flock(file, fcntl.LOCK_EX)
                yield file

    def _rows(self, file: Any) -> list[dict[str, Any]]:
        file.seek(0)
        *lines, self._torn = file.read().split(b"\n")
        return [self._row(number, line) for number, line in enumerate(lines, 1) if line.strip()]

    def _row(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            row = json.loads(line)
            whole = isinstance(row, dict) and all(isinstance(row[key], str) for key in _NEEDED)
        except (ValueError, KeyError):
            row, whole = None, False
        if not whole:
            raise RecordsError(
                f"{self.path}: line {number}: is no record with {', '.join(_NEEDED)}; mend or "
                f"remove that line, or name another file with --records"
            )
        return cast("dict[str, Any]", row)

    def _append(self, file: Any, rows: list[dict[str, Any]], row: dict[str, object]) -> None:
        try:
            if self._torn:
                end = file.seek(0, os.SEEK_END)
                file.truncate(end - len(self._torn))
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())
        except OSError as e:
            raise RecordsError(
                f"{self.path}: records cannot be written: {e.strerror or e}"
            ) from None
        rows.append(row)


def _line(row: Mapping[str, object]) -> bytes:
    """Return a line, whatever came over a wire or is the name of a port."""
    return json.dumps(row, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"


def fold(rows: list[dict[str, Any]], fleet: str) -> dict[str, Unit]:
    """Return what lines make of the devices of a fleet."""
    units: dict[str, Unit] = {}
    for row in rows:
        if row["fleet"] != fleet:
            continue
        unit = units.setdefault(row["device"], Unit())
        event = row["event"]
        if event == ASSIGNED:
            unit.pending = row["name"]
        elif event == PROVISIONED:
            generation = row.get("generation")
            unit.generation = generation if isinstance(generation, int) else 0
            unit.name, unit.pending = row["name"], ""
            unit.keys = str(row.get("keys", ""))
        elif event == RELEASED:
            unit.name = unit.pending = ""
        elif event == FAILED and not row.get("on_trial"):
            unit.pending = ""
    return units

"""What a station has done with which board: JSON lines, each on the disk before the next step.

    {"at": "2026-07-01T08:00:00Z", "what": "begun", "device": "a0b1c2d3e4f5", "port": "...", ...}

A station that is killed finds here which boards are done, and which it was in the middle of. The
last line may be torn by a crash, and is dropped then; no other may be.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from motekit import disk
from motekit.errors import MotekitError

WHATS = ("begun", "passed", "failed", "pulled")
LINE_MAX_BYTES = 1 << 16
WHY_MAX = 1000  # characters


class JournalError(MotekitError):
    """A journal that is none, or that another station writes to."""


@dataclass(frozen=True)
class Entry:
    """One line; `job` is the mark of what the board shall become, `seconds` what it took.

    `plug` is another one each time that something is plugged in.
    """

    what: str
    device: str = ""
    port: str = ""
    name: str = ""
    job: str = ""
    step: str = ""
    why: str = ""
    seconds: float = 0.0
    at: str = ""
    plug: str = ""


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Journal:
    """A journal that is held open, and locked for this station alone; a context manager."""

    def __init__(self, path: Path, now: Callable[[], str] = _now) -> None:
        """Open or begin one; JournalError if it is damaged, or another station has it."""
        self.path = path
        self._now = now
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("a+b")
            disk.settle(path.parent)
        except OSError as e:
            raise JournalError(
                f"{path}: cannot be written ({e.strerror or e}); name another with --journal"
            ) from e
        try:
            self._lock()
            self.entries = self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, entry: Entry) -> None:
        """Append a line; it is on the disk when this returns."""
        whole = replace(entry, why=entry.why[:WHY_MAX], at=self._now())
        said = {key: value for key, value in asdict(whole).items() if value}
        line = json.dumps(said, ensure_ascii=False)
        try:
            self._file.write(line.encode(errors="backslashreplace") + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as e:
            raise JournalError(f"{self.path}: cannot be written ({e.strerror or e})") from e
        self.entries.append(whole)

    def passed(self, device: str) -> Entry | None:
        """Return how a board passed, None if it has not, or was begun anew since."""
        last = next((each for each in reversed(self.entries) if each.device == device), None)
        return last if last is not None and last.what == "passed" else None

    def unfinished(self) -> list[Entry]:
        """Return the boards that were begun and of which nothing is known since."""
        last = {each.device: each for each in self.entries}
        return [each for each in last.values() if each.what == "begun"]

    def _lock(self) -> None:
        if os.name != "posix":
            return
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            raise JournalError(
                f"{self.path}: another station is writing to it; all boards go to that one, or"
                " this one gets a plan, records and a journal of its own"
            ) from e

    def _read(self) -> list[Entry]:
        self._file.seek(0)
        found: list[Entry] = []
        end = 0
        for number, line in enumerate(self._file, 1):
            if not line.endswith(b"\n"):
                break
            end += len(line)
            found.append(self._entry(line, number))
        self._file.truncate(end)
        return found

    def _entry(self, line: bytes, number: int) -> Entry:
        try:
            said: Any = json.loads(line) if len(line) <= LINE_MAX_BYTES else None
            entry = Entry(**cast("dict[str, Any]", said))
        except (ValueError, TypeError):
            entry = Entry("")
        fields: dict[str, Any] = asdict(entry)
        right = all(
            type(value) is (float if key == "seconds" else str) for key, value in fields.items()
        )
        if not right or entry.what not in WHATS:
            raise JournalError(
                f"{self.path}: line {number}: {line[:60]!r} is no line of a station's journal;"
                " move the file away, or name another with --journal"
            )
        return entry

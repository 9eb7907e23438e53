"""Where a sink writes: a file that is there whole or not at all, or a stream."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from motekit.errors import UsageError

STDOUT = "-"


class Target:
    """A binary file under a temporary name until `commit` puts it in place; or standard output.

    What exists and is no regular file (a pipe, /dev/null) is written to as it is.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self._part: Path | None = None
        self._path = Path(path)
        self.file: BinaryIO
        if self.name == STDOUT:
            self.file = sys.stdout.buffer
            return
        self._path = self._path.resolve()
        if self._path.is_dir():
            raise UsageError(f"{path}: is a folder; name a file in it")
        if not self._path.parent.is_dir():
            raise UsageError(f"{path}: the folder {self._path.parent} does not exist")
        if self._path.exists() and not self._path.is_file():
            self.file = self._path.open("wb")
            return
        self._part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        self.file = self._part.open("wb")

    def commit(self) -> None:
        """Make what was written durable and put it in place."""
        self.file.flush()
        if self.name == STDOUT:
            return
        if self._part is not None:
            os.fsync(self.file.fileno())
        self.file.close()
        if self._part is not None:
            self._part.replace(self._path)
            self._part = None

    def discard(self) -> None:
        """Leave nothing behind; what was there before stays."""
        if self.name != STDOUT:
            self.file.close()
        if self._part is not None:
            self._part.unlink(missing_ok=True)
            self._part = None


class Sink:
    """The base of all sinks: `write` batches, then `close`; left by an error, nothing remains.

    `TEXT` says that it may go to standard output.
    """

    TEXT = False
    SUFFIX = ""

    def __init__(self, path: str | Path) -> None:
        if str(path) == STDOUT and not self.TEXT:
            raise UsageError(
                f"{self.SUFFIX[1:]} is binary and needs a file: name one, or take csv or jsonl"
            )
        self.target = Target(path)

    def finish(self) -> None:
        """Write what is still to be written; for those that have any."""

    def abandon(self) -> None:
        """Release what `finish` would have; for those that hold any."""

    def close(self) -> None:
        """Finish the file and put it in place."""
        try:
            self.finish()
            self.target.commit()
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        with suppress(OSError, ValueError):
            self.abandon()
        self.target.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._discard()

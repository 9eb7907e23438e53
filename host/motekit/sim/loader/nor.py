"""A chip's flash: NOR in a file, erased by sectors; programming only clears bits."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SECTOR_BYTES = 4096
_ERASED = b"\xff"


class Nor:
    """Flash of a fixed size; bytes that lie outside of it are refused with ValueError.

    `veto(offset, size)` may raise what a broken or protected flash, or a cut of power, would do.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self.written_bytes = 0
        self.veto: Callable[[int, int], None] = _allow
        if not path.exists():
            blank(path, size_bytes)

    def read(self, offset: int, size: int) -> bytes:
        """Return what is there."""
        self._check(offset, size)
        with self.path.open("rb") as f:
            f.seek(offset)
            return f.read(size)

    def erase(self, offset: int, size: int) -> None:
        """Erase all sectors that the range touches."""
        self._check(offset, size)
        start = offset - offset % SECTOR_BYTES
        end = -(-(offset + size) // SECTOR_BYTES) * SECTOR_BYTES
        self.veto(start, end - start)
        with self.path.open("r+b") as f:
            f.seek(start)
            f.write(_ERASED * (end - start))

    def program(self, offset: int, data: bytes) -> None:
        """Clear the bits that are 0 in data."""
        self._check(offset, len(data))
        self.veto(offset, len(data))
        with self.path.open("r+b") as f:
            f.seek(offset)
            there = f.read(len(data))
            both = int.from_bytes(there) & int.from_bytes(data)
            f.seek(offset)
            f.write(both.to_bytes(len(data)))
        self.written_bytes += len(data)

    def _check(self, offset: int, size: int) -> None:
        if offset < 0 or size < 0 or offset + size > self.size_bytes:
            raise ValueError(f"flash: {size} bytes at 0x{offset:x} of {self.size_bytes}")


def blank(path: Path, size_bytes: int) -> None:
    """Make a file of erased flash."""
    with path.open("wb") as f:
        for _ in range(size_bytes // SECTOR_BYTES):
            f.write(_ERASED * SECTOR_BYTES)


def _allow(_offset: int, _size: int) -> None:
    """Let everything happen."""

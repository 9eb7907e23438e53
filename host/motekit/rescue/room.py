"""Room in a board's file system: how much there has to be, and what a file takes of it."""

from collections.abc import Sequence

ROOM_BYTES = 16_384  # for a configuration, an epoch and their copies, with littlefs's own blocks
_BLOCK_BYTES = 4096
_INLINE_BYTES = 128  # what lies within its folder's own block
_SAID = 3  # names of files at most


def freed(size: int) -> int:
    """Return the bytes of whole blocks that removing a file gives back, at least."""
    return max(size // _BLOCK_BYTES, size > _INLINE_BYTES) * _BLOCK_BYTES


def taken(size: int) -> int:
    """Return the bytes of whole blocks that a new file takes, at most."""
    return size + _BLOCK_BYTES


def named(files: Sequence[tuple[str, int]], most: int = _SAID) -> str:
    """Return names with sizes, for people."""
    more = f" and {len(files) - most} more" if len(files) > most else ""
    return ", ".join(f"{name} ({size:,} bytes)" for name, size in files[:most]) + more

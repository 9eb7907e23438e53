"""Single files out of a littlefs that does not mount: block by block, by what its metadata says.

A folder is a log in a pair of blocks, each commit with a CRC, so that what is whole is known to be
so. It names its files, and holds the small ones; a large one is a chain of blocks that begins at
its last one. Without the folder above, nobody knows a folder's name: it gets its block's number.

Ref: littlefs, SPEC.md, version 2.1.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

BLOCK_BYTES = 4096
NOWHERE = "/lost+found"
_ROOT = (0, 1)
_PAIR_BYTES = 8
_DEPTH_MAX = 32
_NAME_MAX = 255
_NO_SIZE = 0x3FF
_START = 0xFFFF_FFFF  # of a tag's XOR, and of a CRC
# Types of tags, and what is asked of them.
_FILE, _FOLDER = 0x001, 0x002
_IN_PAIR, _INLINE, _CHAIN = 0x200, 0x201, 0x202
_CREATE, _DELETE = 0x401, 0x4FF
_CRC, _CRC_MASK = 0x500, 0x780
_NEXT, _REST = 0x600, 0x601  # the next folder of all; where this one goes on


class _Tag(NamedTuple):
    type: int
    id: int
    data: bytes


@dataclass
class _Entry:
    name: str = ""
    kind: int = 0  # _FILE or _FOLDER, 0 for neither
    held: int = 0  # how
    data: bytes = b""


@dataclass
class _Log:
    """One metadata block as its last whole commit left it."""

    revision: int
    entries: list[_Entry] = field(default_factory=list[_Entry])
    tails: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield the pairs of blocks that it tells of."""
        yield from self.tails.values()
        for each in self.entries:
            if each.kind == _FOLDER and len(each.data) == _PAIR_BYTES:
                yield _pair(each.data)


def of_image(image: bytes) -> dict[str, bytes]:
    """Return the files that can be read, by path; those in a nameless folder below NOWHERE."""
    blocks = [image[at : at + BLOCK_BYTES] for at in range(0, len(image), BLOCK_BYTES)]
    return _Image(blocks).files()


class _Image:
    def __init__(self, blocks: list[bytes]) -> None:
        self._blocks = blocks
        read = ((at, _log(block)) for at, block in enumerate(blocks))
        self._logs = {at: log for at, log in read if log is not None}
        pairs = [pair for log in self._logs.values() for pair in log.pairs()]
        self._mates = {a: b for pair in (_ROOT, *pairs) for a, b in (pair, pair[::-1])}
        self._seen: set[int] = set()
        self._found: dict[str, bytes] = {}
        self._room_bytes = BLOCK_BYTES * len(blocks)

    def files(self) -> dict[str, bytes]:
        self._visit(_ROOT, "", 0)
        newest = sorted(self._logs, key=lambda at: -self._logs[at].revision)
        below = {at for log in self._logs.values() for e in log.entries for at in _child(e)}
        for at in [at for at in newest if at not in below] + newest:
            if at not in self._seen:
                self._visit((at, self._mates.get(at, at)), f"{NOWHERE}/{at}", 0)
        return self._found

    def _visit(self, pair: tuple[int, int], folder: str, depth: int) -> None:
        """Read a folder, of its two blocks the newer one, and those below it."""
        there = [at for at in pair if at in self._logs and at not in self._seen]
        self._seen.update(pair)
        if not there or depth > _DEPTH_MAX:
            return
        log = max((self._logs[at] for at in there), key=lambda log: log.revision)
        for entry in log.entries:
            path = f"{folder}/{entry.name}"
            if entry.kind == _FILE and (data := self._content(entry)) is not None:
                self._found.setdefault(path, data)
            elif entry.kind == _FOLDER and entry.held == _IN_PAIR and _child(entry):
                self._visit(_pair(entry.data), path, depth + 1)
        if _REST in log.tails:
            self._visit(log.tails[_REST], folder, depth + 1)

    def _content(self, entry: _Entry) -> bytes | None:
        if entry.held == _INLINE:
            return entry.data
        if entry.held != _CHAIN or len(entry.data) != _PAIR_BYTES:
            return None
        head, size = _pair(entry.data)
        if not 0 < size <= self._room_bytes:
            return None
        self._room_bytes -= size  # damage could name the same blocks again and again
        return self._chain(head, size)

    def _chain(self, at: int, size: int) -> bytes | None:
        """Return a file out of its blocks, the last one first; None if one is not there."""
        starts = [0]
        while sum(BLOCK_BYTES - each for each in starts) < size:
            starts.append(4 * _pointers(len(starts)))
        pieces: list[bytes] = []
        for start in reversed(starts):
            if at >= len(self._blocks):
                return None
            block = self._blocks[at]
            pieces.append(block[start:])
            at = int.from_bytes(block[:4], "little")
        return b"".join(reversed(pieces))[:size]


def _pointers(index: int) -> int:
    """Return how many pointers the block of an index begins with: one more than it has 0s."""
    return (index & -index).bit_length()


def _pair(data: bytes) -> tuple[int, int]:
    return int.from_bytes(data[:4], "little"), int.from_bytes(data[4:8], "little")


def _child(entry: _Entry) -> tuple[int, ...]:
    return _pair(entry.data) if entry.kind == _FOLDER and len(entry.data) == _PAIR_BYTES else ()


def _log(block: bytes) -> _Log | None:
    """Return what a metadata block says, None if it is none."""
    tags = _tags(block)
    if tags is None:
        return None
    log = _Log(int.from_bytes(block[:4], "little"))
    entries = log.entries
    for tag in tags:
        if tag.type == _CREATE:
            entries.insert(tag.id, _Entry())
        elif tag.type == _DELETE:
            del entries[tag.id : tag.id + 1]
        elif tag.type in (_NEXT, _REST) and len(tag.data) == _PAIR_BYTES:
            log.tails = {tag.type: _pair(tag.data)}
        elif tag.type in (_FILE, _FOLDER, _IN_PAIR, _INLINE, _CHAIN):
            entries += [_Entry() for _ in range(tag.id + 1 - len(entries))]
            _set(entries[tag.id], tag)
    return log


def _set(entry: _Entry, tag: _Tag) -> None:
    if tag.type in (_FILE, _FOLDER):
        name = tag.data.decode("utf-8", "replace")
        fits = name not in ("", ".", "..") and "/" not in name and len(name) <= _NAME_MAX
        entry.name, entry.kind = name, tag.type if fits else 0
    else:
        entry.held, entry.data = tag.type, tag.data


def _tags(block: bytes) -> list[_Tag] | None:
    """Return the tags of the whole commits of a metadata block, None if it has none."""
    whole: list[_Tag] | None = None
    found: list[_Tag] = []
    crc = _crc(block[:4], _START)
    before, at = _START, 4
    while at + 4 <= len(block):
        tag = int.from_bytes(block[at : at + 4], "big") ^ before
        kind, size = tag >> 20, tag & _NO_SIZE
        size = 0 if size == _NO_SIZE else size
        crc = _crc(block[at : at + 4], crc)
        at += 4
        if kind > 0x7FF or at + size > len(block):
            break
        if kind & _CRC_MASK == _CRC:
            if crc != int.from_bytes(block[at : at + 4], "little"):
                break
            whole = [*(whole or []), *found]
            found, crc = [], _START
            before = tag ^ (kind & 1) << 31
        else:
            found.append(_Tag(kind, tag >> 10 & 0x3FF, block[at : at + size]))
            crc = _crc(block[at : at + size], crc)
            before = tag
        at += size
    return whole


def _crc(data: bytes, crc: int) -> int:
    return zlib.crc32(data, crc ^ _START) ^ _START

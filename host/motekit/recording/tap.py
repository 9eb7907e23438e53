"""Reads what a board tells of its buses: lines of text in, transactions out; see motefw/tap.py.

No I/O. Lines that were lost or damaged on the way are counted, and so is what the board could not
tell; what is whole in between is kept.
"""

import binascii
import struct
from collections.abc import Iterator
from typing import NamedTuple

from motekit.errors import MotekitError

MARK = "~tap "
KINDS = ("i2c", "uart", "onewire")
OPS = ("i2c", "rx", "tx", "reset", "bit_in", "bit_out", "in", "out", "found")
_HEAD = struct.Struct("<HII")
_CRC_BYTES = 4
_BUS, _I2C, _AGAIN, _FAILED = range(4)
_OTHERS = {
    4: "rx",
    5: "tx",
    6: "reset",
    7: "bit_in",
    8: "bit_out",
    9: "in",
    10: "out",
    11: "found",
}
_OUTGOING = ("tx", "bit_out", "out")
_END = 15
_SECOND_US = 1_000_000


class TapError(MotekitError):
    """A line that tells of buses, intact and yet such that no recording can be made of it."""


class Entry(NamedTuple):
    """One thing that went over a bus, `us` microseconds after the board's clock began.

    `read` is what came, `size` how much was asked for; `errno` is 0 where the bus did not fail.
    """

    us: int
    bus: str
    op: str
    address: int | None = None
    written: bytes = b""
    read: bytes = b""
    size: int = 0
    errno: int = 0


class TapReader:
    """Takes a board's lines in their order; `buses` tells the kind of each bus by its name."""

    def __init__(self) -> None:
        self.buses: dict[str, str] = {}
        self.lines = 0
        self.lost_lines = 0
        self.lost_entries = 0
        self.ended_us: int | None = None
        self._names: dict[int, str] = {}
        self._next = 0

    def take(self, text: str) -> list[Entry]:
        """Return what a line tells, nothing for one that is of something else or damaged."""
        if not text.startswith(MARK) or self.ended_us is not None:
            return []
        try:
            data = binascii.a2b_base64(text.removeprefix(MARK).encode("ascii", "replace"))
        except binascii.Error:
            return []  # its number will be missing
        body, crc = data[:-_CRC_BYTES], data[-_CRC_BYTES:]
        if len(body) < _HEAD.size or binascii.crc32(body).to_bytes(4, "little") != crc:
            return []
        number, s, us = _HEAD.unpack_from(body)
        missing = number - self._next & 0xFFFF
        if missing >= 0x8000:
            return []  # one that was there already
        self.lost_lines += missing
        self._next = number + 1 & 0xFFFF
        self.lines += 1
        try:
            return list(self._entries(body, s * _SECOND_US + us))
        except (IndexError, ValueError, KeyError, struct.error) as e:
            raise TapError(
                f"line {number} of a recording is no such line ({e!r}): {text[:80]}; "
                f"is the board's firmware of another version?"
            ) from None

    def _entries(self, body: bytes, us: int) -> Iterator[Entry]:
        at = _HEAD.size
        last: dict[str, tuple[int, bytes]] = {}
        while at < len(body):
            head = body[at]
            at += 1
            if head & 0x80:
                us += int.from_bytes(body[at : at + 3], "little")
                at += 3
            size = body[at]
            data = body[at + 1 : at + 1 + size]
            at += 1 + size
            if len(data) != size:
                raise ValueError(f"{len(data)} bytes of {size}")
            entry = self._entry(head & 0x0F, head >> 4 & 7, data, us, last)
            if entry is not None:
                yield entry

    def _entry(
        self, op: int, number: int, data: bytes, us: int, last: dict[str, tuple[int, bytes]]
    ) -> Entry | None:
        if op == _BUS:
            self._names[number] = name = data[1:].decode()
            self.buses[name] = KINDS[data[0]]
            return None
        if op == _END:
            (self.lost_entries,) = struct.unpack("<H", data)
            self.ended_us = us
            return None
        bus = self._names.get(number)
        if bus is None and self.lost_lines:
            raise TapError(
                "a line was lost or damaged on the serial line that names one of the buses; "
                "record again"
            )
        if bus is None:
            raise ValueError(f"bus {number} without a name")
        if op in _OTHERS:
            name = _OTHERS[op]
            outgoing = name in _OUTGOING
            return Entry(
                us, bus, name, None, data if outgoing else b"", b"" if outgoing else data,
                0 if outgoing else len(data),
            )  # fmt: skip
        if op == _AGAIN:
            address, written = last[bus]
            return Entry(us, bus, "i2c", address, written, data, len(data))
        address, n = data[:2]
        written, rest = data[2 : 2 + n], data[2 + n :]
        if op == _FAILED:
            size, errno = rest
            return Entry(us, bus, "i2c", address, written, b"", size, errno or 5)
        if op != _I2C:
            raise ValueError(f"entry of kind {op}")
        last[bus] = address, written
        return Entry(us, bus, "i2c", address, written, rest, len(rest))

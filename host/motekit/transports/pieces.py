"""Pieces of packets and messages put together again, the missing ones asked for.

A packet of up to 4 KiB crosses a serial line in pieces of at most 128 bytes, each in a frame of
its own. What arrives here is intact (CRC), but may be lost, late, doubled, or of two packets
that share an id because the board restarted. Nothing here waits or grows without end: at most
`IN_PROGRESS` things are open, and one that makes no progress in `ASKS_MAX` requests is given up
and counted.
"""

from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

PIECE_BYTES = 128
PIECES_MAX = 32
IN_PROGRESS = 8
ALL = (1 << PIECES_MAX) - 1
ASK_AFTER_S = 0.25
ASKS_MAX = 12
AHEAD_MAX = 8  # the board's window is 4: what is further ahead is another epoch's


class Wanted(NamedTuple):
    """Pieces that the other side is to send again: bit i of mask = piece i."""

    number: int
    mask: int


@dataclass
class _Open:
    """One thing in progress; `last` is None while no piece of it was seen."""

    touched: float
    last: int | None = None
    pieces: dict[int, bytes] = field(default_factory=dict[int, bytes])
    asks: int = 0
    evident: bool = False  # something that follows has arrived, so waiting helps no more

    def missing(self) -> int:
        if self.last is None:
            return ALL
        mask = (1 << self.last + 1) - 1
        for index in self.pieces:
            mask &= ~(1 << index)
        return mask


class Assembler:
    """Pieces in, whole things out; `wanted` says what to ask for."""

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}
        self._done: dict[int, bytes] = {}
        self._expected: int | None = None
        self.given_up = 0

    @property
    def busy(self) -> bool:
        """Tell whether something is in progress."""
        return bool(self._open)

    def expect(self, number: int) -> None:
        """Say which number comes next in order; those before it are wanted no longer."""
        self._expected = number & 0xFF
        for n in list(self._open):
            if (n - self._expected) & 0xFF >= 0x80:
                del self._open[n]

    def forget(self) -> None:
        """Drop all that is in progress: the board has restarted and numbers begin anew."""
        self._open.clear()
        self._done.clear()
        self._expected = None

    def take(self, number: int, index: int, last: int, data: bytes, now: float) -> bytes | None:
        """Add a piece; return the whole if it is complete (again, when it was sent again).

        Raises ValueError for a piece that cannot be.
        """
        if not (index <= last < PIECES_MAX and 0 < len(data) <= PIECE_BYTES):
            raise ValueError(f"piece {index} of {last}, {len(data)} bytes")
        if index < last and len(data) != PIECE_BYTES:
            raise ValueError(f"piece {index} of {last} is {len(data)} bytes, 128 expected")
        done = self._done.get(number)
        if done is not None:
            if _is_piece_of(done, index, last, data):
                return done if index == last else None
            del self._done[number]
        self._see_ahead(number, now)
        entry = self._entry(number, index, last, data, now)
        entry.pieces[index] = data
        entry.touched = now
        entry.asks = 0
        if len(entry.pieces) <= last:
            entry.evident = entry.evident or index == last
            return None
        del self._open[number]
        whole = b"".join(entry.pieces[i] for i in range(last + 1))
        self._done[number] = whole
        if len(self._done) > IN_PROGRESS:
            del self._done[next(iter(self._done))]
        return whole

    def _entry(self, number: int, index: int, last: int, data: bytes, now: float) -> _Open:
        entry = self._open.get(number)
        if entry is not None and entry.last is None:
            entry.last = last
        if entry is not None and (entry.last != last or entry.pieces.get(index, data) != data):
            self._give_up(number)  # another packet under the same number
            entry = None
        if entry is None:
            entry = self._start(number, now)
            entry.last = last
        for n, other in self._open.items():
            if n != number and (number - n) & 0xFF < 0x80:
                other.evident = True
        return entry

    def _start(self, number: int, now: float) -> _Open:
        while len(self._open) >= IN_PROGRESS:
            self._give_up(next(iter(self._open)))
        entry = self._open[number] = _Open(now)
        return entry

    def _give_up(self, number: int) -> None:
        if self._open.pop(number).pieces:
            self.given_up += 1

    def _see_ahead(self, number: int, now: float) -> None:
        """Note the numbers between the expected one and this of which nothing has arrived."""
        if self._expected is None:
            return
        ahead = (number - self._expected) & 0xFF
        if 0 < ahead < AHEAD_MAX:
            for n in range(ahead):
                between = (self._expected + n) & 0xFF
                if between not in self._done and between not in self._open:
                    self._start(between, now).evident = True

    def due_at(self) -> float:
        """Return when `wanted` has something next, if nothing comes; infinity if never."""
        return min(
            (
                entry.touched + (0 if entry.evident and not entry.asks else ASK_AFTER_S)
                for entry in self._open.values()
            ),
            default=inf,
        )

    def wanted(self, now: float) -> Wanted | None:
        """Return the most urgent request that is due, and count it as made."""
        for number, entry in list(self._open.items()):
            quiet = now - entry.touched
            if quiet < ASK_AFTER_S and not (entry.evident and not entry.asks):
                continue
            if entry.asks >= ASKS_MAX:
                self._give_up(number)
                continue
            entry.asks += 1
            entry.touched = now
            return Wanted(number, entry.missing())
        return None


def _is_piece_of(whole: bytes, index: int, last: int, data: bytes) -> bool:
    at = index * PIECE_BYTES
    pieces = -(-len(whole) // PIECE_BYTES)
    return last == pieces - 1 and whole[at : at + PIECE_BYTES] == data

"""Which sequence numbers of one (device, generation, epoch) are settled: stored, or lost for ever.

`next` is the first seq that is not settled; `ahead` are the settled runs beyond it, `lost` those
of all settled seqs that will never come. A run is (first, last), both settled; runs are sorted,
and apart by at least one seq. In steady state both lists are empty and only `next` moves.
"""

import json
from bisect import bisect_right
from typing import NamedTuple

Run = tuple[int, int]
RUNS_MAX = 4096  # of one epoch; a sender of every other seq cannot grow the table beyond it


def _find(runs: list[Run], seq: int) -> int:
    """Return the position of the run that holds seq, or -1."""
    at = bisect_right(runs, (seq, 1 << 64)) - 1
    return at if at >= 0 and runs[at][1] >= seq else -1


def _insert(runs: list[Run], first: int, last: int) -> None:
    """Add a run, merged with every run that it touches."""
    at = bisect_right(runs, (first, -1))
    if at and runs[at - 1][1] >= first - 1:
        at -= 1
    end = at
    while end < len(runs) and runs[end][0] <= last + 1:
        first = min(first, runs[end][0])
        last = max(last, runs[end][1])
        end += 1
    runs[at:end] = [(first, last)]


def _remove(runs: list[Run], seq: int) -> None:
    """Take one seq out of the run that holds it."""
    at = _find(runs, seq)
    first, last = runs[at]
    runs[at : at + 1] = [r for r in ((first, seq - 1), (seq + 1, last)) if r[0] <= r[1]]


def _outside(runs: list[Run], first: int, last: int) -> list[Run]:
    """Return the parts of first..last that no run covers."""
    out: list[Run] = []
    for start, end in runs[max(bisect_right(runs, (first, -1)) - 1, 0) :]:
        if start > last:
            break
        if end < first:
            continue
        if start > first:
            out.append((first, start - 1))
        first = end + 1
    if first <= last:
        out.append((first, last))
    return out


class Progress(NamedTuple):
    """A copy of the state, as the table keeps it."""

    next: int
    ahead: str | None  # JSON [[first, last], ...]
    lost: str | None


NOTHING = Progress(0, None, None)


def _dump(runs: list[Run]) -> str | None:
    return json.dumps(runs, separators=(",", ":")) if runs else None


def _load(text: str | None) -> list[Run]:
    return [(first, last) for first, last in json.loads(text)] if text else []


class Seen:
    """The settled seqs of one epoch; `id` is the epoch's row in the store."""

    __slots__ = ("ahead", "id", "lost", "next")

    def __init__(self, row: int, progress: Progress = NOTHING) -> None:
        self.id = row
        self.next = progress.next
        self.ahead = _load(progress.ahead)
        self.lost = _load(progress.lost)

    def progress(self) -> Progress:
        """Return the state in the form of the table."""
        return Progress(self.next, _dump(self.ahead), _dump(self.lost))

    def add(self, seq: int) -> bool:
        """Settle a seq that came; False if it had come before (one given up for lost had not)."""
        if seq == self.next and not self.ahead:
            self.next += 1
            return True
        if seq < self.next or _find(self.ahead, seq) >= 0:
            if _find(self.lost, seq) < 0:
                return False
            _remove(self.lost, seq)
            return True
        self._settle(seq, seq)
        return True

    def room(self, seq: int) -> bool:
        """Tell whether `add(seq)` leaves the table within its bound."""
        if len(self.ahead) < RUNS_MAX or seq <= self.next:
            return True
        return any(_find(self.ahead, near) >= 0 for near in (seq - 1, seq, seq + 1))

    def give_up(self, first: int, last: int) -> int:
        """Settle as lost what of first..last has not come; return how many seqs that were."""
        lost = 0
        for start, end in _outside(self.ahead, max(first, self.next), last):
            _insert(self.lost, start, end)
            self._settle(start, end)
            lost += end - start + 1
        return lost

    def missing(self) -> list[Run]:
        """Return the gaps below the highest settled seq, those given up left out."""
        gaps: list[Run] = []
        start = self.next
        for first, last in self.ahead:
            gaps.append((start, first - 1))
            start = last + 1
        return gaps

    def highest(self) -> int | None:
        """Return the highest settled seq."""
        end = self.ahead[-1][1] + 1 if self.ahead else self.next
        return end - 1 if end else None

    def lost_count(self) -> int:
        """Return how many seqs are given up."""
        return sum(last - first + 1 for first, last in self.lost)

    def _settle(self, first: int, last: int) -> None:
        _insert(self.ahead, first, last)
        if self.ahead[0][0] <= self.next:
            self.next = self.ahead.pop(0)[1] + 1

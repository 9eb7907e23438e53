"""From a board's monotonic time to UTC, by the anchors of the epoch.

Between two anchors time runs linearly. Outside them it runs at the rate of the nearest anchors
that lie far enough apart to tell it better than a crystal holds it, or at 1. Only the anchors of
the best quality of the epoch count, and none that 64 bits of ns cannot hold. An epoch without
anchors has no UTC.

Two anchors agree that no more than drift of a crystal lies between; what runs further off is
believed where the next anchors tell the same rate. Those that contradict others before and
after, which agree, are of a host whose clock was wrong meanwhile: they are refused. Where those
before agree among themselves and those after do, too, one of the clocks was set in between, the
host's or the board's, or the board's stood still, and nothing tells which or when: up to the
first after, time runs on from the last before, and is doubtful.
"""

from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from motekit.store import Anchor

Ints = NDArray[np.int64]

CRYSTAL = 200e-6  # what a board's clock may be off, relative; a rate less certain is not used
RATE_MAX = 1e-3  # a rate further off comes from a clock that was set, not from drift
DRIFT_MAX = 300e-6  # as much between two anchors is taken for drift, at any temperature
STEADY_MAX = 3e-3  # as much is, too, where anchors tell it twice, one after the other
SET_MIN_US = 1_000_000  # a clock that was set by less is not told from one that is corrected
TIME_MAX_NS = (1 << 63) - 1
US = 1000
_CHAINS = 16  # of anchors that agree, each of which a next one may go on


class Clock:
    """The clock of one epoch. Times are int64 ns: the board's, and UTC since 1970.

    `refused` are the anchors that contradict others; `apart_us` is by how much the farthest two
    are apart that were not, yet contradict each other.
    """

    def __init__(self, anchors: Sequence[Anchor]) -> None:
        told = [a for a in anchors if max(a.time_us, a.utc_us) * US <= TIME_MAX_NS]
        best = max((anchor.quality for anchor in told), default=0)
        used = sorted(anchor for anchor in told if anchor.quality == best and best > 0)
        runs = _joined(_trusted(used))
        kept = {anchor for run in runs for anchor in run}
        self.quality = best
        self.refused = tuple(anchor for anchor in used if anchor not in kept)
        self.apart_us = max((_apart_us(a[-1], b[0]) for a, b in pairwise(runs)), default=0)
        knots = list(_knots(runs))
        self._time = np.array([time for time, _, _ in knots], np.int64)
        self._utc = np.array([utc for _, utc, _ in knots], np.int64)
        self._doubtful = np.array([*(doubtful for _, _, doubtful in knots), False], np.bool_)
        self._head = _rate_off(runs[0]) if runs else 0.0
        self._tail = _rate_off(runs[-1][::-1]) if runs else 0.0

    def __bool__(self) -> bool:
        """Tell whether the epoch has any anchor."""
        return len(self._time) > 0

    def utc_ns(self, time_ns: Ints) -> Ints:
        """Return the UTC of monotonic times."""
        before = np.searchsorted(self._time, time_ns, "right") - 1
        at = np.clip(before, 0, len(self._time) - 1)
        passed = time_ns - self._time[at]
        if len(self._time) > 1:
            spans = np.diff(self._time)
            off = (np.diff(self._utc) - spans) / spans
        else:
            off = np.zeros(0)
        off = np.concatenate(([self._head], off, [self._tail]))
        return self._utc[at] + passed + np.rint(passed * off[before + 1]).astype(np.int64)

    def qualities(self, time_ns: Ints) -> NDArray[np.int8]:
        """Return how far each time can be trusted: as the anchors, less outside or in doubt."""
        outside = (time_ns < self._time[0]) | (time_ns > self._time[-1])
        less = outside | self.doubtful(time_ns)
        return np.where(less, self.quality - 1, self.quality).astype(np.int8)

    def doubtful(self, time_ns: Ints) -> NDArray[np.bool_]:
        """Return which times lie between two anchors that contradict each other."""
        return self._doubtful[np.searchsorted(self._time, time_ns, "right")]

    def earliest_ns(self, utc_ns: int) -> int:
        """Return a monotonic time before which nothing reaches that UTC."""
        reached = np.flatnonzero(self._utc >= utc_ns)
        return self._crossing(int(reached[0]) if len(reached) else len(self._utc), utc_ns)

    def latest_ns(self, utc_ns: int) -> int:
        """Return a monotonic time after which all is at that UTC or later."""
        below = np.flatnonzero(self._utc < utc_ns)
        return self._crossing(int(below[-1]) + 1 if len(below) else 0, utc_ns)

    def _crossing(self, after: int, utc_ns: int) -> int:
        """Return where the line between anchors after - 1 and after crosses a UTC."""
        if 0 < after < len(self._utc):
            t0, t1 = int(self._time[after - 1]), int(self._time[after])
            u0, u1 = int(self._utc[after - 1]), int(self._utc[after])
            return t0 + (utc_ns - u0) * (t1 - t0) // (u1 - u0) if u1 != u0 else t0
        at, off = (0, self._head) if after == 0 else (-1, self._tail)
        passed = utc_ns - int(self._utc[at])
        time = int(self._time[at]) + passed - round(passed * off / (1 + off))
        return min(max(time, 0), TIME_MAX_NS)


def _rate_off(nearest_first: Sequence[Anchor]) -> float:
    """Return by how much UTC runs faster than the board at the first of the anchors, relative."""
    for other in nearest_first[1:]:
        off = _off(nearest_first[0], other)
        if off is not None:
            return off if abs(off) <= RATE_MAX else 0.0
    return 0.0


def _off(first: Anchor, other: Anchor) -> float | None:
    """Return by how much UTC ran faster than the board between two anchors; None: not told."""
    span = other.time_us - first.time_us
    if not span or first.error_us + other.error_us > CRYSTAL * abs(span):
        return None
    return (other.utc_us - first.utc_us - span) / span


def _apart_us(first: Anchor, other: Anchor) -> int:
    """Return by how much more UTC went on than the board between two anchors, or less."""
    return abs((other.utc_us - first.utc_us) - (other.time_us - first.time_us))


def _agree(first: Anchor, other: Anchor) -> bool:
    """Tell whether no more than drift lies between two anchors."""
    drift_us = DRIFT_MAX * abs(other.time_us - first.time_us)
    return _apart_us(first, other) <= SET_MIN_US + first.error_us + other.error_us + drift_us


def _trusted(anchors: Sequence[Anchor]) -> list[list[Anchor]]:
    """Return runs of anchors that agree, one after the other; what contradicts one is in none.

    Of two that overlap in time the one stays that holds for longer.
    """
    chains: list[list[Anchor]] = []  # the one that went on last is the last
    for anchor in anchors:
        recent = range(len(chains) - 1, max(len(chains) - _CHAINS, 0) - 1, -1)
        found = next((at for at in recent if _agree(chains[at][-1], anchor)), None)
        chains.append([] if found is None else chains.pop(found))
        chains[-1].append(anchor)
    chains.sort(key=lambda chain: (chain[-1].time_us - chain[0].time_us, len(chain)))
    runs: list[list[Anchor]] = []
    for chain in reversed(chains):
        at = bisect(runs, chain)
        around = runs[max(at - 1, 0) : at + 1]
        if not any(run[0] < chain[-1] and chain[0] < run[-1] for run in around):
            runs.insert(at, chain)
    return runs


def _joined(runs: Sequence[Sequence[Anchor]]) -> list[list[Anchor]]:
    """Return the runs, those as one between which the board ran as far off as beside it.

    A crystal that is far off is so all the time; a clock is set, or stands still, once.
    """
    anchors = [anchor for run in runs for anchor in run]
    begins = set(accumulate(len(run) for run in runs[:-1]))
    joined: list[list[Anchor]] = []
    for i, anchor in enumerate(anchors):
        if not joined or (i in begins and not _steady(anchors, i)):
            joined.append([])
        joined[-1].append(anchor)
    return joined


def _steady(anchors: Sequence[Anchor], i: int) -> bool:
    """Tell whether the rate between anchors i - 1 and i is told by their neighbours, too."""
    off = _off(anchors[i - 1], anchors[i])
    beside = (_off(*anchors[at - 1 : at + 1]) for at in (i - 1, i + 1) if 0 < at < len(anchors))
    if off is None or abs(off) > STEADY_MAX:
        return False
    return any(other is not None and abs(other - off) <= CRYSTAL for other in beside)


def _knots(runs: Sequence[Sequence[Anchor]]) -> Iterator[tuple[int, int, bool]]:
    """Yield (time in ns, UTC in ns, whether what lies before is doubtful) of a line through all.

    Where one run ends it goes on at the run's rate until the next begins.
    """
    before: Sequence[Anchor] = ()
    for run in runs:
        if before:
            last = before[-1]
            passed = run[0].time_us * US - 1 - last.time_us * US
            off = round(passed * _rate_off(before[::-1]))
            utc = min(last.utc_us * US + passed + off, TIME_MAX_NS)
            yield last.time_us * US + passed, utc, True
        for anchor in run:
            yield anchor.time_us * US, anchor.utc_us * US, False
        before = run

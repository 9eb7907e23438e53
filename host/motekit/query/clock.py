"""From a board's monotonic time to UTC, by the anchors of the epoch.

Between two anchors time runs linearly. Outside them it runs at the rate of the nearest anchors
that lie far enough apart to tell it better than a crystal holds it, or at 1. Only the anchors of
the best quality of the epoch count, and none that 64 bits of ns cannot hold. An epoch without
anchors has no UTC.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from motekit.store import Anchor

Ints = NDArray[np.int64]

CRYSTAL = 200e-6  # what a board's clock may be off, relative; a rate less certain is not used
RATE_MAX = 1e-3  # a rate further off comes from a clock that was set, not from drift
TIME_MAX_NS = (1 << 63) - 1
US = 1000


class Clock:
    """The clock of one epoch. Times are int64 ns: the board's, and UTC since 1970."""

    def __init__(self, anchors: Sequence[Anchor]) -> None:
        told = [a for a in anchors if max(a.time_us, a.utc_us) * US <= TIME_MAX_NS]
        best = max((anchor.quality for anchor in told), default=0)
        used = sorted(anchor for anchor in told if anchor.quality == best and best > 0)
        self.quality = best
        self._time = np.array([anchor.time_us * US for anchor in used], np.int64)
        self._utc = np.array([anchor.utc_us * US for anchor in used], np.int64)
        self._head = _rate_off(used)
        self._tail = _rate_off(used[::-1])

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
        """Return how far each time can be trusted: the anchors' quality, one less outside them."""
        outside = (time_ns < self._time[0]) | (time_ns > self._time[-1])
        return np.where(outside, self.quality - 1, self.quality).astype(np.int8)

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
        first = nearest_first[0]
        span = abs(other.time_us - first.time_us)
        if (first.error_us + other.error_us) <= CRYSTAL * span:
            off = (abs(other.utc_us - first.utc_us) - span) / span
            return off if abs(off) <= RATE_MAX else 0.0
    return 0.0

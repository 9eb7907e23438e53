"""When each sample was taken, from the (sample index, time) of many packets.

A packet's time is that of its first sample as the board noted it when it emptied the sensor's
FIFO: right on the average, late by up to a sample and some milliseconds. The sensor's own clock is
steady. So a line is fitted through the packets around each one, and samples lie evenly between the
starts of their packet and the next. What a fit may move is bounded by what such a delay can be.
"""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

AROUND = 8  # packets before and behind that a fit looks at
CONTEXT = AROUND + 1  # packets to know on either side of those whose times are asked for
DELAY_NS = 10_000_000  # of a board that is busy
DELAY_MAX_NS = 50_000_000  # the part of the delay that comes with the sampling period
JUMP = 0.25  # a step further off the period than this, and JUMP_NS, is a break, not drift
JUMP_NS = 200_000_000


def start_times(
    index: Ints, time_ns: Ints, count: Ints, period_ns: float | None
) -> tuple[Ints, Floats]:
    """Return the start of each packet in ns, and the ns from sample to sample within it.

    Packets of one stream by seq: index of the first sample, its noted time, number of samples.
    `period_ns` is the nominal one, if known.
    """
    d_index = np.diff(index).astype(np.float64)
    d_time = np.diff(time_ns).astype(np.float64)
    forward = d_index > 0
    if period_ns is None:
        steps = d_time[forward] / d_index[forward]
        period_ns = max(float(np.median(steps)), 0.0) if len(steps) else 0.0
    expected = d_index * period_ns
    broken = ~forward | (np.abs(d_time - expected) > JUMP * expected + JUMP_NS)
    run = np.concatenate(([0], np.cumsum(broken)))
    offset, slope = _fit(index, time_ns, run, period_ns)
    limit = min(1.5 * period_ns, DELAY_MAX_NS) + DELAY_NS
    offset = np.where(count > 1, np.clip(offset, -limit, limit), 0.0)
    start = time_ns + np.rint(offset).astype(np.int64)
    step = slope.copy()
    step[:-1] = np.where(broken, slope[:-1], np.diff(start) / np.where(forward, d_index, 1))
    return start, np.where(step > 0, step, period_ns)


def _fit(index: Ints, time_ns: Ints, run: Ints, period_ns: float) -> tuple[Floats, Floats]:
    """Fit a line through the packets of the run around each packet: offset at it, and slope."""
    near = np.arange(len(index))[:, None] + np.arange(-AROUND, AROUND + 1)
    inside = (near >= 0) & (near < len(index))
    near = np.clip(near, 0, len(index) - 1)
    weight = (inside & (run[near] == run[:, None])).astype(np.float64)
    x = (index[near] - index[:, None]).astype(np.float64) * weight
    t = (time_ns[near] - time_ns[:, None]).astype(np.float64) * weight
    n = weight.sum(1)
    mean_x = x.sum(1) / n
    mean_t = t.sum(1) / n
    dx = (x - mean_x[:, None]) * weight
    spread = (dx * dx).sum(1)
    slope = np.full(len(index), period_ns)
    np.divide((dx * (t - mean_t[:, None])).sum(1), spread, out=slope, where=spread > 0)
    return np.where(spread > 0, mean_t - slope * mean_x, 0.0), slope

"""From the integers of streams to samples: gaps put in, times summed, packets joined."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from motekit.decode.headers import Ints, Mask
from motekit.decode.restore import Values
from motekit.decode.scratch import Scalar
from motekit.decode.streams import Streams


class Part(NamedTuple):
    """Samples of a batch; see `motekit.decode.Samples`."""

    values: Values
    valid: Mask | None
    times_us: Ints | None


def assemble(heads: NDArray[np.void], streams: Streams, integers: Values, bad: Mask) -> Part:
    """Return the samples of a batch from the integers (packets, room, streams) of its streams.

    `bad` grows by the packets whose runs of validity are impossible.
    """
    count = heads["count"].astype(np.int64)
    room = int(count.max())
    inside = np.arange(room) < count[:, None]
    columns = integers[:, :room, streams.extra :]
    valid = None
    if streams.lost.any():
        valid = np.ones(columns.shape, np.bool_)
        for channel in range(columns.shape[2]):
            gaps = np.flatnonzero(streams.lost[:, channel])
            if len(gaps):
                n = streams.n[gaps, channel]
                mask = _mask(integers[gaps, :room, channel], n, count[gaps], bad, gaps)
                bad[gaps] |= count[gaps] - mask.sum(axis=1) != streams.lost[gaps, channel]
                if bad.any():
                    break
                valid[gaps, :, channel] = mask
                columns[gaps, :, channel] = _spread(columns[gaps, :, channel], mask)
    times_us = None
    if heads["timed"].any():
        times_us = _times(heads, integers[:, : room - 1, -columns.shape[2] - 1])
    return Part(
        _rows(columns, inside),
        None if valid is None else _rows(valid, inside),
        None if times_us is None else times_us[inside],
    )


def _rows(table: NDArray[Scalar], inside: Mask) -> NDArray[Scalar]:
    """Return the rows inside packets, one after another; no copy where all are as long."""
    if inside.all():
        return table.reshape(-1, table.shape[2])
    return table[inside]


def _mask(runs: Values, n: Ints, count: Ints, bad: Mask, packets: Ints) -> Mask:
    """Return which samples are valid, from the first `n` lengths of alternating runs.

    The last run, valid or not, takes what is left of the samples.
    """
    place: Ints = np.arange(int(runs.shape[1]) + 1)
    lengths = np.zeros((len(runs), len(place)), np.int64)
    lengths[:, :-1] = runs
    coded = place < n[:, None]
    lengths *= coded
    wrong = np.any(coded & (lengths < (place > 0)), axis=1)
    rest: Ints = count - lengths.sum(axis=1)
    wrong |= rest < 1
    bad[packets] |= wrong
    lengths[np.arange(len(runs)), n] = rest
    lengths[wrong] = 0
    lengths[wrong, 0] = count[wrong]
    good: Mask = np.broadcast_to(place % 2 == 0, lengths.shape)
    mask = np.zeros(runs.shape, np.bool_)
    mask[place[:-1] < count[:, None]] = np.repeat(good.ravel(), lengths.ravel())
    return mask


def _spread(values: Values, mask: Mask) -> Values:
    """Return the values put where the mask is set, in order, and 0 elsewhere."""
    out = np.zeros(values.shape, np.int32)
    out[mask] = values[np.arange(values.shape[1]) < mask.sum(axis=1)[:, None]]
    return out


def _times(heads: NDArray[np.void], steps: Values) -> Ints:
    """Return the time of each sample; where a packet has none, that of its first."""
    timed = heads["timed"]
    times_us = np.repeat(heads["time_us"].astype(np.int64)[:, None], steps.shape[1] + 1, axis=1)
    times_us[timed, 1:] += np.cumsum(steps[timed], axis=1, dtype=np.int64)
    return times_us

"""Values from residuals: the predictors of many streams at once, modulo 2^32."""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from motekit.decode import scratch
from motekit.decode.headers import Ints
from motekit.decode.sections import BLOCK, Blocks
from motekit.decode.streams import (
    CONSTANT,
    FIRST,
    LINEAR,
    ORDER_0,
    ORDER_1,
    ORDER_2,
    PACKED,
    SPARSE_1,
    Streams,
)

Values = NDArray[np.int32]


def restore(streams: Streams, blocks: Blocks, residuals: Values, low: Values, out: Values) -> None:
    """Write the integers of all streams to `out`, of shape (packets, room, streams).

    `room` is at least the longest stream; what lies behind the end of a stream means nothing.
    The residuals are used up.
    """
    per_packet = streams.n.shape[1]
    columns = out.transpose(0, 2, 1)
    counts = np.bincount(blocks.stream, minlength=streams.n.size)
    firsts = np.cumsum(counts) - counts
    predictor = np.where(streams.n.ravel() > 0, streams.predictor.ravel(), -1)
    for kind, action in _ACTIONS.items():
        chosen = np.flatnonzero(predictor == kind)
        if not len(chosen):
            continue
        table = low if kind == PACKED else residuals
        values = table[:0]
        if kind != CONSTANT:
            values = _rows(table, firsts[chosen], counts[chosen])
        values = action(streams, chosen, values)
        shift = streams.shift.ravel()[chosen]
        if shift.any():
            values <<= shift.astype(np.int32)[:, None]
        packet, stream = chosen // per_packet, chosen % per_packet
        first = int(FIRST[kind])
        for i in range(first):
            columns[packet, stream, i] = _given(streams, chosen, i) << shift.astype(np.int32)
        length = min(out.shape[1] - first, values.shape[1])
        columns[packet, stream, first : first + length] = values[:, :length]


def _given(streams: Streams, chosen: Ints, place: int) -> Values:
    """Return the first or second value, for streams whose predictor needs it to begin with."""
    value = streams.start.ravel()[chosen].astype(np.int32)
    if place:
        value += streams.second.ravel()[chosen].astype(np.int32)
    return value


def _rows(table: Values, firsts: Ints, counts: Ints) -> Values:
    """Return the blocks of each stream in one row; a view where they lie side by side."""
    longest = int(counts.max())
    if (firsts == firsts[0] + longest * np.arange(len(firsts))).all() and counts.min() == longest:
        return table[firsts[0] : firsts[0] + longest * len(firsts)].reshape(-1, longest * BLOCK)
    index = firsts[:, None] + np.minimum(np.arange(longest), counts[:, None] - 1)
    return table[index].reshape(-1, longest * BLOCK)


def _start(streams: Streams, chosen: Ints) -> Values:
    """Return the first value (or base) of the streams, as a column."""
    return streams.start.ravel()[chosen].astype(np.int32)[:, None]


def _constant(streams: Streams, chosen: Ints, _none: Values) -> Values:
    length = int(streams.n.ravel()[chosen].max())
    return np.repeat(_start(streams, chosen), length, axis=1)


def _offset(streams: Streams, chosen: Ints, rows: Values) -> Values:
    rows += _start(streams, chosen)
    return rows


def _order_1(streams: Streams, chosen: Ints, rows: Values) -> Values:
    rows[:, 0] += _given(streams, chosen, 0)
    return np.cumsum(rows, axis=1, dtype=np.int32, out=rows)


def _order_2(streams: Streams, chosen: Ints, rows: Values) -> Values:
    rows[:, 0] += streams.second.ravel()[chosen].astype(np.int32)
    np.cumsum(rows, axis=1, dtype=np.int32, out=rows)
    rows[:, 0] += _given(streams, chosen, 1)
    return np.cumsum(rows, axis=1, dtype=np.int32, out=rows)


def _linear(streams: Streams, chosen: Ints, rows: Values) -> Values:
    """Linear prediction, sample by sample over all streams; see SPEC.md, predictor 4."""
    order = streams.order.ravel()[chosen]
    scale = streams.scale.ravel()[chosen]
    n = streams.n.ravel()[chosen]
    weights = streams.coefficients.reshape(-1, streams.coefficients.shape[2])[chosen]
    rows = rows[:, : int(n.max())]
    y = _recursion(rows, weights[:, : order.max()], scale, order)
    with np.errstate(invalid="ignore"):
        if n.min() < len(y):
            y[np.arange(len(y))[:, None] >= n] = 0
        out = np.ascontiguousarray(y.astype(np.int32).T)
        # Exact as long as nothing wraps, which may be told afterwards from the sizes reached.
        reach = np.maximum(y.max(axis=0), -y.min(axis=0))
        reach *= np.abs(weights.astype(np.int64)).sum(axis=1) + 1
        wrapped = ~(reach + 64 < 2**31)
    if wrapped.any():
        out[wrapped] = _recursion_wrapping(
            rows[wrapped], weights[wrapped], scale[wrapped], order[wrapped]
        )
    out += _start(streams, chosen)
    return out


def _recursion(
    rows: Values, weights: NDArray[np.int8], scale: Ints, order: Ints
) -> NDArray[np.float64]:
    """Return y, (samples, streams), in doubles: each step is three operations over all streams."""
    streams, length = rows.shape
    taps = weights.shape[1]
    factors = np.ascontiguousarray((weights / (1 << scale)[:, None]).T)
    y = scratch.array("linear", (length + taps, streams), np.float64)
    y[:length] = rows.T
    y[length:] = 0
    half = np.where(scale > 0, 0.5, 0.0)
    y[taps:length] += half
    product = np.empty_like(factors)
    row = y.strides[0]
    ahead = as_strided(y[1:], (length, taps, streams), (row, *y.strides))
    floor, multiply, add = np.floor, np.multiply, np.add
    with np.errstate(over="ignore", invalid="ignore"):
        for i in range(min(taps, length)):
            start = rows[:, i] + (y[i - 1] if i else 0.0)
            y[i] = np.where(i < order, start, np.floor(y[i] + half))
            ahead[i] += factors * y[i]
        # Calls are what this costs where packets are few: names and outputs cost least like this.
        for now, later in zip(y[taps:length], ahead[taps:], strict=True):
            floor(now, now)
            multiply(factors, now, product)
            add(later, product, later)
    return y[:length]


def _recursion_wrapping(
    rows: Values, weights: NDArray[np.int8], scale: Ints, order: Ints
) -> Values:
    """Return y in 32-bit integers that wrap, for streams where doubles would not."""
    streams, length = rows.shape
    taps = weights.shape[1]
    factors = weights.T.astype(np.int32)
    down = scale.astype(np.int32)
    half = (1 << scale >> 1).astype(np.int32)
    total = np.zeros((length + taps, streams), np.int32)
    y = np.empty((length, streams), np.int32)
    for i in range(length):
        guess = (total[i] + half) >> down
        guess = np.where(i < order, y[i - 1] if i else np.int32(0), guess)
        y[i] = rows[:, i] + guess
        total[i + 1 : i + 1 + taps] += factors * y[i]
    return np.ascontiguousarray(y.T)


_ACTIONS: dict[int, Callable[[Streams, Ints, Values], Values]] = {
    CONSTANT: _constant,
    ORDER_0: _offset,
    ORDER_1: _order_1,
    ORDER_2: _order_2,
    LINEAR: _linear,
    PACKED: _offset,
    SPARSE_1: _order_1,
}

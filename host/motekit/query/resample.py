"""Rows of equal spans of time: mean, least, greatest and count of each channel."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .batch import NO_TIME, Batch, Column, Ints, Layout, Mask
from .digits import MEAN_DECIMALS

COUNT = np.dtype(np.int64)
STATISTICS = ("mean", "min", "max", "count")
US = 1000


def resampled_layout(layout: Layout) -> Layout:
    """Return the columns of the result: `<channel>_mean`, `_min`, `_max`, `_count`."""
    columns: list[Column] = []
    for name, dtype, unit, decimals in layout.columns:
        finer = None if decimals is None else decimals + MEAN_DECIMALS
        for what, places in zip(STATISTICS[:3], (finer, decimals, decimals), strict=True):
            columns.append(Column(f"{name}_{what}", dtype, unit, places))
        columns.append(Column(f"{name}_count", COUNT))
    return Layout(tuple(columns), layout.monotonic)


class Bins(NamedTuple):
    """Sums over spans of time; one row a span, in order of time."""

    start_ns: Ints
    monotonic_us: Ints
    total: NDArray[np.float64]  # (spans, channels)
    least: NDArray[np.float64]
    greatest: NDArray[np.float64]
    counts: Ints

    def part(self, chosen: slice) -> "Bins":
        """Return some of the spans."""
        return Bins(
            self.start_ns[chosen],
            self.monotonic_us[chosen],
            self.total[chosen],
            self.least[chosen],
            self.greatest[chosen],
            self.counts[chosen],
        )


def resample(batches: Iterable[Batch], every_ns: int) -> Iterator[Batch]:
    """Yield the spans of `every_ns` (from 1970 on) that hold any sample with a time.

    A span is told when a later one begins, so one stream is held at a time.
    """
    open_bins: Bins | None = None
    key: tuple[str, str, tuple[str, ...]] | None = None
    for batch in batches:
        names = tuple(batch.values)
        bins = _bins(batch, names, every_ns)
        if bins is None:
            continue
        if key is not None and open_bins is not None:
            if key == (batch.device, batch.stream, names):
                bins = _merge(open_bins, bins)
            else:
                yield _batch(key, open_bins)
        key = (batch.device, batch.stream, names)
        if len(bins.start_ns) > 1:
            yield _batch(key, bins.part(slice(-1)))
        open_bins = bins.part(slice(-1, None))
    if key is not None and open_bins is not None:
        yield _batch(key, open_bins)


def _bins(batch: Batch, names: tuple[str, ...], every_ns: int) -> Bins | None:
    """Return the spans of a batch."""
    timed = batch.time_ns != NO_TIME
    span = batch.time_ns[timed] // every_ns
    if not len(span):
        return None
    order = np.argsort(span, kind="stable")
    span = span[order]
    firsts = np.flatnonzero(np.concatenate(([True], np.diff(span) > 0)))
    values = np.stack([batch.values[name][timed][order] for name in names], 1).astype(np.float64)
    valid = np.stack([_valid(batch, name)[timed][order] for name in names], 1)
    return Bins(
        span[firsts] * every_ns,
        batch.monotonic_us[timed][order][firsts],
        np.add.reduceat(np.where(valid, values, 0.0), firsts),
        np.minimum.reduceat(np.where(valid, values, np.inf), firsts),
        np.maximum.reduceat(np.where(valid, values, -np.inf), firsts),
        np.add.reduceat(valid.astype(np.int64), firsts),
    )


def _valid(batch: Batch, name: str) -> Mask:
    mask = batch.valid.get(name)
    return np.ones(len(batch), np.bool_) if mask is None else mask


def _merge(a: Bins, b: Bins) -> Bins:
    """Join the last span so far with those that follow; it may go on in their first."""
    if a.start_ns[-1] != b.start_ns[0]:
        return Bins(
            np.concatenate((a.start_ns, b.start_ns)),
            np.concatenate((a.monotonic_us, b.monotonic_us)),
            np.concatenate((a.total, b.total)),
            np.concatenate((a.least, b.least)),
            np.concatenate((a.greatest, b.greatest)),
            np.concatenate((a.counts, b.counts)),
        )
    b.total[0] += a.total[0]
    b.least[0] = np.minimum(a.least[0], b.least[0])
    b.greatest[0] = np.maximum(a.greatest[0], b.greatest[0])
    b.counts[0] += a.counts[0]
    b.monotonic_us[0] = a.monotonic_us[0]
    return b


def _batch(key: tuple[str, str, tuple[str, ...]], bins: Bins) -> Batch:
    device, stream, names = key
    values: dict[str, NDArray[Any]] = {}
    valid: dict[str, Mask] = {}
    for at, name in enumerate(names):
        count = bins.counts[:, at]
        some = count > 0
        columns = (
            bins.total[:, at] / np.maximum(count, 1),
            bins.least[:, at],
            bins.greatest[:, at],
        )
        for what, column in zip(STATISTICS[:3], columns, strict=True):
            values[f"{name}_{what}"] = np.where(some, column, 0.0)
            if not some.all():
                valid[f"{name}_{what}"] = some
        values[f"{name}_count"] = count
    return Batch(device, stream, bins.start_ns, bins.monotonic_us, values, valid)

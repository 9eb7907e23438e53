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


class Run(NamedTuple):
    """Batches of one run of a board, in order of time; runs are in the order of their begins."""

    batches: Iterable[Batch]
    overlap_ns: int | None  # from then on a later run of the same stream may have samples, too


def resample(runs: Iterable[Run], every_ns: int) -> Iterator[Batch]:
    """Yield the spans of `every_ns` (from 1970 on) that hold any sample with a time.

    A span is told when nothing can be added any more: when its run is beyond it, and no later run
    of its stream reaches into it, as one may if a clock was set wrongly.
    """
    held: Bins | None = None
    key: tuple[str, str, tuple[str, ...]] | None = None
    for run in runs:
        for batch in run.batches:
            names = tuple(batch.values)
            bins = _bins(batch, names, every_ns)
            if bins is None:
                continue
            settled = int(bins.start_ns[-1])
            if run.overlap_ns is not None:
                settled = min(settled, run.overlap_ns // every_ns * every_ns)
            if key is not None and held is not None:
                if key == (batch.device, batch.stream, names):
                    bins = _merge(held, bins)
                else:
                    yield _batch(key, held)
            key = (batch.device, batch.stream, names)
            count = int(bins.start_ns.searchsorted(settled))
            if count:
                yield _batch(key, bins.part(slice(count)))
            held = bins.part(slice(count, None))
    if key is not None and held is not None:
        yield _batch(key, held)


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
    """Join spans of which both may hold some."""
    start_ns = np.concatenate((a.start_ns, b.start_ns))
    order = np.argsort(start_ns, kind="stable")
    start_ns = start_ns[order]
    firsts = np.flatnonzero(np.concatenate(([True], np.diff(start_ns) > 0)))
    return Bins(
        start_ns[firsts],
        np.concatenate((a.monotonic_us, b.monotonic_us))[order][firsts],
        np.add.reduceat(np.concatenate((a.total, b.total))[order], firsts),
        np.minimum.reduceat(np.concatenate((a.least, b.least))[order], firsts),
        np.maximum.reduceat(np.concatenate((a.greatest, b.greatest))[order], firsts),
        np.add.reduceat(np.concatenate((a.counts, b.counts))[order], firsts),
    )


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

"""Questions to a store: which devices and streams, when, in units or as raw integers.

with motekit.open("fleet.motekit") as store:
    table = store.read(stream="adxl345", since="-1h")
    print(table["accel_x"].mean())
"""

import os
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from motekit.errors import UsageError
from motekit.store import Store, Summary

from . import columnar
from .batch import DEVICE, MONOTONIC, STREAM, TIME, Batch, Column, Layout, Mask
from .bounds import Bounds, bounds, duration_ns
from .devices import labels
from .held import held
from .pages import Notes, batches
from .resample import Run, resample, resampled_layout
from .series import Series, layout, overlap_ns, select

STORE_VARIABLE = "MOTEKIT_STORE"
Names = str | Iterable[str] | None


class Result(NamedTuple):
    """An answer on its way: its columns are known, its batches are read as they are asked for.

    `notes` says what was left out, once the batches are through.
    """

    layout: Layout
    batches: Iterator[Batch]
    notes: Notes


class Part(NamedTuple):
    """What one stream of one device has to answer; `label` is what the device is called."""

    device: str
    label: str
    stream: str
    result: Result


class Table:
    """An answer in memory, column by column: NumPy arrays, masked ones where something is missing.

    `device` and `stream` are arrays of str, `time` is datetime64[ns] in UTC (NaT where it is not
    known), channels are float64 in their unit, or int32 if raw.
    """

    def __init__(self, layout: Layout, batches: list[Batch], notes: list[str]) -> None:
        self.layout = layout
        self.notes = notes
        self.columns: dict[str, NDArray[Any]] = _columns(layout, batches)
        self._batches = batches

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.columns[TIME])

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column; KeyError names those that there are."""
        if name not in self.columns:
            raise KeyError(f"{name}: no such column; there are: {', '.join(self.columns)}")
        return self.columns[name]

    def arrow(self) -> Any:
        """Return a pyarrow.Table; MotekitError if pyarrow is not installed."""
        pa = columnar.load()
        schema = columnar.schema(self.layout)
        rows = [columnar.record_batch(batch, self.layout, schema) for batch in self._batches]
        return pa.Table.from_batches(rows, schema)


class Archive:
    """A store, to be asked. Close it, or use it in a `with`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def close(self) -> None:
        """Release the file."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def devices(self) -> list[str]:
        """Return the ids of all devices."""
        return self._store.devices()

    def streams(self, device: str | None = None) -> list[str]:
        """Return the names of all streams, or of those of one device."""
        chosen = Bounds(None if device is None else frozenset((device,)))
        return list(dict.fromkeys(series.name for series in select(self._store, chosen)))

    def summary(self) -> Summary:
        """Return per device what came, what is missing and what is lost."""
        return self._store.summary()

    def query(
        self,
        device: Names = None,
        stream: Names = None,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        *,
        every: str | None = None,
        raw: bool = False,
        verified: bool = False,
        now_ns: int | None = None,
    ) -> Result:
        """Return the rows asked for in batches, by device, stream and time of start.

        `since` (included) and `until` (excluded) are RFC 3339 times or durations before now, as
        `-1h`; a device goes by its id or its board's name; `every` (as `1m`) gives mean, min,
        max and count of each span of time. UsageError for a time that is none, an empty range,
        or a device or stream that the store does not have.
        """
        asked = _asked(device, stream, since, until, every, raw, verified, now_ns)
        return self._result(asked, select(self._store, asked.bounds))

    def by_stream(
        self,
        device: Names = None,
        stream: Names = None,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        *,
        every: str | None = None,
        raw: bool = False,
        verified: bool = False,
        now_ns: int | None = None,
    ) -> list["Part"]:
        """Return the rows asked for stream by stream, each with its own columns; see `query`."""
        asked = _asked(device, stream, since, until, every, raw, verified, now_ns)
        parts: dict[tuple[str, str], list[Series]] = {}
        for series in select(self._store, asked.bounds):
            parts.setdefault((series.epoch.device, series.name), []).append(series)
        called = labels(self._store)
        return [
            Part(device, called[device], stream, self._result(asked, series))
            for (device, stream), series in parts.items()
        ]

    def held(self, device: Names = None, stream: Names = None) -> list[str]:
        """Return from when to when there are samples, a line of text for each stream."""
        chosen = bounds(0, None, None, device, stream)
        return held(select(self._store, chosen), labels(self._store))

    def _result(self, asked: "_Asked", series: list[Series]) -> Result:
        columns = layout(series, asked.raw)
        notes = Notes()
        found = [batches(self._store, one, asked.bounds, asked.raw, notes) for one in series]
        if asked.every_ns is None:
            return Result(columns, chain.from_iterable(found), notes)
        runs = [Run(rows, overlap_ns(series, at)) for at, rows in enumerate(found)]
        return Result(resampled_layout(columns), resample(runs, asked.every_ns), notes)

    def read(
        self,
        device: Names = None,
        stream: Names = None,
        since: str | datetime | None = None,
        until: str | datetime | None = None,
        *,
        every: str | None = None,
        raw: bool = False,
        verified: bool = False,
    ) -> Table:
        """Return the rows asked for as a table in memory; see `query`."""
        result = self.query(device, stream, since, until, every=every, raw=raw, verified=verified)
        rows = list(result.batches)
        return Table(result.layout, rows, result.notes.lines())


def store_path(path: str | Path | None) -> Path:
    """Return the path of a store, by default what MOTEKIT_STORE says; UsageError if nothing."""
    if path is None:
        path = os.environ.get(STORE_VARIABLE)
    if not path:
        raise UsageError(f"no store: name one with --store FILE, or set {STORE_VARIABLE}")
    return Path(path)


def open_archive(path: str | Path | None = None) -> Archive:
    """Open a store to be read, by default the one that MOTEKIT_STORE names."""
    return Archive(Store.open(store_path(path), readonly=True))


class _Asked(NamedTuple):
    """A question, understood."""

    bounds: Bounds
    every_ns: int | None
    raw: bool


def _asked(
    device: Names,
    stream: Names,
    since: str | datetime | None,
    until: str | datetime | None,
    every: str | None,
    raw: bool,
    verified: bool,
    now_ns: int | None,
) -> _Asked:
    if raw and every is not None:
        raise UsageError("raw gives the integers as they came, every combines them: take one")
    every_ns = None if every is None else duration_ns(every, "every")
    now_ns = time.time_ns() if now_ns is None else now_ns
    return _Asked(bounds(now_ns, since, until, device, stream, verified), every_ns, raw)


def _columns(layout: Layout, batches: list[Batch]) -> dict[str, NDArray[Any]]:
    counts = [len(batch) for batch in batches]
    columns: dict[str, NDArray[Any]] = {
        DEVICE: np.repeat(np.array([batch.device for batch in batches], object), counts),
        STREAM: np.repeat(np.array([batch.stream for batch in batches], object), counts),
        TIME: _joined([batch.time_ns for batch in batches], np.dtype(np.int64)).view("M8[ns]"),
    }
    if layout.monotonic:
        parts = [batch.monotonic_us for batch in batches]
        columns[MONOTONIC] = _joined(parts, np.dtype(np.int64))
    for column in layout.columns:
        columns[column.name] = _joined([_part(batch, column) for batch in batches], column.dtype)
    return columns


def _joined(parts: list[NDArray[Any]], dtype: "np.dtype[Any]") -> NDArray[Any]:
    if not any(isinstance(part, np.ma.MaskedArray) for part in parts):
        return np.concatenate(parts) if parts else np.empty(0, dtype)
    masks = [np.ma.getmaskarray(part) for part in parts]
    return _masked(np.concatenate([np.asarray(part) for part in parts]), np.concatenate(masks))


def _part(batch: Batch, column: Column) -> NDArray[Any]:
    values = batch.values.get(column.name)
    if values is None:
        return _masked(np.zeros(len(batch), column.dtype), np.ones(len(batch), np.bool_))
    valid = batch.valid.get(column.name)
    return values if valid is None else _masked(values, ~valid)


def _masked(values: NDArray[Any], mask: Mask) -> NDArray[Any]:
    return np.ma.MaskedArray(values, mask)

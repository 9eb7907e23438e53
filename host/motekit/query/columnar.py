"""Batches in Arrow's memory layout, for the sinks that write it; needs pyarrow."""

import importlib
from typing import Any

import numpy as np

from motekit.errors import MotekitError

from .batch import DEVICE, MONOTONIC, NO_TIME, STREAM, TIME, Batch, Layout

ROWS = 1 << 17  # of a row group; what is gathered before it is written


def load(module: str = "pyarrow") -> Any:
    """Return pyarrow or a part of it; MotekitError says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as e:
        raise MotekitError(
            "Arrow and Parquet need pyarrow, which is not installed here; "
            "try: pip install 'motekit[arrow]'"
        ) from e


def schema(layout: Layout) -> Any:
    """Return the Arrow schema; a channel's unit is in the metadata of its field."""
    pa = load()
    fields = [(DEVICE, pa.string()), (STREAM, pa.string()), (TIME, pa.timestamp("ns", "UTC"))]
    if layout.monotonic:
        fields.append((MONOTONIC, pa.int64()))
    channels = [
        pa.field(
            column.name,
            pa.from_numpy_dtype(column.dtype),
            metadata={"unit": column.unit} if column.unit else None,
        )
        for column in layout.columns
    ]
    return pa.schema([*(pa.field(*field) for field in fields), *channels])


def record_batch(batch: Batch, layout: Layout, shape: Any) -> Any:
    """Return a batch as Arrow's; `shape` is the schema."""
    pa = load()
    n = len(batch)
    no_time = batch.time_ns == NO_TIME
    arrays = [
        pa.repeat(batch.device, n),
        pa.repeat(batch.stream, n),
        pa.array(batch.time_ns, pa.int64(), mask=no_time).cast(pa.timestamp("ns", "UTC")),
    ]
    if layout.monotonic:
        arrays.append(pa.array(batch.monotonic_us, pa.int64()))
    for column in layout.columns:
        values = batch.values.get(column.name)
        kind = pa.from_numpy_dtype(column.dtype)
        if values is None:
            arrays.append(pa.nulls(n, kind))
            continue
        valid = batch.valid.get(column.name)
        mask = None if valid is None else ~valid
        arrays.append(pa.array(np.ascontiguousarray(values), kind, mask=mask))
    return pa.RecordBatch.from_arrays(arrays, schema=shape)


class Gathered:
    """Gathers batches into tables of at least ROWS rows."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.schema = schema(layout)
        self._batches: list[Any] = []
        self._rows = 0

    def add(self, batch: Batch) -> Any:
        """Take a batch; return a table if enough has come together, else None."""
        self._batches.append(record_batch(batch, self._layout, self.schema))
        self._rows += len(batch)
        return self.take() if self._rows >= ROWS else None

    def take(self) -> Any:
        """Return what there is as a table, None if that is nothing."""
        if not self._batches:
            return None
        table = load().Table.from_batches(self._batches, self.schema)
        self._batches, self._rows = [], 0
        return table.combine_chunks()

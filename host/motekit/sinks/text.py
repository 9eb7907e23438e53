"""Values as text, for the sinks that write text."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from motekit.query.batch import NO_TIME, Batch, Column, Ints, Layout
from motekit.query.digits import rounded_all


def times(time_ns: Ints) -> list[str | None]:
    """Return UTC in RFC 3339 with microseconds; None where there is none."""
    known = time_ns != NO_TIME
    text = np.datetime_as_string(time_ns.astype("datetime64[ns]"), unit="us").tolist()
    return [stamp + "Z" if is_known else None for stamp, is_known in zip(text, known, strict=True)]


def cells(batch: Batch, column: Column) -> list[Any]:
    """Return the numbers of a column with the digits they deserve; None where it is empty."""
    values = batch.values.get(column.name)
    if values is None:
        return [None] * len(batch)
    floats = column.dtype.kind == "f"
    numbers: list[Any] = rounded_all(values, column.decimals) if floats else values.tolist()
    valid = batch.valid.get(column.name)
    if valid is not None:
        numbers = [n if ok else None for n, ok in zip(numbers, valid.tolist(), strict=True)]
    return numbers


def rows(batch: Batch, layout: Layout) -> Iterable[tuple[Any, ...]]:
    """Return the rows of a batch, cells in the order of `layout.names()`."""
    n = len(batch)
    columns: list[Iterable[Any]] = [[batch.device] * n, [batch.stream] * n, times(batch.time_ns)]
    if layout.monotonic:
        columns.append(batch.monotonic_us.tolist())
    columns += [cells(batch, column) for column in layout.columns]
    return zip(*columns, strict=True)

"""What is poured into a sink: batches of rows, column by column."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
NO_TIME = -(1 << 63)  # int64 ns of a row without UTC; NumPy's NaT

DEVICE, STREAM, TIME, MONOTONIC = "device", "stream", "time", "monotonic_us"


class Column(NamedTuple):
    """A channel's column: float64 values in `unit`, or raw int32, or counts of int64.

    `decimals` is what a text of its values deserves, see `digits`; None where that is not known.
    """

    name: str
    dtype: "np.dtype[Any]"
    unit: str | None = None
    decimals: int | None = None


class Layout(NamedTuple):
    """The columns of every batch, in order; `monotonic` says that the board's time is one."""

    columns: tuple[Column, ...]
    monotonic: bool

    def names(self) -> tuple[str, ...]:
        """Return the names of all columns: device, stream, time, [monotonic_us], channels."""
        fixed = (DEVICE, STREAM, TIME, MONOTONIC) if self.monotonic else (DEVICE, STREAM, TIME)
        return (*fixed, *(column.name for column in self.columns))


class Batch(NamedTuple):
    """Rows of one stream of one device, at least one.

    A channel that is not among the values is empty in all rows; `valid` names those with holes.
    `scales` has (scale, offset) of raw values whose schema is known.
    """

    device: str
    stream: str
    time_ns: Ints  # UTC since 1970, or NO_TIME
    monotonic_us: Ints
    values: dict[str, NDArray[Any]]
    valid: dict[str, Mask]
    scales: Mapping[str, tuple[float, float]] = MappingProxyType({})

    def scaled(self) -> "Batch":
        """Return a raw batch in units: its channels with a scale, which are all or none."""
        values = {n: self.values[n] * scale + offset for n, (scale, offset) in self.scales.items()}
        return Batch(self.device, self.stream, self.time_ns, self.monotonic_us, values, self.valid)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.time_ns)

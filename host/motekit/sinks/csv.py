"""CSV (RFC 4180 with line feeds): a row of names, then one row a sample; empty where nothing is."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from motekit.query.batch import Batch, Layout
from .target import Sink
from .text import cells, times


class CsvSink(Sink):
    """Writes `device,stream,time,<channel>...`."""

    TEXT = True
    SUFFIX = ".csv"

    def __init__(self, path: str | Path, layout: Layout) -> None:
        super().__init__(path)
        self._layout = layout
        self._write([layout.names()])

    def write(self, batch: Batch) -> None:
        """Write the rows of a batch."""
        n = len(batch)
        columns: list[Iterable[Any]] = [
            [batch.device] * n,
            [batch.stream] * n,
            times(batch.time_ns),
        ]
        if self._layout.monotonic:
            columns.append(batch.monotonic_us.tolist())
        columns += [cells(batch, column) for column in self._layout.columns]
        self._write(zip(*columns, strict=True))

    def _write(self, rows: Iterable[Iterable[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(rows)
        self.target.file.write(text.getvalue().encode())

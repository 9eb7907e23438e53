"""CSV (RFC 4180, line feeds): a row of names, then one row a sample; empty if nothing is."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from motekit.query.batch import Batch, Layout

from .target import Sink
from .text import rows


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
        self._write(rows(batch, self._layout))

    def _write(self, lines: Iterable[Iterable[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(lines)
        self.target.file.write(text.getvalue().encode())

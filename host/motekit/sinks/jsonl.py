"""JSON lines: one object a sample with every column; null where nothing is."""

import json
from pathlib import Path
from typing import Any, TYPE_CHECKING

from motekit.query.batch import Batch, Layout
from .target import Sink
from .text import cells, times

if TYPE_CHECKING:
    from collections.abc import Iterable


class JsonlSink(Sink):
    """Writes {"device": ..., "stream": ..., "time": ..., "<channel>": ...}."""

    TEXT = True
    SUFFIX = ".jsonl"

    def __init__(self, path: str | Path, layout: Layout) -> None:
        super().__init__(path)
        self._layout = layout
        self._names = layout.names()

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
        rows = (dict(zip(self._names, row, strict=True)) for row in zip(*columns, strict=True))
        lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
        self.target.file.write("".join(lines).encode())

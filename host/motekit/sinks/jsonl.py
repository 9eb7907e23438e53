"""JSON lines: one object a sample with every column; null where nothing is."""

import json
from pathlib import Path

from motekit.query.batch import Batch, Layout

from .target import Sink
from .text import rows


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
        objects = (dict(zip(self._names, row, strict=True)) for row in rows(batch, self._layout))
        lines = [json.dumps(one, ensure_ascii=False, allow_nan=False) + "\n" for one in objects]
        self.target.file.write("".join(lines).encode())

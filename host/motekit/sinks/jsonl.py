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

    def write(self, batch: Batch) -> None:
        """Write the rows of a batch."""
        layout = self._of(batch)
        names = layout.names()
        objects = (dict(zip(names, row, strict=True)) for row in rows(batch, layout))
        lines = [json.dumps(one, ensure_ascii=False, allow_nan=False) + "\n" for one in objects]
        self.target.file.write("".join(lines).encode())

    def _of(self, batch: Batch) -> Layout:
        """Return the columns of a batch's rows: an export's are the same in all of it."""
        del batch
        return self._layout


class OwnJsonlSink(JsonlSink):
    """The same, but that a row has no channels of other streams."""

    def _of(self, batch: Batch) -> Layout:
        own = (each for each in self._layout.columns if each.name in batch.values)
        return self._layout._replace(columns=tuple(own))

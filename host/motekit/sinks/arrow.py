"""Arrow IPC file (Feather v2): what pandas, Polars and DuckDB map into memory."""

from pathlib import Path

from motekit.query.batch import Batch, Layout
from motekit.query.columnar import Gathered, load

from .target import Sink


class ArrowSink(Sink):
    """Writes an Arrow file in record batches, so that memory stays bounded."""

    SUFFIX = ".arrow"

    def __init__(self, path: str | Path, layout: Layout) -> None:
        ipc = load("pyarrow.ipc")
        self._gathered = Gathered(layout)
        super().__init__(path)
        self._writer = ipc.new_file(self.target.file, self._gathered.schema)

    def write(self, batch: Batch) -> None:
        """Take the rows of a batch."""
        table = self._gathered.add(batch)
        if table is not None:
            self._writer.write_table(table)

    def finish(self) -> None:
        """Write what is still gathered, and the footer."""
        table = self._gathered.take()
        if table is not None:
            self._writer.write_table(table)
        self._writer.close()

    def abandon(self) -> None:
        """Close the writer, which else would do so when it is collected."""
        self._writer.close()

"""Parquet: times as int64 ns UTC, compressed with zstd; integers delta-coded."""

from pathlib import Path

from motekit.query.batch import DEVICE, MONOTONIC, STREAM, TIME, Batch, Layout
from motekit.query.columnar import Gathered, load

from .target import Sink


class ParquetSink(Sink):
    """Writes a Parquet file in row groups, so that memory stays bounded."""

    SUFFIX = ".parquet"

    def __init__(self, path: str | Path, layout: Layout) -> None:
        parquet = load("pyarrow.parquet")
        self._gathered = Gathered(layout)
        super().__init__(path)
        integers = [column.name for column in layout.columns if column.dtype.kind == "i"]
        floats = [column.name for column in layout.columns if column.dtype.kind == "f"]
        clocks = [TIME, MONOTONIC] if layout.monotonic else [TIME]
        self._writer = parquet.ParquetWriter(
            self.target.file,
            self._gathered.schema,
            compression="zstd",
            use_dictionary=[DEVICE, STREAM, *floats],
            column_encoding=dict.fromkeys((*clocks, *integers), "DELTA_BINARY_PACKED"),
        )

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

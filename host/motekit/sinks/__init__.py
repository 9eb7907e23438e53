"""Sinks: where an export goes. A new one is a file here and a row of SINKS.

A sink is made with (path, layout), takes `write(batch)` and puts the file in place at `close()`; it is
a context manager that leaves nothing behind when an error ends it.
"""

from motekit.query.batch import Batch as Batch
from motekit.query.batch import Column as Column
from motekit.query.batch import Layout as Layout
from .arrow import ArrowSink
from .csv import CsvSink
from .jsonl import JsonlSink
from .parquet import ParquetSink

SINKS = {
    "csv": CsvSink,
    "jsonl": JsonlSink,
    "parquet": ParquetSink,
    "arrow": ArrowSink,
}

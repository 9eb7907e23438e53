"""An export is a query poured into a sink."""

import errno
from pathlib import Path

from motekit.errors import MotekitError, UsageError
from motekit.query import Result

from .arrow import ArrowSink
from .csv import CsvSink
from .jsonl import JsonlSink, OwnJsonlSink
from .parquet import ParquetSink
from .target import STDOUT

# One row a format; the tests of all sinks go through this table.
SINKS = {
    "csv": CsvSink,
    "jsonl": JsonlSink,
    "parquet": ParquetSink,
    "arrow": ArrowSink,
}


def format_of(path: str, asked: str | None = None) -> str:
    """Return the name of the format that is asked for, or that a file's name ends in; else csv."""
    formats = ", ".join(SINKS)
    if asked is not None:
        if asked not in SINKS:
            raise UsageError(f"format {asked!r}: one of {formats} was expected")
        for name, sink in SINKS.items():
            if Path(path).suffix == sink.SUFFIX and name != asked:
                raise UsageError(
                    f"{path}: is named as {name}, but {asked} was asked for; take one of the two"
                )
        return asked
    suffix = Path(path).suffix
    for name, sink in SINKS.items():
        if suffix == sink.SUFFIX:
            return name
    if suffix and path != "-":
        raise UsageError(f"{path}: no format ends in {suffix}; say --format with one of {formats}")
    return "csv"


def pour(result: Result, path: str, form: str, *, own: bool = False) -> int:
    """Write what was asked for to a file that is there whole or not at all; return the rows.

    `own`: a row of JSON lines has its own stream's channels alone, not empty ones of others.
    Raises MotekitError where the file cannot be written.
    """
    rows = 0
    try:
        sink_of = OwnJsonlSink if own and form == "jsonl" else SINKS[form]
        with sink_of(path, result.layout) as sink:
            for batch in result.batches:
                sink.write(batch)
                rows += len(batch)
    except BrokenPipeError:
        raise
    except OSError as e:
        raise _explain(path, e) from e
    return rows


def _explain(path: str, error: OSError) -> MotekitError:
    """Say which file could not be written, and what to try."""
    where = "standard output" if path == STDOUT else path
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return MotekitError(
            f"{where}: the disk is full, so nothing was kept; make room, name a file elsewhere, "
            f"or ask for less (--since, --stream, --every, a .parquet file)"
        )
    return MotekitError(f"{where}: cannot be written: {error.strerror or error}")

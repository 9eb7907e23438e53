"""The command `motekit query`."""

import sys
from collections.abc import Callable
from itertools import islice
from typing import Annotated, Any

import typer
from rich.console import Console

from motekit.query import Result, open_archive
from motekit.sinks import pour
from motekit.sinks.text import rows

from . import show
from .selection import (
    DeviceOption,
    EveryOption,
    RawOption,
    Selection,
    SinceOption,
    StoreOption,
    StreamOption,
    UntilOption,
    VerifiedOption,
    WhereOption,
)

Row = tuple[Any, ...]


def query(
    *,
    store: StoreOption = None,
    device: DeviceOption = None,
    stream: StreamOption = None,
    where: WhereOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    every: EveryOption = None,
    raw: RawOption = False,
    verified: VerifiedOption = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="Rows that a terminal is shown.")
    ] = 50,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show readings: a table of the first rows on a terminal, all of them as csv in a pipe.

    Example: motekit query --stream sht4x --since -1d --every 1h
    """
    asked = Selection(device, stream, where, since, until, every, raw, verified)
    with open_archive(store) as archive:
        result = asked.ask(archive)
        if json or not Console().is_terminal:
            pour(result, "-", "jsonl" if json else "csv")
        else:
            _show(result, limit)
    for line in result.notes.lines():
        print(line, file=sys.stderr)


def _show(result: Result, limit: int) -> None:
    found = (row for batch in result.batches for row in rows(batch, result.layout))
    shown = list(islice(found, limit))
    show.rows(tuple(map(_column, enumerate(result.layout.names()))), shown)
    if len(shown) == limit and next(found, None) is not None:
        print(
            f"the first {limit} rows; --limit shows more, `motekit export` writes all",
            file=sys.stderr,
        )


def _column(numbered: tuple[int, str]) -> tuple[str, Callable[[Row], str]]:
    """Return the title of a column, and how a row's cell of it is shown."""
    at, name = numbered
    return name, lambda row: "" if row[at] is None else str(row[at])

"""The command `motekit query`."""

from typing import Annotated

import typer
from rich.console import Console

from motekit.cli import options, say
from motekit.cli.selection import Selection
from motekit.query import open_archive
from motekit.sinks import pour

from . import readings


def query(
    *,
    store: options.Store = None,
    device: options.Device = None,
    stream: options.Stream = None,
    where: options.Where = None,
    since: options.Since = None,
    until: options.Until = None,
    every: options.Every = None,
    raw: options.Raw = False,
    verified: options.Verified = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="Rows of each stream on a terminal.")
    ] = 20,
    json: options.Json = False,
) -> None:
    """Show readings: a table of each stream on a terminal, all rows as csv in a pipe.

    Example: motekit query --stream sht4x --since -1d --every 1h
    """
    asked = Selection(device, stream, where, since, until, every, raw, verified)
    with open_archive(store) as archive:
        if json or not Console().is_terminal:
            result = asked.ask(archive)
            rows = pour(result, "-", "jsonl" if json else "csv", own=True)
            notes = result.notes.lines()
        else:
            rows, notes = readings.show_parts(asked.by_stream(archive), limit)
        if not rows:
            notes += asked.nothing(archive)
    for line in notes:
        say.err(line)

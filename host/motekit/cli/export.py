"""The command `motekit export`."""

from typing import Annotated

import typer

from motekit.cli import options, say
from motekit.cli.selection import Selection
from motekit.errors import UsageError
from motekit.query import open_archive
from motekit.sinks import SINKS, format_of, pour

_File = Annotated[
    str | None, typer.Argument(help="Where to write; standard output if none, or -.")
]
_Output = Annotated[str | None, typer.Option("--output", "-o", help="The same as FILE.")]
_Format = Annotated[
    str | None,
    typer.Option("--format", "-f", help=f"{', '.join(SINKS)}; by default by FILE's name, csv."),
]
_Json = Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")]


def export(
    file: _File = None,
    *,
    output: _Output = None,
    form: _Format = None,
    store: options.Store = None,
    device: options.Device = None,
    stream: options.Stream = None,
    where: options.Where = None,
    since: options.Since = None,
    until: options.Until = None,
    every: options.Every = None,
    raw: options.Raw = False,
    verified: options.Verified = False,
    json: _Json = False,
) -> None:
    """Write readings to a file: device, stream, time, and a column for each channel.

    Example: motekit export day.parquet --stream adxl345 --since -1d
    """
    if file is not None and output is not None:
        raise UsageError(f"two files to write to: {file} and {output}; name one")
    if json and form not in (None, "jsonl"):
        raise UsageError(f"--json and --format {form}: take one")
    path = file or output or "-"
    name = format_of(path, "jsonl" if json else form)
    asked = Selection(device, stream, where, since, until, every, raw, verified)
    with open_archive(store) as archive:
        result = asked.ask(archive)
        rows = pour(result, path, name)
        notes = result.notes.lines()
        if not rows:
            notes += asked.nothing(archive)
    for line in notes:
        say.err(line)
    if path != "-":
        say.err(f"{path}: {rows} rows")

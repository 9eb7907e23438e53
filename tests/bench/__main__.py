"""`python -m tests.bench [PART]...`: run the benches, print tables, write build/bench.json.

A bench is a module with `run(report, traces)`, and a row of `BENCHES`. TRACES names a folder of
CSV files of integers to measure on (one column a channel); without it the traces are generated.
A missed goal is shown and is no failure: the exit code is 1 only where a bench broke.
"""

import importlib
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from motefw.errors import MoteError

from .report import Report
from .traces import generated, load

LOG = logging.getLogger(__name__)
BENCHES = {
    "packet": ".packet",
    "encode": ".encode",
    "decode": ".decode",
    "drivers": ".drivers",
    "heap": ".heap",
    "store": ".store",
    "sim": ".sim",
    "flash": ".flash",
    "provision": ".provision",
    "ci": ".ci",
}
RESULTS = Path("build/bench.json")


def run_benches(names, report, traces):
    """Run the named benches one after the other; return the names of those that broke."""
    broken = []
    for name in names:
        try:
            importlib.import_module(BENCHES[name], __package__).run(report, traces)
        except Exception:  # one bench that breaks must not hide what the others measured
            broken.append(name)
            LOG.exception("bench %s broke", name)
    return broken


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=", ".join(BENCHES))] = None,
    folder: Annotated[
        Path | None, typer.Option("--traces", envvar="TRACES", help="CSV files of integers")
    ] = None,
) -> None:
    """Measure all parts, or those named; write build/bench.json."""
    report = Report(Console(width=None if sys.stdout.isatty() else 80))
    unknown = sorted(set(parts or ()) - set(BENCHES))
    if unknown:
        raise typer.BadParameter(f"no bench {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    try:
        traces = load(folder) if folder else generated()
    except MoteError as error:
        report.talk(f"[red]error:[/red] {error}")
        raise typer.Exit(2) from None
    source = f"TRACES={folder}" if folder else "generated (TRACES=<folder> measures recordings)"
    report.talk(f"traces: {source}: {', '.join(trace.name for trace in traces)}")
    broken = run_benches(parts or list(BENCHES), report, traces)
    report.write(RESULTS)
    report.talk(f"{report.summary()}; {RESULTS} written")
    if broken:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)

"""The command `motekit demo`."""

import contextlib
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from motekit import demo as demos
from motekit.cli import INTERRUPTED, options, say, show
from motekit.cli.collect_view import View
from motekit.collector.hub import Notice
from motekit.demo import Flow, Outcome
from motekit.errors import MotekitError

_Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        "-s",
        help="A new file for what is collected, or an earlier demo's, which is replaced.",
    ),
]


def demo(
    store: _Store = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Show the main job without hardware: three virtual boards, one collector, half a minute.

    Example: motekit demo
    """
    path = store or demos.store_path()
    views: list[View] = []

    def report(notice: Notice) -> None:
        for view in views:
            view.notice(notice)

    say.err("starting three virtual boards...")
    with demos.running(path, report) as running:
        view = View(running.store, as_json=as_json, verbose=verbose)
        views.append(view)
        ended = False
        with view, contextlib.suppress(KeyboardInterrupt):
            running.run(lambda: view.tick(running.collector))
            ended = True
        outcome = running.outcome()
        streams = running.streams()
    if as_json:
        say.json_line({"kind": "end", **asdict(outcome), "store": str(path), "ended": ended})
    else:
        show.rows(_COLUMNS, streams)
        say.out(_told(outcome, path))
    if not ended:
        raise typer.Exit(INTERRUPTED)
    if outcome.gaps or outcome.unacked or not outcome.samples:
        raise MotekitError("the demonstration lost data, which it should not; run motekit doctor")


def _told(outcome: Outcome, store: Path) -> str:
    motekit, quoted = show.program(), shlex.quote(show.near(store))
    return f"""
samples         {outcome.samples:,} in {outcome.packets:,} packets, each once
bytes a sample  {outcome.bytes_per_sample:.2f}, with headers and tags
gaps            {outcome.gaps}
unacked         {outcome.unacked}
store           {store}

Try next:
  {motekit} status --store {quoted}
  {motekit} query --store {quoted} --stream sht4x
  {motekit} export --store {quoted} --device machine machine.csv"""


_COLUMNS: show.Columns[Flow] = (
    show.Column("board", lambda flow: flow.board),
    show.Column("stream", lambda flow: flow.stream),
    show.Column("samples", lambda flow: f"{flow.samples:,}", right=True),
    show.Column("channels", lambda flow: str(flow.channels), right=True),
    show.Column("bytes a sample", lambda flow: f"{flow.bytes_per_sample:.2f}", right=True),
)

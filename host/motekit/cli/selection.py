"""The options of commands that read from a store, and what they ask for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from motekit.query import Archive, Part, Result
from motekit.query.bounds import where as named

StoreOption = Annotated[
    Path | None,
    typer.Option("--store", "-s", envvar="MOTEKIT_STORE", help="The store to read."),
]
DeviceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        "-d",
        help="Only this device, by its id or its board's name; several with commas.",
    ),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", help="device=, name= or stream=NAME; several with commas."),
]
StreamOption = Annotated[
    list[str] | None,
    typer.Option("--stream", help="Only the stream of this sensor's name; several with commas."),
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", help="2026-01-31T12:00:00Z, 2026-01-31, or before now: -1h."),
]
UntilOption = Annotated[str | None, typer.Option("--until", help="The same; not included.")]
EveryOption = Annotated[
    str | None, typer.Option("--every", help="Mean, min, max and count of each span: 1m.")
]
RawOption = Annotated[bool, typer.Option("--raw", help="The integers as the sensors gave them.")]
VerifiedOption = Annotated[
    bool, typer.Option("--verified", help="Only what a provisioned board has tagged.")
]


class Selection(NamedTuple):
    """What the options say."""

    device: list[str] | None
    stream: list[str] | None
    where: list[str] | None
    since: str | None
    until: str | None
    every: str | None
    raw: bool
    verified: bool

    def ask(self, archive: Archive) -> Result:
        """Put the question to a store; UsageError if it cannot be meant."""
        return archive.query(
            *self._who(),
            self.since,
            self.until,
            every=self.every,
            raw=self.raw,
            verified=self.verified,
        )

    def by_stream(self, archive: Archive) -> list[Part]:
        """Put the question to a store, stream by stream."""
        return archive.by_stream(
            *self._who(),
            self.since,
            self.until,
            every=self.every,
            raw=self.raw,
            verified=self.verified,
        )

    def _who(self) -> tuple[list[str] | None, list[str] | None]:
        """Return the devices and the streams that are meant, None for all."""
        more = named(self.where or ())
        return (
            names(self.device, more.get("device", [])),
            names(self.stream, more.get("stream", [])),
        )


def names(given: list[str] | None, more: Sequence[str] = ()) -> list[str] | None:
    """Return the names of an option that may be repeated or hold several; None for all."""
    found = [name for each in given or () for name in each.split(",")]
    return [*found, *more] or None

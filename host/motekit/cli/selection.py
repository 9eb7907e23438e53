"""The options of commands that read from a store, and what they ask for."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from motekit.query import Archive, Result
from motekit.query.bounds import where as named

StoreOption = Annotated[
    Path | None,
    typer.Option("--store", "-s", envvar="MOTEKIT_STORE", help="The store to read."),
]
DeviceOption = Annotated[
    list[str] | None, typer.Option("--device", help="Only this device; may be repeated.")
]
WhereOption = Annotated[
    list[str] | None, typer.Option("--where", help="device=ID[,ID..] or stream=NAME[,NAME..].")
]
StreamOption = Annotated[
    list[str] | None, typer.Option("--stream", help="Only this stream; may be repeated.")
]
SinceOption = Annotated[
    str | None, typer.Option("--since", help="RFC 3339, a date, or a time before now: -1h.")
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
        names = named(self.where or ())
        return archive.query(
            [*(self.device or ()), *names.get("device", ())] or None,
            [*(self.stream or ()), *names.get("stream", ())] or None,
            self.since,
            self.until,
            every=self.every,
            raw=self.raw,
            verified=self.verified,
        )

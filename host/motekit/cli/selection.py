"""What commands that read from a store ask of it."""

from collections.abc import Sequence
from typing import NamedTuple

from motekit.query import Archive, Part, Result
from motekit.query.bounds import where as named


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

    def nothing(self, archive: Archive) -> list[str]:
        """Return what to say where nothing was found: that, and what there is."""
        found = archive.held(*self._who())
        what = "nothing verified" if self.verified else "nothing"
        if not found:
            return [f"{what} was found: the store has no samples yet"]
        return [
            f"{what} was found in this range; in all the store has",
            *(f"  {line}" for line in found),
        ]

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

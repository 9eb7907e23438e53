"""Transports: how packets and messages of boards reach the host.

A transport is one file and one row here. It is made from the part of a URL after the scheme,
`find`s the names of what can be opened now (ports come and go) and `open`s one as a `Pipe`, which
carries whole packets and whole messages. It checks no tag and knows no store.
"""

import importlib
from typing import NamedTuple, Protocol

from motekit.clock import Clock
from motekit.errors import UsageError

from .link import Event, Stats

TRANSPORTS = {
    "serial": "motekit.transports.serial",
    "replay": "motekit.transports.replay",
}


class Recorded(NamedTuple):
    """A packet of a recording, whose device is known from there."""

    device: str
    data: bytes


class Ended(NamedTuple):
    """Nothing more will come from this pipe."""


class Pipe(Protocol):
    """One board's line, or a recording."""

    name: str
    live: bool  # a board is there, to be greeted and acknowledged
    clock: Clock  # the time that it lives in, and who collects from it
    nonce: int  # 16 bits, others each time it is opened: what a line still holds is for others

    @property
    def stats(self) -> Stats:
        """What the line has carried and lost."""
        ...

    def receive(self, timeout_s: float) -> list[Event | Recorded | Ended]:
        """Wait for events, no longer than timeout_s; LinkError when the line is gone."""
        ...

    def send(self, data: bytes, key: str | None = None) -> None:
        """Queue a message for the board, in the place of a waiting one of the same key."""
        ...

    def expect(self, number: int | None) -> None:
        """Say which packet comes next (seq's low byte), None after a restart of the board."""
        ...

    def typed(self, keys: bytes) -> None:
        """Send keystrokes, for a line that may have a prompt at its end."""
        ...

    def tail(self) -> str:
        """Return the text that no line end and no frame has followed yet."""
        ...

    def wake(self) -> None:
        """End a `receive` that waits in another thread."""
        ...

    def close(self) -> None:
        """Let the line go; doing so twice is fine."""
        ...


class Transport(Protocol):
    """What one URL stands for."""

    explicit: bool  # the user named it, so that its absence is an error

    def find(self) -> list[str]:
        """Return the names that can be opened now."""
        ...

    def open(self, name: str) -> Pipe:
        """Open one; LinkError says why not."""
        ...


def transport(url: str) -> Transport:
    """Return the transport of a URL; a plain path or port name means `serial:`.

    Raises UsageError for a scheme that is not in the table.
    """
    scheme, colon, rest = url.partition(":")
    if not colon or "/" in scheme:
        scheme, rest = "serial", url
    if scheme not in TRANSPORTS or not rest:
        known = ", ".join(f"{name}:" for name in TRANSPORTS)
        raise UsageError(
            f"{url!r}: not something to collect from; "
            f"expected one of {known} followed by a name, such as serial:/dev/ttyUSB0 or serial:*"
        )
    made: Transport = importlib.import_module(TRANSPORTS[scheme]).make(rest)
    return made

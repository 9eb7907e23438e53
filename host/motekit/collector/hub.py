"""What sessions need of the collector that they work for, and what they hand to it."""

from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

from motekit.clock import Clock
from motekit.keys import Host, KeyStore
from motekit.store import Received, Store
from motekit.transports import Pipe

from .live import Live

Acks = dict[tuple[int, int], int]  # (generation, epoch): seq up to which all is durable


class Notice(NamedTuple):
    """Something to tell the user: kind is "info", "warning" or "log" (the board's own words)."""

    kind: str
    port: str
    device: str | None
    text: str


class Sender(Protocol):
    """Who wants to know when packets are durable."""

    device: str | None
    clock: Clock

    def committed(self, packets: int, acks: Acks) -> None:
        """Note that so many packets are durable, and how far each epoch is complete."""
        ...


class Arrivals(NamedTuple):
    """Packets for the committer, and who has sent them."""

    sender: Sender
    packets: list[Received]


class Contact(Protocol):
    """Who is in contact with a board."""

    pipe: Pipe

    def ask(self, name: str, args: dict[str, Any], tries: int) -> Future[Any]:
        """Have the board asked; the future has the result, or why there is none."""
        ...


class Hub(Protocol):
    """What a session needs of its collector."""

    store: Store
    live: Live
    key_store: KeyStore
    host: Host

    def submit(self, arrivals: Arrivals) -> None:
        """Queue packets to be stored; waits while the queue is full."""
        ...

    def claim(self, device: str, contact: Contact) -> None:
        """Take a device for this contact; LinkError if another port has it."""
        ...

    def tapped(self, device: str) -> bool:
        """Tell whether this collector wanted to hear what goes over a board's buses."""
        ...

    def record(self, device: str, data: bytes) -> None:
        """Write a packet as it came to the recording, if one is made."""
        ...

    def report(self, notice: Notice, /) -> None:
        """Tell the user."""
        ...

    def stopping(self) -> bool:
        """Tell whether the collector ends."""
        ...

"""A line and its link: the loop that moves bytes; what they cross is a subclass."""

from abc import ABC, abstractmethod

from motekit.clock import Clock

from . import Ended, Event, Recorded
from .link import Link, Stats


class LinkPipe(ABC):
    """A pipe of which a subclass reads and writes the bytes, in the time of its clock."""

    live = True

    def __init__(self, name: str, clock: Clock, nonce: int) -> None:
        self.name = name
        self.clock = clock
        self.nonce = nonce
        self._link = Link(nonce & 0xFF)
        self._woken = False

    @property
    def stats(self) -> Stats:
        """Return what the line has carried and lost."""
        return self._link.stats

    def send(self, data: bytes, key: str | None = None) -> None:
        """Queue a message; see `Link.send`."""
        self._link.send(data, key)

    def expect(self, number: int | None) -> None:
        """Tell the link which packet comes next."""
        if number is None:
            self._link.packets.forget()
        else:
            self._link.packets.expect(number)

    def typed(self, keys: bytes) -> None:
        """Send keystrokes."""
        self._link.write_raw(keys)

    def tail(self) -> str:
        """Return the text at the end of what the board printed."""
        return self._link.tail

    def receive(self, timeout_s: float) -> list[Event | Recorded | Ended]:
        """Move bytes both ways until there is an event, or timeout_s is over, or `wake`."""
        now = self.clock.monotonic()
        end = now + timeout_s
        events: list[Event | Recorded | Ended] = []
        while True:
            events += self._link.poll(now)
            self._write(self._link.take())
            if events or now >= end or self._woken:
                self._woken = False
                return events
            data = self._read(self._patience_s(end - now))
            now = self.clock.monotonic()
            events += self._link.receive(data, now)

    def wake(self) -> None:
        """End a `receive` that waits in another thread, or the next one."""
        self._woken = True

    @abstractmethod
    def _patience_s(self, left_s: float) -> float:
        """Return how long to wait for bytes at most, before the link is looked after."""

    @abstractmethod
    def _read(self, wait_s: float) -> bytes:
        """Wait for bytes; return what has come, if anything."""

    @abstractmethod
    def _write(self, data: bytes) -> None:
        """Write all, which may be nothing."""

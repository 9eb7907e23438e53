"""The time that a host lives in, handed in: the machine's own, or that of a simulation."""

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock and a calendar."""

    def monotonic(self) -> float:
        """Return seconds that only go forward, from an arbitrary start."""
        ...

    def utc(self) -> float:
        """Return seconds since 1970, as this host believes."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class SystemClock:
    """The machine's own time."""

    def monotonic(self) -> float:
        """Return seconds since some moment, such as the machine's start."""
        return time.monotonic()

    def utc(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


SYSTEM = SystemClock()

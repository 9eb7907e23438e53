"""One board at a port, from its plugging to its verdict, as the steps see it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from motekit.errors import MotekitError
from motekit.station.desk import Slot


class AlreadyError(MotekitError):
    """Nothing is to be done: this board is what it shall be. No fault."""


class CopyError(MotekitError):
    """Two boards of one identity are there at once."""


@dataclass
class Visit:
    """What a step may ask and must say; it raises MotekitError when the board fails."""

    slot: Slot
    claim: Callable[["Visit", str], None]
    note: Callable[["Visit"], None]
    progress: Callable[["Visit", str, int, int], None]
    stopped: Callable[[], bool]
    plugged_s: Callable[[], float] = lambda: 0.0  # for how long it has been there
    blank: bool = False  # its boot ROM has said that there is nothing to start
    job: str = ""  # a mark of what the board shall become

    @property
    def port(self) -> str:
        """The port's name."""
        return self.slot.port

    def is_of(self, device: str) -> None:
        """Say whose visit this is; CopyError if a board of that id is at another port, too."""
        self.claim(self, device)

    def begin(self, device: str, job: str = "") -> None:
        """Say whose visit this is, and have the journal know of it; then it may be written to."""
        self.claim(self, device)
        self.job = job
        self.note(self)

    def tell(self, step: str, done: int = 0, total: int = 0) -> None:
        """Say what is done now, and how far it is."""
        self.progress(self, step, done, total)


class Step(NamedTuple):
    """One thing that is done to each board; `do` returns when it is done."""

    name: str
    do: Callable[[Visit], None]

"""What boards shall have, and what became of each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from motekit.errors import MotekitError
from motekit.hello import Hello
from motekit.networks import Network

from .diff import Change
from .paths import Config


@dataclass(frozen=True)
class Wanted:
    """What a board shall have; no networks: its Wi-Fi stays as it is."""

    config: Config
    networks: tuple[Network, ...] = ()


Target = Callable[[Hello, Config], Wanted]  # of a board and what it has
Steps = Callable[[str, str], None]  # port, and what is done there now


class Sensor(NamedTuple):
    """How a sensor is that is not well."""

    name: str
    state: str
    error: str


@dataclass(frozen=True)
class Outcome:
    """What became of a board, or would.

    `state`: "unchanged"; "differs" (of a plan); "applied"; "waiting", where all but Wi-Fi is as it
    should be, and the board is in a former network until a new one works; "rolled back"; "failed".
    """

    port: str
    state: str
    device: str = ""
    name: str = ""
    changes: tuple[Change, ...] = ()
    sensors: tuple[Sensor, ...] = ()
    mark: str = ""
    was: Config = field(default_factory=dict[str, Any], repr=False)  # of a plan: all that it has,
    shall: Config = field(default_factory=dict[str, Any], repr=False)  # and all that it shall have
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str = ""

    @property
    def failed(self) -> bool:
        """Tell whether the board is not as it was to be."""
        return bool(self.error)


class TrialError(MotekitError):
    """A board that is not well with what it tries."""

"""What a scenario says of one board: its sensors, what they see, what goes wrong with it."""

from dataclasses import dataclass

from motekit.board import Board, Sensor
from motekit.chips import Chip
from motekit.sim.replay import Replay
from motekit.sim.sources import Source

YEAR_S = 366 * 86400.0


@dataclass(frozen=True)
class VirtualSensor:
    """A sensor and what it sees."""

    sensor: Sensor
    source: Source
    address: int | None
    interval_us: int  # between the samples of a part that keeps its own pace


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong on one board; targets are (sensor or bus, what it calls that).

    It begins at at_s, or once more than after_bytes have been written to the board's flash.
    """

    kind: str
    at_s: float
    for_s: float | None
    value: float  # of the kind's number, 0 if it has none
    way: str = "both"
    targets: tuple[tuple[str, str], ...] = ()
    after_bytes: int | None = None

    def span_ms(self) -> tuple[int, int | None]:
        """Return when it begins and ends, None for never."""
        at_ms = round(self.at_s * 1000)
        return at_ms, None if self.for_s is None else at_ms + round(self.for_s * 1000)


@dataclass(frozen=True)
class VirtualNetwork:
    """A Wi-Fi network that a board hears from at_s on, for ever if for_s is None."""

    ssid: str
    password: str  # "" for an open one
    rssi: int
    at_s: float
    for_s: float | None


@dataclass(frozen=True)
class BoardPlan:
    """One virtual board, expanded; `device` derives from seed and index."""

    index: int
    device: str
    name: str | None
    board: Board
    sensors: tuple[VirtualSensor, ...]
    faults: tuple[Fault, ...]
    ticks_ms: int  # what the board's clock says at the start
    blank: bool  # its flash is erased; what it runs has to be flashed
    chip: Chip  # the board file's, unless the scenario says another
    replay: Replay | None = None  # a recording takes the place of sensors
    networks: tuple[VirtualNetwork, ...] = ()

"""What boards shall become, how far each is, and what became of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from motekit import bundle
from motekit.board import Board
from motekit.config import device_config
from motekit.flash import merged
from motekit.flash.merged import Region, Release
from motekit.flasher.esptool import FAST_BAUD
from motekit.hello import Hello

CONFIG = "/config.json"


@dataclass(frozen=True)
class Job:
    """What boards shall become; `erase`: whatever they hold, `replace`: what is not ours.

    `kept` are files that one board shall have beside the firmware, its configuration among them.
    """

    board: Board
    release: Release
    erase: bool = False
    replace: bool = False
    baud: int = FAST_BAUD
    kept: Mapping[str, bytes] = field(default_factory=dict[str, bytes], repr=False)

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """What a new board carries: firmware for its chip, start files, configuration."""
        settings = json.dumps(device_config(self.board)).encode()
        return {**bundle.files(self.board), CONFIG: settings, **self.kept}

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """All that an erased board gets; raises MotekitError for what does not fit."""
        return merged.regions(self.board, self.release, dict(self.files))


class Step(NamedTuple):
    """How far a board is: what is done now, bytes done and bytes of all (0: unknown).

    `device` is its MAC, as soon as that is known.
    """

    port: str
    what: str
    done: int = 0
    total: int = 0
    device: str = ""


Progress = Callable[[Step], None]


class Spared(NamedTuple):
    """What became of the packets in a board's RAM; `blank`: its boot ROM finds no program.

    `given_up`: so is what lies in its flash, too, if nothing starts from there.
    """

    unsent: str = ""
    blank: bool = False
    given_up: bool = False


# Called with a port before its board is reset, `cancelled`, and what tells what is done; raises
# MotekitError if what is in RAM is not to be lost.
Spare = Callable[[str, Callable[[], bool], Callable[[str], None]], Spared]


def spare_nothing(
    _port: str, _cancelled: Callable[[], bool], _tell: Callable[[str], None]
) -> Spared:
    """Have whatever a board holds lost: it was asked before, or has nothing."""
    return Spared()


@dataclass(frozen=True)
class Result:
    """What became of a board: `state` is "flashed", "updated", "unchanged" or "failed".

    `files` is how many were brought or removed one by one, `sent_bytes` what went over the line,
    `unsent` what became of the packets that it held.
    """

    port: str
    state: str
    mac: str = ""
    chip: str = ""
    sent_bytes: int = 0
    files: int = 0
    seconds: float = 0.0
    hello: Hello | None = None
    unsent: str = ""
    error: str = ""

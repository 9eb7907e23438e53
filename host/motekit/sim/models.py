"""The chip models, for the host: who they are and what they can do."""

import importlib
from typing import Any

_CHIPS = importlib.import_module("motekit.sim.rom.chips")

NAMES: tuple[str, ...] = tuple(sorted(_CHIPS.CHIPS))


def load(driver: str) -> Any:
    """Return the class of the model that a driver reads, None where there is none."""
    return _CHIPS.load(driver)

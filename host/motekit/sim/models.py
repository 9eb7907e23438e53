"""The chip models, for the host: who they are and what they can do."""

import importlib
from pkgutil import iter_modules
from typing import Any

from motekit import resources

_CHIPS = importlib.import_module("motekit.sim.rom.chips")

NAMES: tuple[str, ...] = tuple(
    sorted(each.name for each in iter_modules(_CHIPS.__path__) if each.name[0] != "_")
)


def names() -> tuple[str, ...]:
    """Return the drivers that have a model, those of the user's own among them."""
    return tuple(sorted({*NAMES, *resources.own_models}))


def load(driver: str) -> Any:
    """Return the class of the model that a driver reads, None where there is none."""
    return _CHIPS.load(driver)

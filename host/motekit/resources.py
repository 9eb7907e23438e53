"""Where the files lie that are no modules: in the package in a wheel, above it in a checkout."""

from pathlib import Path

import motefw

_PACKAGE = Path(__file__).parent
_WHEEL = _PACKAGE / "data"
_CHECKOUT = _PACKAGE.parent.parent

own: dict[str, Path] = {}  # modules of the user's, by their name on a board; see own.py
own_models: dict[str, Path] = {}  # models of the user's, by the driver's name


def boards() -> Path:
    """Return the folder of the board files."""
    return _WHEEL / "boards" if _WHEEL.is_dir() else _CHECKOUT / "boards"


def firmware_package() -> Path:
    """Return the folder of the package `motefw`, in source."""
    return Path(next(iter(motefw.__path__)))


def start_file(name: str) -> Path:
    """Return `main.py` or `boot.py`, which start the firmware on a board."""
    return (_WHEEL if _WHEEL.is_dir() else _CHECKOUT / "firmware") / name

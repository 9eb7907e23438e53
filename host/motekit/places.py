"""Where what is made or fetched once is kept: build/ of a checkout, else the user's folders."""

from pathlib import Path

import platformdirs

_CHECKOUT = Path(__file__).parents[2]


def _in_checkout() -> bool:
    return (_CHECKOUT / "pyproject.toml").is_file() and (_CHECKOUT / "firmware").is_dir()


def made() -> Path:
    """Return the folder for what can be made again: compiled firmware, file system images."""
    return _CHECKOUT / "build" if _in_checkout() else Path(platformdirs.user_cache_dir("motekit"))


def fetched() -> Path:
    """Return the folder for what was fetched: MicroPython VMs."""
    if _in_checkout():
        return _CHECKOUT / "build" / "vm"
    return Path(platformdirs.user_data_dir("motekit")) / "vm"

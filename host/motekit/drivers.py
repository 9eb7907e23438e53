"""What the host knows of the firmware's drivers: read from them, never written down here."""

import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from motefw.errors import ConfigError
from motekit import resources

# imported by name: drivers are MicroPython code and carry no types
_base: Any = importlib.import_module("motefw.driver")
_options: Any = importlib.import_module("motefw.options")
_package: Any = importlib.import_module("motefw.drivers")
_CHANNELS_MAX = 16  # of a packet
_CHANNEL = (str, str, int | float, int | float)
NAMES: tuple[str, ...] = tuple(sorted(each.name for each in iter_modules(_package.__path__)))


def names() -> tuple[str, ...]:
    """Return the names of all drivers, those of the user's own among them."""
    taken = (Path(name) for name in resources.own)
    own = (path.stem for path in taken if path.parent.as_posix() == "motefw/drivers")
    return tuple(sorted({*NAMES, *own}))


@dataclass(frozen=True)
class Channel:
    """One measured quantity; physical = raw * scale + offset."""

    name: str
    unit: str
    scale: float
    offset: float


@dataclass(frozen=True)
class Option:
    """One setting of a driver; `allowed` is a range or what can be chosen."""

    name: str
    default: object
    allowed: Sequence[object]

    def fits(self) -> str:
        """Return in words what is allowed."""
        if isinstance(self.allowed, range):
            return f"{self.allowed.start}..{self.allowed.stop - 1}"
        return ", ".join(map(str, self.allowed))

    def __str__(self) -> str:
        return f"{self.name} = {self.default} (one of {self.fits()})"


@dataclass(frozen=True)
class DriverInfo:
    """One driver's own tables, and what its docstring says."""

    name: str
    title: str
    notes: dict[str, str]  # "Maker", "Bus", "Source", "Rates", "Unverified"
    bus: str  # "i2c" or "uart"
    addresses: tuple[int, ...]  # I2C, the default first
    streaming: bool  # samples come at the part's own rate, not when asked
    fifo: int  # samples that wait in a streaming part before one is lost
    channels: tuple[Channel, ...]
    options: tuple[Option, ...]
    identity: tuple[int, int, int] | None  # register, what it holds, and which bits of that count

    def is_identified_by(self, registers: Mapping[int, int | None]) -> bool:
        """Tell whether the identity register is among these, and holds what it should."""
        if self.identity is None:
            return False
        register, expected, mask = self.identity
        value = registers.get(register)
        return value is not None and value & mask == expected


def describe(name: str, chosen: dict[str, object] | None = None) -> DriverInfo:
    """Return what a driver says of itself, with the channels that the chosen options give."""
    found = _class(name)
    title, notes = _docstring(inspect.getdoc(importlib.import_module(found.__module__)) or name)
    channels = _options.channels_of(found, chosen or {})
    return DriverInfo(
        name=name,
        title=title,
        notes=notes,
        bus=found.BUS,
        addresses=tuple(found.ADDRESSES),
        streaming=found.STREAMING,
        fifo=found.FIFO,
        channels=tuple(Channel(*channel) for channel in channels),
        options=tuple(Option(*option) for option in found.OPTIONS),
        identity=_identity(*found.ID) if found.ID else None,
    )


def optional_channels(info: DriverInfo) -> list[tuple[str, Channel]]:
    """Return (option, channel) of the channels that a driver has with one option set alone."""
    usual = {each.name for each in info.channels}
    found: list[tuple[str, Channel]] = []
    for option in info.options:
        for value in option.allowed:
            more = describe(info.name, {option.name: value}).channels
            new = [each for each in more if each.name not in usual]
            found += [(f"{option.name} = {value}", each) for each in new]
            if new:
                break  # with other values they differ by their scale
    return found


def check_options(name: str, options: dict[str, object]) -> str:
    """Return what the driver has against these options, "" if nothing."""
    try:
        _options.check_options(_class(name), options)
    except ConfigError as err:
        return str(err)
    return ""


def _tables_amiss(found: Any) -> str:
    if not 1 <= len(getattr(found, "CHANNELS", ())) <= _CHANNELS_MAX:
        return f"CHANNELS: 1 to {_CHANNELS_MAX} of (name, unit, scale, offset) expected"
    for channel in found.CHANNELS:
        if len(channel) != len(_CHANNEL) or not all(map(isinstance, channel, _CHANNEL)):
            return f"CHANNELS: {channel!r} is not (name, unit, scale, offset)"
    for option in found.OPTIONS:
        if len(option) != 3 or option[1] not in option[2]:
            return f"OPTIONS: {option!r} is not (name, default, what is allowed)"
    return ""


def amiss(found: Any) -> str:
    """Return what a class lacks to be a driver, "" if nothing."""
    if not issubclass(found, _base.Driver):
        return "is not derived from motefw.driver.Driver"
    if found.BUS not in ("i2c", "uart"):
        return f"BUS: {found.BUS!r} is not 'i2c' or 'uart'"
    if found.BUS == "i2c" and not found.ADDRESSES:
        return "ADDRESSES: is empty; the addresses that the part can have expected"
    if why := _tables_amiss(found):
        return why
    needed = ("pending", "drain") if found.STREAMING else ("measure", "read")
    lacking = [each for each in needed if not callable(getattr(found, each, None))]
    return f"has no {' and no '.join(lacking)}" if lacking else ""


def _identity(register: int, expected: int, mask: int = 0xFF) -> tuple[int, int, int]:
    return register, expected, mask


def _class(name: str) -> Any:
    return _package.load(name)


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """Split a driver's docstring into title and `Key: value` lines; indented lines go on."""
    title, *lines = text.splitlines()
    notes: dict[str, str] = {}
    last = ""
    for line in lines:
        key, colon, value = line.partition(": ")
        if colon and key.istitle() and key.isalpha():
            last = key
            notes[last] = value.strip()
        elif last and line.startswith(" "):
            notes[last] += " " + line.strip()
        else:
            last = ""
    return title.rstrip("."), notes

"""Key paths into a board's configuration, as they are typed: `sensors.adxl345.options.rate_hz`.

The parts are those of a TOML key: a part with other characters than letters, digits, `_` and `-`
stands in quotes. Below `sensors` a part is a sensor's name, or its place from 0 on.
"""

import copy
import json
import re
import tomllib
from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from motekit.errors import UsageError
from motekit.fields import nearest

Config = dict[str, Any]
Path = tuple[str, ...]
SENSORS = "sensors"
PARTS_MAX = 8
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_VALUES = (str, int, float, bool, list, dict)  # what JSON has, too


class Setting(NamedTuple):
    """A value that a key path is to have."""

    path: Path
    value: object


def parse(text: str) -> Path:
    """Return the parts of a key path; UsageError if it is none."""
    if text.isprintable() and "=" not in text:
        try:
            found = _parts(tomllib.loads(f"{text} = 0"))
        except tomllib.TOMLDecodeError:
            found = ()
        if 0 < len(found) <= PARTS_MAX:
            return found
    raise UsageError(
        f"{text!r}: no key path; one such as name, packet.samples or "
        "sensors.adxl345.options.rate_hz was expected"
    )


def _parts(table: object) -> Path:
    """Return the keys of tables within each other, () if there is anything else in them."""
    parts: list[str] = []
    while isinstance(table, dict) and len(cast("Config", table)) == 1:
        part, table = cast("Config", table).popitem()
        parts.append(part)
    return tuple(parts) if table == 0 else ()


def text(path: Path) -> str:
    """Return a key path as it is typed."""
    return ".".join(
        part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=False) for part in path
    )


def setting(typed: str) -> Setting:
    """Return what `path=value` sets. What is no TOML value is a text: `name=roof`."""
    key, equals, value = typed.partition("=")
    if not equals or not value:
        raise UsageError(f"{typed!r}: key=value was expected, or --unset KEY to remove one")
    return Setting(parse(key.strip()), _value(value.strip()))


def _value(typed: str) -> object:
    try:
        found = tomllib.loads(f"v = {typed}") if typed.isprintable() else {}
    except tomllib.TOMLDecodeError:
        return typed
    value: object = found.get("v")
    fits = len(found) == 1 and type(value) in _VALUES
    return value if fits else typed


def get(config: Config, path: Path) -> object:
    """Return what stands at a path; UsageError names the part that is not there."""
    value: object = config
    for at, part in enumerate(path):
        value = _Place(value, path[:at]).inner(part)
    return value


def changed(config: Config, settings: Iterable[Setting], unset: Iterable[Path] = ()) -> Config:
    """Return a configuration with some values set and some removed.

    Tables on the way are made, as is a sensor of a new name, at the end. UsageError for a path
    through something that is no table, and for one to be removed that is not there.
    """
    made = copy.deepcopy(config)
    for path in unset:
        _Place(get(made, path[:-1]), path[:-1]).remove(path[-1])
    for path, value in settings:
        inner: object = made
        for at, part in enumerate(path[:-1]):
            inner = _Place(inner, path[:at]).entered(part)
        _Place(inner, path[:-1]).put(path[-1], value)
    return made


class _Place:
    """A table, or the list of sensors, at a path of a configuration."""

    def __init__(self, value: object, path: Path) -> None:
        self._path = path
        self._table = cast("Config", value) if isinstance(value, dict) else None
        self._list = cast("list[object]", value) if isinstance(value, list) else None
        if self._table is None and self._list is None:
            raise UsageError(f"{text(path)}: is {value!r}, and has no keys")

    def inner(self, part: str) -> object:
        """Return what a part stands for."""
        if self._table is not None and part in self._table:
            return self._table[part]
        index = self._index(part)
        if self._list is None or index is None:
            raise self._missing(part)
        return self._list[index]

    def entered(self, part: str) -> object:
        """Return what a part stands for, made if it can be."""
        if self._table is not None and part not in self._table:
            self._table[part] = [] if (*self._path, part) == (SENSORS,) else {}
        elif self._list is not None and self._index(part) is None:
            if self._path != (SENSORS,) or part.isdigit():
                raise self._missing(part)
            self._list.append({"name": part})
        return self.inner(part)

    def put(self, part: str, value: object) -> None:
        """Set what a part stands for."""
        index = self._index(part)
        if self._table is not None:
            self._table[part] = value
        elif self._list is not None and index is not None:
            self._list[index] = value
        else:
            raise self._missing(part)

    def remove(self, part: str) -> None:
        """Remove what a part stands for."""
        self.inner(part)
        index = self._index(part)
        if self._table is not None:
            del self._table[part]
        elif self._list is not None and index is not None:
            del self._list[index]

    def _index(self, part: str) -> int | None:
        """Return the place of a sensor's name, or of a number, in the list."""
        if self._list is None:
            return None
        if part in self._names() and self._path == (SENSORS,):
            return self._names().index(part)
        index = int(part) if part.isascii() and part.isdigit() and len(part) < 4 else -1
        return index if 0 <= index < len(self._list) else None

    def _names(self) -> list[str]:
        tables = (cast("Config", x) if isinstance(x, dict) else {} for x in self._list or ())
        return [str(table.get("name", at)) for at, table in enumerate(tables)]

    def _missing(self, part: str) -> UsageError:
        known = self._names() if self._table is None else self._table
        return UsageError(f"{text((*self._path, part))}: is not there; {nearest(part, known)}")

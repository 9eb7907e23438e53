"""Key paths into a board's configuration, as they are typed: `sensors.adxl345.options.rate_hz`.

The parts are those of a TOML key: a part with other characters than letters, digits, `_` and `-`
stands in quotes. Below `sensors` a part is a sensor's name, or its place from 0 on.
"""

import copy
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from motekit.errors import UsageError
from motekit.fields import nearest

Config = dict[str, Any]
Path = tuple[str, ...]
SENSORS = "sensors"
PARTS_MAX = 8
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_VALUES = (str, int, float, list, dict)  # what JSON has too; bool is an int


class Setting(NamedTuple):
    """A value that a key path is to have."""

    path: Path
    value: object


def parse(text: str) -> Path:
    """Return the parts of a key path; UsageError if it is none."""
    if text.isprintable() and "=" not in text:
        try:
            inner: object = tomllib.loads(f"{text} = 0")
        except tomllib.TOMLDecodeError:
            inner = 0
        parts: list[str] = []
        while isinstance(inner, dict) and len(cast("Config", inner)) == 1:
            ((part, inner),) = cast("Config", inner).items()
            parts.append(part)
        if inner == 0 and 0 < len(parts) <= PARTS_MAX:
            return tuple(parts)
    raise UsageError(
        f"{text!r}: no key path; one such as name, packet.samples or "
        "sensors.adxl345.options.rate_hz was expected"
    )


def text(path: Path) -> str:
    """Return a key path as it is typed."""
    return ".".join(part if _BARE.fullmatch(part) else json.dumps(part) for part in path)


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
    value = found.get("v")
    return value if len(found) == 1 and isinstance(value, _VALUES) else typed


def get(config: Mapping[str, Any], path: Path) -> object:
    """Return what stands at a path; UsageError names the part that is not there."""
    value: Any = config
    for at, part in enumerate(path):
        key = _key(value, path[:at], part)
        if key is None:
            raise _missing(value, path, at)
        value = value[key]
    return value


def changed(
    config: Mapping[str, Any], settings: Iterable[Setting], unset: Iterable[Path] = ()
) -> Config:
    """Return a configuration with some values set and some removed.

    Tables on the way are made, as is a sensor of a new name, at the end. UsageError for a path
    through something that is no table, and for one to be removed that is not there.
    """
    made: Config = copy.deepcopy(dict(config))
    for path in unset:
        outer: Any = get(made, path[:-1])
        key = _key(outer, path[:-1], path[-1])
        if key is None:
            raise _missing(outer, path, len(path) - 1)
        del outer[key]
    for path, value in settings:
        _put(made, path, value)
    return made


def _put(config: Config, path: Path, value: object) -> None:
    place: Any = config
    for at, part in enumerate(path[:-1]):
        key = _key(place, path[:at], part)
        if key is None:
            key = _make(place, path, at)
        place = place[key]
        if not isinstance(place, dict | list):
            raise UsageError(f"{text(path[: at + 1])}: is {place!r}, no table to set keys in")
    key = _key(place, path[:-1], path[-1])
    if isinstance(place, list) and key is None:
        raise _missing(place, path, len(path) - 1)
    place[path[-1] if key is None else key] = value


def _make(place: Any, path: Path, at: int) -> str | int:
    """Make the table that a path goes on with; return its key."""
    if isinstance(place, list):
        if path[:at] != (SENSORS,) or path[at].isdigit():
            raise _missing(cast("object", place), path, at)
        cast("list[Any]", place).append({"name": path[at]})
        return len(cast("list[Any]", place)) - 1
    place[path[at]] = [] if path[: at + 1] == (SENSORS,) else {}
    return path[at]


def _key(place: object, above: Path, part: str) -> str | int | None:
    """Return the key or index that a part stands for, None if it is not there."""
    if isinstance(place, list):
        entries = cast("list[Any]", place)
        if above == (SENSORS,):
            for at, entry in enumerate(entries):
                if isinstance(entry, dict) and cast("Config", entry).get("name") == part:
                    return at
        index = int(part) if part.isascii() and part.isdigit() and len(part) < 4 else -1
        return index if 0 <= index < len(entries) else None
    return part if isinstance(place, dict) and part in place else None


def _missing(place: object, path: Path, at: int) -> UsageError:
    where = text(path[: at + 1])
    if isinstance(place, dict):
        return UsageError(f"{where}: is not there; {nearest(path[at], cast('Config', place))}")
    if isinstance(place, list):
        names = [str(_name(each, i)) for i, each in enumerate(cast("list[Any]", place))]
        return UsageError(f"{where}: is not there; {nearest(path[at], names)}")
    return UsageError(f"{where}: {text(path[:at])} is {place!r}, which has no keys")


def _name(entry: object, at: int) -> object:
    return cast("Config", entry).get("name", at) if isinstance(entry, dict) else at

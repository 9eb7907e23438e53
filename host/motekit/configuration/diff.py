"""What differs between two configurations, value by value, in words and for machines."""

import copy
import importlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

from motefw.errors import ConfigError

from .paths import SENSORS, Config, Path, text

_config: Any = importlib.import_module("motefw.config")  # MicroPython code, without types
_drivers: Any = importlib.import_module("motefw.drivers")
ABSENT = None  # no value of a configuration is null


class Change(NamedTuple):
    """A value before and after, None where there is none."""

    path: Path
    before: object
    after: object

    def __str__(self) -> str:
        where = text(self.path)
        if self.before is ABSENT:
            return f"+ {where} = {_said(self.after)}"
        if self.after is ABSENT:
            return f"- {where} = {_said(self.before)}"
        return f"~ {where}: {_said(self.before)} -> {_said(self.after)}"

    def record(self) -> dict[str, object]:
        """Return what JSON output has of it."""
        return {"key": text(self.path), "before": self.before, "after": self.after}


def completed(config: Mapping[str, Any]) -> Config:
    """Return a configuration with the firmware's defaults in it, as a board tells it.

    One that this firmware would refuse stays as it is: whether a board takes it, the board says.
    """
    made: Config = copy.deepcopy(dict(config))
    try:
        return cast("Config", _config.check(copy.deepcopy(made), _drivers.load))
    except ConfigError:
        return made


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return what differs, sorted by path; sensors are told apart by name.

    Their order counts, since it numbers the streams: it is a value of its own.
    """
    old, new = dict(_leaves(before)), dict(_leaves(after))
    found = [
        Change(path, old.get(path, ABSENT), new.get(path, ABSENT))
        for path in sorted({*old, *new})
        if not _same(old.get(path, ABSENT), new.get(path, ABSENT))
    ]
    orders = _names(before), _names(after)
    common = [[name for name in names if name in set(other)] for names, other in _pairs(orders)]
    if common[0] != common[1]:
        found.append(Change((SENSORS,), orders[0], orders[1]))
    return found


def _pairs(orders: tuple[list[str], list[str]]) -> list[tuple[list[str], list[str]]]:
    return [(orders[0], orders[1]), (orders[1], orders[0])]


def _same(a: object, b: object) -> bool:
    """Tell whether two values are one: 1, 1.0 and true are three to a board."""
    return type(a) is type(b) and a == b


def _names(config: Mapping[str, Any]) -> list[str]:
    sensors = config.get(SENSORS)
    if not isinstance(sensors, list):
        return []
    return [_name(at, each) for at, each in enumerate(cast("list[Any]", sensors))]


def _name(at: int, sensor: object) -> str:
    name = cast("Config", sensor).get("name") if isinstance(sensor, dict) else None
    return name if isinstance(name, str) else str(at)


def _leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield each value that is no table, with its path; an empty table says nothing."""
    if isinstance(value, Mapping):
        for key, inner in cast("Mapping[str, object]", value).items():
            yield from _leaves(inner, (*path, str(key)))
    elif path == (SENSORS,) and isinstance(value, list):
        for at, sensor in enumerate(cast("list[object]", value)):
            name = _name(at, sensor)
            if isinstance(sensor, Mapping):
                rest = {k: v for k, v in cast("Config", sensor).items() if k != "name"}
                yield from _leaves(rest, (*path, name))
            else:
                yield (*path, name), sensor
    else:
        yield path, value


def _said(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)

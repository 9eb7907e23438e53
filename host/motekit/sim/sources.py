"""What a virtual sensor sees: a recording in a CSV file, or terms of a generator.

    replay = { file = "fan.csv", columns = ["x", "y", "z"], raw = true, loop = false }
    source = { temperature = 21.5, humidity = { sine = { mean = 45, amplitude = 10,
               period_s = 3600 } } }

A recording is checked row by row and written to a binary file, from which the VM takes a few rows
at a time.
"""

import array
import csv
import math
from collections.abc import Generator as Yielding
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

from motekit.drivers import Channel, DriverInfo
from motekit.fields import Fields, nearest
from motekit.sim import models

_INT32 = (-(1 << 31), (1 << 31) - 1)
_HUGE = 1e12
_LINE_MAX_CHARS = 65536
_NOISE_SD = 3.47  # standard deviations: rom/sources.py adds up four uniform numbers
_DAY_S = 86400.0
_MASSES_ALONE = {"pms5003": 3, "pmsa003i": 3}  # a recording may lack the counts
_DEFAULTS: dict[
    str, list[list[Any]]
] = {  # by unit: what a sensor sees that nobody said anything of
    "g": [["noise", 0.01]],
    "deg/s": [["noise", 0.5]],
    "Cel": [["constant", 21.5], ["sine", 2.0, _DAY_S, 0.0]],
    "%RH": [["constant", 45.0], ["sine", 10.0, _DAY_S, 0.5]],
    "ug/m3": [["constant", 12.0], ["sine", 4.0, 3600.0, 0.0]],
    "ppm": [["constant", 600.0], ["sine", 150.0, 3600.0, 0.0]],
    "tick": [["constant", 28000.0], ["noise", 20.0]],
}


@dataclass(frozen=True)
class Recording:
    """Rows of a CSV file, a sample each; raw rows are register counts, others physical values."""

    path: Path
    raw: bool
    loop: bool
    width: int
    values: "array.array[int] | array.array[float]"  # row by row

    @property
    def rows(self) -> int:
        """Return the number of samples."""
        return len(self.values) // self.width

    def prepare(self, folder: Path, name: str) -> dict[str, Any]:
        """Write the binary file; return the specification for the VM (see rom/sources.py)."""
        path = folder / f"{name}.samples"
        with path.open("wb") as f:
            self.values.tofile(f)
        return {
            "file": str(path),
            "raw": self.raw,
            "loop": self.loop,
            "rows": self.rows,
            "width": self.width,
        }


@dataclass(frozen=True)
class Generator:
    """For each channel, in the driver's order, the terms whose sum it is: [kind, numbers...]."""

    channels: tuple[tuple[tuple[Any, ...], ...], ...]
    seed: int

    def prepare(self, _folder: Path, _name: str) -> dict[str, Any]:
        """Return the specification for the VM (see rom/sources.py)."""
        return {"channels": self.channels, "seed": self.seed}


Source = Recording | Generator


def read(
    entry: Fields, info: DriverInfo, options: dict[str, Any], base: Path, seed: int
) -> Source:
    """Return the source of one sensor's table; files are relative to `base`."""
    if "replay" in entry and "source" in entry:
        raise entry.fail("replay", "there is a source, too; a sensor has one or the other")
    if "replay" in entry:
        return _recording(entry.table("replay"), info, options, base)
    return _generator(entry.table("source", required=False), info, options, seed)


def _recording(fields: Fields, info: DriverInfo, options: dict[str, Any], base: Path) -> Recording:
    path = base / fields.text("file")
    raw = fields.flag("raw")
    loop = fields.flag("loop")
    wanted = _columns(fields)
    fields.done()
    widths = {len(info.channels), _MASSES_ALONE.get(info.name, len(info.channels))}
    rows = _rows(fields, path)
    _, names = next(rows)
    if wanted is None:
        wanted = names[: len(info.channels)]
    for name in wanted:
        if name not in names:
            raise fields.fail("columns", f"{path} has no column {name!r}; {nearest(name, names)}")
    if len(wanted) not in widths:
        expected = " or ".join(str(w) for w in sorted(widths))
        channels = ", ".join(channel.name for channel in info.channels)
        raise fields.fail(
            "columns", f"{len(wanted)} columns, {info.name} takes {expected}: {channels}"
        )
    limits = _limits(info, options, raw)
    values: array.array[Any] = array.array("i" if raw else "d")
    columns = [(names.index(name), name, *limits[i]) for i, name in enumerate(wanted)]
    for number, row in rows:
        for at, name, low, high in columns:
            where = f"{path}: row {number}, column {name}"
            value = _number(fields, where, row[at] if at < len(row) else "", raw)
            if not low <= value <= high:
                raise fields.error(f"{where}: {value:g} {_beyond(info, low, high)}")
            values.append(int(value) if raw else value)
    if not values:
        raise fields.fail("file", f"{path} has no row of data")
    return Recording(path, raw, loop, len(wanted), values)


def _columns(fields: Fields) -> list[str] | None:
    found = fields.get("columns")
    if found is None:
        return None
    if not isinstance(found, list) or not found:
        raise fields.fail("columns", f"{found!r} is not a list of column names")
    names: list[str] = []
    for name in cast("list[object]", found):
        if not isinstance(name, str):
            raise fields.fail("columns", f"{name!r} is not a column's name")
        names.append(name)
    return names


def _rows(fields: Fields, path: Path) -> Yielding[tuple[int, list[str]]]:
    """Yield a CSV file's header, then its rows, with the numbers of their lines.

    Row by row: a day at 200 Hz would take gigabytes.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as f:
            reader = csv.reader(_lines(f))
            header = [name.strip() for name in next(reader, list[str]())]
            _check_header(fields, path, header)
            yield reader.line_num, header
            for row in reader:
                if row:
                    yield reader.line_num, row
    except OSError as e:
        raise fields.fail("file", f"{path}: cannot be read: {e.strerror or e}") from None
    except (UnicodeDecodeError, csv.Error) as e:
        raise fields.fail("file", f"{path}: not CSV: {e}") from None
    except ValueError as e:  # a name with a NUL
        raise fields.fail("file", f"{str(path)!r}: {e}") from None


def _lines(file: TextIO) -> Iterator[str]:
    """Yield a file's lines, none longer than a row can be."""
    while line := file.readline(_LINE_MAX_CHARS + 1):
        if len(line) > _LINE_MAX_CHARS:
            raise csv.Error(f"a line of more than {_LINE_MAX_CHARS} characters")
        yield line


def _check_header(fields: Fields, path: Path, header: list[str]) -> None:
    if not header:
        raise fields.fail("file", f"{path} is empty, a line of column names expected")
    if twice := {name for name in header if name and header.count(name) > 1}:
        raise fields.fail("file", f"{path}: column {', '.join(sorted(twice))} is there twice")


def _number(fields: Fields, where: str, text: str, raw: bool) -> float:
    if not text.strip():
        raise fields.error(f"{where}: empty, a number expected: a replay has no gaps")
    try:
        value = float(text)
    except ValueError:
        raise fields.error(f"{where}: {text!r} is not a number") from None
    if not math.isfinite(value):
        raise fields.error(f"{where}: {text!r} is not finite")
    if raw and value != int(value):
        raise fields.error(f"{where}: {text} is not an integer; raw = true means register counts")
    return value


def _limits(info: DriverInfo, options: dict[str, Any], raw: bool) -> list[tuple[float, float]]:
    """Return the lowest and highest value of each channel that the part can produce.

    Physical ones may miss the end of the scale by one count: 16 g is the end of a 16 g range.
    """
    model = models.load(info.name)
    counts = model.limits(options) if model else [_INT32] * len(info.channels)
    if raw:
        return list(counts)
    pairs = zip(info.channels, counts, strict=True)
    return [_physical(channel, low - 1, high + 1) for channel, (low, high) in pairs]


def _physical(channel: Channel, low: int, high: int) -> tuple[float, float]:
    ends = sorted(end * channel.scale + channel.offset for end in (low, high))
    return ends[0], ends[1]


def _beyond(info: DriverInfo, low: float, high: float) -> str:
    return f"is not in {low:g}..{high:g}, what {info.name} can produce"


# Generators


def _generator(fields: Fields, info: DriverInfo, options: dict[str, Any], seed: int) -> Generator:
    names = [channel.name for channel in info.channels]
    for name in fields.names():
        if name not in names:
            raise fields.fail(name, f"{info.name} has no such channel; {nearest(name, names)}")
    limits = _limits(info, options, raw=False)
    channels: list[tuple[tuple[Any, ...], ...]] = []
    for channel, (low, high) in zip(info.channels, limits, strict=True):
        if channel.name not in fields:
            channels.append(_default(channel))
            continue
        terms = _terms(fields, channel.name)
        for reached in _reach(terms):
            if not low <= reached <= high:
                why = f"{reached:g} {channel.unit} {_beyond(info, low, high)}"
                raise fields.fail(channel.name, why)
        channels.append(terms)
    fields.done()
    return Generator(tuple(channels), seed)


def _reach(terms: tuple[tuple[Any, ...], ...]) -> tuple[float, float]:
    """Return the lowest and the highest value that a sum of terms can have."""
    low = high = 0.0
    for kind, *numbers in terms:
        if kind == "sine":
            ends = (-abs(numbers[0]), abs(numbers[0]))
        elif kind == "noise":
            ends = (-_NOISE_SD * numbers[0], _NOISE_SD * numbers[0])
        elif kind == "steps":
            ends = (min(numbers[0]), max(numbers[0]))
        else:  # constant has one number, ramp goes from its first to its second
            ends = (min(numbers[:2]), max(numbers[:2]))
        low += ends[0]
        high += ends[1]
    return low, high


def _default(channel: Channel) -> tuple[tuple[Any, ...], ...]:
    terms = _DEFAULTS.get(channel.unit, [["constant", 10.0], ["noise", 1.0]])
    if channel.name.endswith("_z") and channel.unit == "g":
        terms = [["constant", 1.0], *terms]
    return tuple(tuple(term) for term in terms)


def _terms(fields: Fields, name: str) -> tuple[tuple[Any, ...], ...]:
    if not isinstance(fields.get(name), dict):
        return (("constant", fields.number(name, -_HUGE, _HUGE)),)
    table = fields.table(name)
    terms: list[tuple[Any, ...]] = []
    for kind in table.names():
        if kind not in _TERMS:
            raise table.fail(kind, f"unknown generator; {nearest(kind, _TERMS)}")
        terms += _TERMS[kind](table)
    if not terms:
        raise fields.fail(name, f"empty; give a number or one of {', '.join(_TERMS)}")
    return tuple(terms)


def _get(table: Fields, key: str, default: float | None = None, low: float = -_HUGE) -> float:
    if default is not None and key not in table:
        return default
    return table.number(key, low, _HUGE)


def _constant(fields: Fields) -> list[tuple[Any, ...]]:
    return [("constant", _get(fields, "constant"))]


def _sine(fields: Fields) -> list[tuple[Any, ...]]:
    table = fields.table("sine")
    mean = _get(table, "mean", 0.0)
    phase = _get(table, "phase", 0.0)
    terms = [
        ("constant", mean),
        ("sine", _get(table, "amplitude"), _get(table, "period_s", low=1e-6), phase),
    ]
    table.done()
    return list(terms)


def _noise(fields: Fields) -> list[tuple[Any, ...]]:
    table = fields.table("noise")
    terms = [("constant", _get(table, "mean", 0.0)), ("noise", _get(table, "sd", low=0.0))]
    table.done()
    return list(terms)


def _ramp(fields: Fields) -> list[tuple[Any, ...]]:
    table = fields.table("ramp")
    term = ("ramp", _get(table, "from"), _get(table, "to"), _get(table, "period_s", low=1e-6))
    table.done()
    return [term]


def _steps(fields: Fields) -> list[tuple[Any, ...]]:
    table = fields.table("steps")
    values = table.get("values")
    if not isinstance(values, list) or not values:
        raise table.fail("values", f"{values!r} is not a list of numbers")
    numbers: list[float] = []
    for i, value in enumerate(cast("list[object]", values)):
        entry = Fields(f"{table.where}.values[{i}]", {"value": value}, table.error)
        numbers.append(entry.number("value", -_HUGE, _HUGE))
    term = ("steps", numbers, _get(table, "period_s", low=1e-6))
    table.done()
    return [term]


_TERMS = {
    "constant": _constant,
    "sine": _sine,
    "noise": _noise,
    "ramp": _ramp,
    "steps": _steps,
}

"""Reads tables of a TOML file field by field; an error names file, key, value and what would fit.

`Fields(f"{path}: bus.i2c0", data, BoardError)` is one table, `fields.integer("sda", 0, 48)` takes
one value out of it, and `fields.done()` refuses the keys that nobody asked for.
"""

import difflib
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import cast

from motekit.errors import MotekitError


def read_toml(path: Path, error: type[MotekitError], data: bytes | None = None) -> "Fields":
    """Return the top table of a TOML file, or of `data` as if that stood there."""
    try:
        held = path.read_bytes() if data is None else data
        return Fields(str(path), tomllib.loads(held.decode("utf-8")), error)
    except OSError as err:
        raise error(f"{path}: cannot be read: {err.strerror or err}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as err:
        raise error(f"{path}: not TOML: {err}") from None


def nearest(word: str, known: Iterable[str]) -> str:
    """Return what to try instead of an unknown word, as the end of a sentence."""
    names = sorted(known)
    begun = [name for name in names if word and name.startswith(word)]
    close = begun or difflib.get_close_matches(word, names, 1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(names) or 'none'}"


class Fields:
    """One table; `where` names it in errors."""

    def __init__(self, where: str, data: object, error: type[MotekitError]) -> None:
        self.where = where
        self.error = error
        if not isinstance(data, Mapping):
            raise error(f"{where}: {data!r} is no table")
        self._data = cast("Mapping[str, object]", data)
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        self._asked.add(key)
        return key in self._data

    def names(self) -> tuple[str, ...]:
        """Return the keys in the file's order."""
        return tuple(self._data)

    def free(self, key: str) -> dict[str, object]:
        """Return the table under a key as it stands, for others to check; empty if absent."""
        inner = self.table(key, required=False)
        return {name: inner.get(name) for name in inner.names()}

    def fail(self, key: str, why: str) -> MotekitError:
        """Return the error for a key, to be raised."""
        return self.error(f"{self.at(key)}: {why}")

    def at(self, key: str) -> str:
        """Return where a key is, for errors."""
        return f"{self.where}: {key}" if ": " not in self.where else f"{self.where}.{key}"

    def get(self, key: str) -> object:
        """Return whatever stands there, None if nothing does."""
        self._asked.add(key)
        return self._data.get(key)

    def _need(self, key: str, what: str) -> object:
        value = self.get(key)
        if value is None:
            raise self.fail(key, f"missing, {what} expected")
        return value

    def text(self, key: str, known: Collection[str] | None = None) -> str:
        """Return a string, one of the known ones where they are given."""
        value = self._need(key, "a text")
        if not isinstance(value, str) or not value:
            raise self.fail(key, f"{value!r} is not a text")
        if known is not None and value not in known:
            raise self.fail(key, f"{value!r} is unknown; {nearest(value, known)}")
        return value

    def integer(self, key: str, low: int, high: int) -> int:
        """Return an integer in low..high."""
        value = self._need(key, "an integer")
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(key, f"{value!r} is not an integer in {low}..{high}")
        return value

    def number(self, key: str, low: float, high: float) -> float:
        """Return a number in low..high; infinities and NaN never fit."""
        value = self._need(key, "a number")
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise self.fail(key, f"{value!r} is not a number")
        if not low <= value <= high:
            raise self.fail(key, f"{value!r} is not in {low:g}..{high:g}")
        return value

    def flag(self, key: str) -> bool:
        """Return a boolean, False if absent."""
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.fail(key, f"{value!r} is neither true nor false")
        return bool(value)

    def table(self, key: str, *, required: bool = True) -> "Fields":
        """Return the table under a key, an empty one if absent and not required."""
        value = self._need(key, "a table") if required else self.get(key)
        return Fields(self.at(key), {} if value is None else value, self.error)

    def tables(self, key: str) -> list["Fields"]:
        """Return the array of tables under a key, in order; empty if absent."""
        return [Fields(f"{self.at(key)}[{i}]", each, self.error) for i, each in self._list(key)]

    def integers(self, key: str, low: int, high: int) -> list[int]:
        """Return an array of integers in low..high; empty if absent."""
        found: list[int] = []
        for i, each in self._list(key):
            if not isinstance(each, int) or isinstance(each, bool) or not low <= each <= high:
                raise self.fail(f"{key}[{i}]", f"{each!r} is not an integer in {low}..{high}")
            found.append(each)
        return found

    def _list(self, key: str) -> list[tuple[int, object]]:
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            hint = f"; [[{key}]] makes one of tables" if isinstance(value, Mapping) else ""
            raise self.fail(key, f"is no list{hint}" if hint else f"{value!r} is not a list")
        return list(enumerate(cast("list[object]", value)))

    def done(self) -> None:
        """Refuse keys that were never asked for: a typing error must not pass in silence."""
        for key in self._data:
            if key not in self._asked:
                raise self.fail(key, f"unknown key; {nearest(key, self._asked)}")

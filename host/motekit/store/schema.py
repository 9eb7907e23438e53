"""The channel table that a board announces for each of its streams: checked, then believed."""

import json
from typing import Any, NamedTuple, cast

from motekit.errors import SchemaError

RESERVED = ("device", "stream", "time", "monotonic_us")  # columns of every table that is read
CHANNELS_MAX = 16
TEXT_MAX = 64
NUMBER_MAX = 1e200  # times 2^31 it is still a number


class Channel(NamedTuple):
    """physical value in `unit` = raw * scale + offset."""

    name: str
    unit: str
    scale: float
    offset: float


class Schema(NamedTuple):
    """One stream of a board."""

    number: int
    stream: int
    name: str
    driver: str
    period_us: float | None  # nominal
    channels: tuple[Channel, ...]


def _text(what: str, value: Any, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty) or len(value) > TEXT_MAX:
        raise SchemaError(f"schema: {what} is {value!r:.80}, a text of at most 64 was expected")
    if not value.isprintable():
        raise SchemaError(f"schema: {what} is {value!r:.80}, which cannot be printed")
    return value


def _number(what: str, value: Any) -> float:
    if not isinstance(value, bool) and isinstance(value, int | float) and abs(value) <= NUMBER_MAX:
        return float(value)
    raise SchemaError(f"schema: {what} is {value!r:.80}, a finite number was expected")


def _nibble(what: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 15:
        raise SchemaError(f"schema: {what} is {value!r:.80}, 0 to 15 was expected")
    return value


def _channel(at: int, row: Any) -> Channel:
    what = f"channels[{at}]"
    if not isinstance(row, list) or len(cast("list[Any]", row)) != 4:
        raise SchemaError(
            f"schema: {what} is {row!r:.80}, [name, unit, scale, offset] was expected"
        )
    name, unit, scale, offset = cast("list[Any]", row)
    if name in RESERVED:
        raise SchemaError(f"schema: {what} is named {name}, which every table has already")
    return Channel(
        _text(what + " name", name),
        _text(what + " unit", unit, empty=True),
        _number(what + " scale", scale),
        _number(what + " offset", offset),
    )


def _period_us(table: dict[str, Any]) -> float | None:
    for key in ("rate_hz", "period_ms"):
        if key in table:
            value = _number(key, table[key])
            if value <= 0:
                raise SchemaError(f"schema: {key} is {value}, more than 0 was expected")
            return 1e6 / value if key == "rate_hz" else 1e3 * value
    return None


def parse(table: Any) -> Schema:
    """Return the schema of an announced table; raise SchemaError that names what is wrong."""
    if not isinstance(table, dict):
        raise SchemaError(f"schema: {table!r:.80}, an object was expected")
    table = cast("dict[str, Any]", table)
    rows = table.get("channels")
    if not isinstance(rows, list) or not 1 <= len(cast("list[Any]", rows)) <= CHANNELS_MAX:
        raise SchemaError(f"schema: channels is {rows!r:.80}, 1 to 16 of them were expected")
    channels = tuple(_channel(at, row) for at, row in enumerate(cast("list[Any]", rows)))
    if len({channel.name for channel in channels}) < len(channels):
        raise SchemaError("schema: two channels share one name")
    return Schema(
        _nibble("id", table.get("id")),
        _nibble("stream", table.get("stream")),
        _text("name", table.get("name")),
        _text("driver", table.get("driver")),
        _period_us(table),
        channels,
    )


def content(table: dict[str, Any]) -> str:
    """Return the one text that stands for a table."""
    return json.dumps(table, sort_keys=True, separators=(",", ":"))

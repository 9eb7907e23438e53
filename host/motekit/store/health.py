"""How each board said last that it is: its queue and its sensors, for who looks at a store.

It is worth no commit of its own: it goes with the packets that come next.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

_SENSORS_MAX = 16
_TEXT_MAX = 200
_COUNT_MAX = 1 << 40


class Sensor(NamedTuple):
    """A sensor, as its board says: `state` is "ok", "absent", "no memory" or another word."""

    name: str
    state: str
    error: str | None


class Health(NamedTuple):
    """A board's answer to `status`: what of it lasts for a while."""

    utc_us: int  # when it was given, by the host's clock
    queue_bytes: int | None
    queue_size_bytes: int | None
    queue_dropped: int | None
    sensors: tuple[Sensor, ...]


def parse(status: Mapping[str, Any], utc_us: int) -> Health:
    """Return what of a board's answer makes sense: it comes over a wire."""
    rows = status.get("sensors")
    listed = cast("list[Any]", rows)[:_SENSORS_MAX] if isinstance(rows, list) else []
    return Health(
        utc_us,
        _count(status.get("queue_bytes")),
        _count(status.get("queue_size_bytes")),
        _count(status.get("queue_dropped")),
        tuple(_sensor(cast("dict[str, Any]", row)) for row in listed if isinstance(row, dict)),
    )


def save(db: sqlite3.Connection, told: Mapping[str, Health]) -> None:
    """Keep the last of each device."""
    db.executemany(
        "INSERT OR REPLACE INTO health VALUES (?, ?)",
        [(device, json.dumps(health)) for device, health in told.items()],
    )


def load(db: sqlite3.Connection) -> dict[str, Health]:
    """Return the last of each device; none of a store that was made before it kept any."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'health'").fetchone():
        return {}
    rows: list[tuple[str, str]] = db.execute("SELECT device, told FROM health").fetchall()
    found = {device: cast("list[Any]", json.loads(told)) for device, told in rows}
    return {device: _health(*told) for device, told in found.items()}


def _health(
    utc_us: int, used: int | None, size: int | None, dropped: int | None, sensors: list[list[Any]]
) -> Health:
    return Health(utc_us, used, size, dropped, tuple(Sensor(*row) for row in sensors))


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < _COUNT_MAX else None


def _sensor(row: dict[str, Any]) -> Sensor:
    error = row.get("last_error")
    return Sensor(
        str(row.get("name"))[:_TEXT_MAX],
        str(row.get("state"))[:_TEXT_MAX],
        None if error is None else str(error)[:_TEXT_MAX],
    )

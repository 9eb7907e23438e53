"""How full each board said last that its queue is, for who looks at a store.

It is worth no commit of its own: it goes with the packets that come next.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

_COUNT_MAX = 1 << 40


class Health(NamedTuple):
    """What a board's answer to `status` tells of its queue; None: nothing that makes sense."""

    utc_us: int  # when it was given, by the host's clock
    queue_bytes: int | None
    queue_size_bytes: int | None
    queue_dropped: int | None


def parse(status: Mapping[str, Any], utc_us: int) -> Health:
    """Return what of a board's answer makes sense: it comes over a wire."""
    counts = [_count(status.get(name)) for name in Health._fields[1:]]
    return Health(utc_us, *counts)


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
    return {device: Health(*json.loads(told)) for device, told in rows}


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < _COUNT_MAX else None

"""What notes of a board tell: that samples were lost, how a sensor is. No note is believed."""

import json
from typing import Any, cast

from motefw.keys import TAG_BYTES
from motefw.packet import NOTE

from .header import Head

NAME_MAX = 32  # characters of a sensor's name, or of its state, that are told


def gap_of(header: Head, data: bytes) -> int | None:
    """Return how many samples a packet says were lost, None if it tells of no gap.

    A note is `{"gap": {"lost": 5, ...}}`.
    """
    gap = _entry(header, data, "gap")
    if gap is None:
        return None
    lost = gap.get("lost")
    return lost if isinstance(lost, int) and lost > 0 else 0


def sensor_of(header: Head, data: bytes) -> tuple[str, str] | None:
    """Return (name, state) of the sensor that a packet tells of, None if of none.

    A note is `{"sensor": {"name": "sht4x", "state": "failing", ...}}`.
    """
    sensor = _entry(header, data, "sensor")
    if sensor is None:
        return None
    return str(sensor.get("name"))[:NAME_MAX], str(sensor.get("state"))[:NAME_MAX]


def _entry(header: Head, data: bytes, key: str) -> dict[str, Any] | None:
    if header.kind != NOTE:
        return None
    try:
        note: Any = json.loads(data[header.body : -TAG_BYTES])
    except (ValueError, RecursionError):
        return None
    found: Any = cast("dict[str, Any]", note).get(key) if isinstance(note, dict) else None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None

"""Notes of a board that say samples were lost: `{"gap": {"lost": 5, ...}}`."""

import json
from typing import Any, cast

from motefw.keys import TAG_BYTES
from motefw.packet import NOTE

from .header import Head


def gap_of(header: Head, data: bytes) -> int | None:
    """Return how many samples a packet says were lost, None if it tells of no gap."""
    if header.kind != NOTE:
        return None
    try:
        note: Any = json.loads(data[header.body : -TAG_BYTES])
    except (ValueError, RecursionError):
        return None
    gap: Any = cast("dict[str, Any]", note).get("gap") if isinstance(note, dict) else None
    if not isinstance(gap, dict):
        return None
    lost = cast("dict[str, Any]", gap).get("lost")
    return lost if isinstance(lost, int) and lost > 0 else 0

"""What a store holds of streams, for who asked for a time of which it holds nothing."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import numpy as np

from .series import Series

US = 1000
NS = 1_000_000_000


def held(series: Iterable[Series], labels: Mapping[str, str]) -> list[str]:
    """Return a line a stream: from when to when there are samples of it, UTC as far as known."""
    spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for one in series:
        times = spans.setdefault((one.epoch.device, one.name), [])
        if one.clock:
            ends = np.array([one.stream.first_us * US, one.stream.last_us * US], np.int64)
            first, last = one.clock.utc_ns(ends).tolist()
            times.append((max(first, one.span.since_ns or first), last))
    return [
        f"{labels.get(device) or device} ({device})  {stream}  {_range(times)}"
        for (device, stream), times in spans.items()
    ]


def _range(times: list[tuple[int, int]]) -> str:
    if not times:
        return "samples, at times that are not known"
    return f"packets of {_text(min(times)[0])} to {_text(max(last for _, last in times))}"


def _text(utc_ns: int) -> str:
    return f"{datetime.fromtimestamp(utc_ns // NS, UTC):%Y-%m-%dT%H:%M:%SZ}"

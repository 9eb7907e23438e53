"""What a user asks for: a time range, devices, streams."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from motekit.errors import UsageError

NS = 1_000_000_000
UNITS_S = {"ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|min|h|d|w)")
_FRACTION = re.compile(r"\.([0-9]+)")
WHERE = {"device": "device", "name": "device", "stream": "stream"}  # and what each asks for
YEARS = (1970, 2261)  # what 64-bit ns hold, whole years


class Bounds(NamedTuple):
    """What is selected; None is all. A device goes by its id or by its board's name.

    Times are UTC in ns: the first is in, the last out.
    """

    devices: frozenset[str] | None = None
    streams: frozenset[str] | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    verified: bool = False

    def within(self, since_ns: int | None, until_ns: int | None) -> "Bounds":
        """Return what is within another range of time, too."""
        since = [each for each in (self.since_ns, since_ns) if each is not None]
        until = [each for each in (self.until_ns, until_ns) if each is not None]
        return self._replace(since_ns=max(since, default=None), until_ns=min(until, default=None))

    def timed(self) -> bool:
        """Tell whether a time range is given."""
        return self.since_ns is not None or self.until_ns is not None


def duration_ns(text: str, what: str) -> int:
    """Return the ns of `90s`, `15m`, `1.5h`, `2d`; UsageError otherwise."""
    ns = _duration_ns(text)
    if ns is None:
        raise UsageError(f"{what} {text!r}: a duration such as 90s, 15m, 1h or 2d was expected")
    return ns


def _duration_ns(text: str) -> int | None:
    match = _DURATION.fullmatch(text.strip())
    ns = round(float(match[1]) * UNITS_S[match[2]] * NS) if match else 0
    return ns if 0 < ns < 1 << 62 else None


def time_ns(when: str | datetime, now_ns: int, what: str) -> int:
    """Return the UTC ns of an RFC 3339 time, a date, `now`, or a duration before now (`-1h`).

    A time without an offset is UTC.
    """
    text = (when.isoformat() if isinstance(when, datetime) else when).strip()
    if text == "now":
        return now_ns
    if text.startswith("-"):
        ns = _duration_ns(text[1:])
        if ns is None:
            raise UsageError(
                f"{what} {text!r}: a time before now such as -90s, -1h, -2d was expected"
            )
        return now_ns - ns
    fraction = _FRACTION.search(text)
    digits = fraction[1][:9].ljust(9, "0") if fraction else "0"
    try:
        moment = datetime.fromisoformat(_FRACTION.sub("", text, count=1))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        moment = None
    if moment is None or not YEARS[0] <= moment.year <= YEARS[1]:
        raise UsageError(
            f"{what} {text!r}: a time such as 2026-01-31T12:00:00Z, 2026-01-31 or -1h was expected"
        )
    return int((moment - datetime.fromtimestamp(0, UTC)).total_seconds()) * NS + int(digits)


def bounds(
    now_ns: int,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    device: str | Iterable[str] | None = None,
    stream: str | Iterable[str] | None = None,
    verified: bool = False,
) -> Bounds:
    """Return what is selected; UsageError for a time that is none or a range that is empty."""
    since_ns = None if since is None else time_ns(since, now_ns, "since")
    until_ns = None if until is None else time_ns(until, now_ns, "until")
    if since_ns is not None and until_ns is not None and since_ns >= until_ns:
        raise UsageError(f"since {since} is not before until {until}: the range is empty")
    return Bounds(_names(device), _names(stream), since_ns, until_ns, verified)


def where(pairs: Iterable[str]) -> dict[str, list[str]]:
    """Return the names that `device=..`, `name=..` and `stream=..` select; UsageError otherwise.

    The keys are "device" and "stream": a device goes by its id as by its name.
    """
    chosen: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, names = pair.partition("=")
        if key not in WHERE or not equals or not names:
            raise UsageError(
                f"where {pair!r}: device=NAME[,NAME..] or stream=NAME[,NAME..] was expected"
            )
        chosen.setdefault(WHERE[key], []).extend(names.split(","))
    return chosen


def _names(names: str | Iterable[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    return frozenset((names,) if isinstance(names, str) else names) or None

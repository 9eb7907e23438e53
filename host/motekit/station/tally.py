"""What came of a station's boards: counts, yield, time a board."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import median

from motekit.station.journal import Entry


@dataclass(frozen=True)
class Tally:
    """Counts by board, each by what became of it last; `seconds` is the median of those passed.

    A fail of a board that never said who it is counts by itself. `first_time` of the passed never
    failed. `share` is passed / (passed + failed), None before there is any.
    """

    passed: int
    first_time: int
    failed: int
    seconds: float | None

    @property
    def share(self) -> float | None:
        """The yield."""
        tried = self.passed + self.failed
        return self.passed / tried if tried else None

    def record(self) -> dict[str, object]:
        """Return it as an object for JSON."""
        share = None if self.share is None else round(self.share, 4)
        return {**asdict(self), "yield": share}


def of(entries: Iterable[Entry]) -> Tally:
    """Count the entries of a journal."""
    last: dict[str, str] = {}
    failed: set[str] = set()
    nameless = 0
    times: list[float] = []
    for each in entries:
        if each.what not in ("passed", "failed"):
            continue
        if not each.device:
            nameless += 1
            continue
        last[each.device] = each.what
        if each.what == "failed":
            failed.add(each.device)
        else:
            times.append(each.seconds)
    passed = {device for device, what in last.items() if what == "passed"}
    return Tally(
        passed=len(passed),
        first_time=len(passed - failed),
        failed=len(last) - len(passed) + nameless,
        seconds=round(median(times), 1) if times else None,
    )

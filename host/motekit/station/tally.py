"""What came of a station's boards: counts, yield, time a board."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import median

from motekit.station.journal import Entry


@dataclass(frozen=True)
class Tally:
    """Counts by board, each by what became of it last; `seconds` is the median of those passed.

    A board that never said who it is counts by its place, once while it stays plugged in, however
    often the station is started; not any more once it has said so. Where a port does not tell that
    something was plugged in (a remote one), it is another one after a board that said who it is.
    `first_time` of the passed never failed. `pulled` have neither passed nor failed. `share` is
    passed / (passed + failed), None before there is any.
    """

    passed: int
    first_time: int
    failed: int
    seconds: float | None
    pulled: int = 0

    @property
    def share(self) -> float | None:
        """The yield."""
        tried = self.passed + self.failed
        return self.passed / tried if tried else None

    def record(self) -> dict[str, object]:
        """Return it as an object for JSON."""
        share = None if self.share is None else round(self.share, 4)
        return {**asdict(self), "yield": share}

    def said(self) -> str:
        """Return the counts in words."""
        pulled = f", {self.pulled} pulled" if self.pulled else ""
        return f"{self.passed} boards passed, {self.failed} failed{pulled}"


def of(entries: Iterable[Entry]) -> Tally:
    """Count the entries of a journal."""
    last: dict[str, str] = {}
    failed: set[str] = set()
    times: list[float] = []
    nameless: set[tuple[str, str, int]] = set()
    named = Counter[str]()  # boards at a port
    pulled: dict[str, str] = {}  # by port: what is plugged in there next may be the same board
    for each in entries:
        pulled.pop(each.port, None)
        if each.what == "pulled" and last.get(each.device, "") == "":
            pulled[each.port] = each.device
        if each.what not in ("passed", "failed"):
            continue
        if not each.device:
            nameless.add((each.port, each.plug, 0 if each.plug else named[each.port]))
            continue
        if each.plug:
            nameless.discard((each.port, each.plug, 0))
        named[each.port] += 1
        last[each.device] = each.what
        if each.what == "failed":
            failed.add(each.device)
        else:
            times.append(each.seconds)
    passed = {device for device, what in last.items() if what == "passed"}
    return Tally(
        passed=len(passed),
        first_time=len(passed - failed),
        failed=len(last) - len(passed) + len(nameless),
        seconds=round(median(times), 1) if times else None,
        pulled=sum(device not in last for device in pulled.values()),
    )

"""What arrived at the host and stands in its store, as a test wants to look at it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from motefw import packet
from motefw.errors import PacketError
from motekit.query import Archive, Table
from motekit.query.clock import Clock
from motekit.store import Epoch, Store
from motekit.store.records import CONTROL

NS = 1e9
Values = np.ma.MaskedArray[Any, np.dtype[np.float64]]
Ints = NDArray[Any]


@dataclass(frozen=True)
class Note:
    """What the board logged beside samples: kind is "boot", "schema", "gap" or "sensor"."""

    at_s: float  # seconds of the test's time; NaN where the board's clock is tied to no UTC
    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Gap:
    """Samples that a sensor should have given and that were lost, as the board told."""

    at_s: float
    stream: str
    index: int  # of the first that is lost, counted by the stream
    lost: int
    why: str  # "overrun", "restart", "late", "silence" or "interrupt"


class _Raw(dict[str, Ints]):
    """A stream's integers by channel; KeyError names those that there are."""

    def __init__(self, stream: str, columns: dict[str, Ints]) -> None:
        super().__init__(columns)
        self._stream = stream

    def __missing__(self, channel: str) -> Ints:
        raise _unknown(self._stream, channel, self)


def _unknown(stream: str, channel: str, known: Iterable[str]) -> KeyError:
    there = ", ".join(known) or "none yet"
    return KeyError(f"{stream} has no channel {channel!r}; there are: {there}")


class Readings:
    """One stream's samples in order, a NumPy array a channel; `readings["temperature"]`.

    Values are float64 in the channel's unit, in a masked array: invalid ones are masked, and
    `.compressed()` leaves them out. `raw` has the part's own integers (int32).
    """

    def __init__(
        self, stream: str, table: Table, raw: Table, origin_ns: int, since_s: float
    ) -> None:
        self.stream = stream
        time = table["time"]
        seconds = np.where(np.isnat(time), np.nan, (time.view(np.int64) - origin_ns) / NS)
        kept = ~(seconds < since_s)
        fixed = ("device", "stream", "time", "monotonic_us")
        self.time: NDArray[np.datetime64] = time[kept]  # UTC
        self.time_s: NDArray[np.float64] = seconds[kept]  # since the test's time began
        self.uptime_s: NDArray[np.float64] = raw["monotonic_us"][kept] / 1e6  # since the boot
        self.channels = tuple(name for name in table.columns if name not in fixed)
        self.units = {c.name: c.unit or "" for c in table.layout.columns}
        self.raw = _Raw(stream, {name: raw[name][kept] for name in self.channels})
        self.gaps: tuple[Gap, ...] = ()
        self._values: dict[str, Values] = {
            name: np.ma.asarray(table[name][kept]) for name in self.channels
        }

    def __len__(self) -> int:
        """Return the number of samples, invalid ones included."""
        return len(self.time)

    def __getitem__(self, channel: str) -> Values:
        """Return a channel's values; KeyError names those that there are."""
        if channel not in self._values:
            raise _unknown(self.stream, channel, self.channels)
        return self._values[channel]

    def __repr__(self) -> str:
        return (
            f"<{len(self)} readings of {self.stream}: {', '.join(self.channels)}; "
            f"{self.invalid} invalid, {self.lost} lost in {len(self.gaps)} gaps>"
        )

    @property
    def lost(self) -> int:
        """Return how many samples the board says were lost."""
        return sum(gap.lost for gap in self.gaps)

    @property
    def invalid(self) -> int:
        """Return how many samples have a channel without a value."""
        masks = [np.ma.getmaskarray(column) for column in self._values.values()]
        return int(np.any(masks, axis=0).sum()) if masks else 0


def read(archive: Archive, device: str, stream: str, origin_ns: int, since_s: float) -> Readings:
    """Return what the store holds of a stream; `since_s` cuts off what was before the test."""
    result = archive.query(device=device, stream=stream, raw=True)
    rows = [batch for batch in result.batches if batch.scales]  # without a schema it has no units
    units = archive.query(device=device, stream=stream).layout
    notes = result.notes.lines()
    table = Table(units, [batch.scaled() for batch in rows], notes)
    return Readings(stream, table, Table(result.layout, rows, notes), origin_ns, since_s)


def notes(store: Store, device: str, origin_ns: int, since_s: float) -> list[Note]:
    """Return what a board logged beside samples, in order."""
    found = [note for epoch in store.epochs(device) for note in _notes(store, epoch, origin_ns)]
    return [note for note in found if not note.at_s < since_s]


def _notes(store: Store, epoch: Epoch, origin_ns: int) -> Iterator[Note]:
    clock = Clock(store.anchors(epoch.device, epoch.epoch))
    for batch in store.batches(epoch.id, CONTROL):
        for stored in batch:
            try:
                found: Any = packet.decode(stored.data)
            except PacketError:
                continue  # a board may log what is no JSON object
            if found.header.kind != packet.NOTE:
                continue
            at_s = float("nan")
            if clock:
                at_s = (
                    int(clock.utc_ns(np.array([found.header.time_us * 1000]))[0]) - origin_ns
                ) / NS
            for kind, inner in cast("dict[str, Any]", found.body).items():
                yield Note(at_s, kind, inner)

"""From stored packets to rows: decoded, timed and scaled, in batches of bounded size."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from motekit import decode
from motekit.errors import StoreError
from motekit.store import Store

from .batch import NO_TIME, Batch, Ints, Mask
from .bounds import Bounds
from .sampling import CONTEXT, start_times
from .series import Series, unknown_names

VALUES = 1 << 18  # of a batch, at most, unless one packet has more
TIME_MAX_US = (1 << 63) // 1000 - 1  # of packets that are decoded: 64 bits of ns hold 292 years
US = 1000


class Page(NamedTuple):
    """Packets of one series by seq, with the fitted start of each and the time between samples."""

    packets: list[bytes]
    heads: NDArray[np.void]
    start_ns: Ints
    step_ns: NDArray[np.float64]

    def part(self, chosen: slice) -> "Page":
        """Return some of the packets."""
        return Page(
            self.packets[chosen], self.heads[chosen], self.start_ns[chosen], self.step_ns[chosen]
        )


class Notes:
    """What was left out, and why: for the user to be told."""

    def __init__(self) -> None:
        self.left_out: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._doubtful: dict[str, tuple[int, int]] = {}

    def leave_out(self, why: str, samples: int) -> None:
        """Count samples that are not in the result."""
        self.left_out[why] = self.left_out.get(why, 0) + samples

    def refuse(self, run: str, anchors: int) -> None:
        """Note how many time anchors of a board's run were not believed."""
        self._refused[run] = anchors

    def doubt(self, run: str, samples: int, apart_us: int) -> None:
        """Count samples whose times may be off by so much."""
        self._doubtful[run] = self._doubtful.get(run, (0, 0))[0] + samples, apart_us

    def lines(self) -> list[str]:
        """Return one line a reason."""
        return [
            *(f"{count} samples left out: {why}" for why, count in self.left_out.items()),
            *(
                f"{run}: {count} time anchors not believed, those before and after contradict them"
                for run, count in self._refused.items()
            ),
            *(
                f"{run}: {count} samples may be off by up to {apart_us / 1e6:,.0f} s: a clock was "
                f"set, the host's or the board's, or stood still, and nothing tells when"
                for run, (count, apart_us) in self._doubtful.items()
            ),
        ]


def batches(
    store: Store, series: Series, bounds: Bounds, raw: bool, notes: Notes
) -> Iterator[Batch]:
    """Yield the rows of a series within the bounds, in order of seq."""
    bounds = bounds.within(series.span.since_ns, series.span.until_ns)
    if series.clock.refused:
        notes.refuse(_run(series), len(series.clock.refused))
    if bounds.timed() and not series.clock:
        notes.leave_out("they have no UTC, and a time range was asked for", series.stream.samples)
        return
    for page in _pages(store, series, bounds):
        for part in _parts(page, notes):
            batch = _batch(part, series, bounds, raw, notes)
            if batch is not None:
                yield batch


def _pages(store: Store, series: Series, bounds: Bounds) -> Iterator[Page]:
    """Yield packets with their times, fitted over the borders of what was read together."""
    since_us = until_us = None
    if bounds.since_ns is not None:
        since_us = series.clock.earliest_ns(bounds.since_ns) // US
    if bounds.until_ns is not None:
        until_us = series.clock.latest_ns(bounds.until_ns) // US + 1
    held: list[bytes] = []
    done = 0  # packets of `held` that are there for the fit only
    read = store.batches(series.epoch.id, series.stream.stream, since_us, until_us, CONTEXT)
    for batch in read:
        held += [stored.data for stored in batch if stored.verified or not bounds.verified]
        ready = len(held) - CONTEXT
        if ready > done:
            yield _timed(held, series).part(slice(done, ready))
            keep = max(ready - CONTEXT, 0)
            done = ready - keep
            del held[:keep]
    if len(held) > done:
        yield _timed(held, series).part(slice(done, None))


def _timed(packets: list[bytes], series: Series) -> Page:
    try:
        heads = decode.headers(packets)
    except decode.BadPacketError as e:
        raise StoreError(f"the store is damaged: {e}") from e
    schema = series.schemas.get(int(heads["schema"][0]))
    period_ns = schema.period_us * US if schema and schema.period_us else None
    time_ns = np.minimum(heads["time_us"], TIME_MAX_US).astype(np.int64) * US
    start, step = start_times(heads["index"], time_ns, heads["count"].astype(np.int64), period_ns)
    return Page(packets, heads, np.where(heads["timed"], time_ns, start), step)


def _parts(page: Page, notes: Notes) -> Iterator[tuple[Page, decode.Samples]]:
    """Yield decoded parts of one schema and channel count: VALUES values at most, or a packet."""
    heads = page.heads
    values = np.cumsum(heads["count"].astype(np.int64) * heads["channels"])
    changed = (np.diff(heads["channels"]) != 0) | (np.diff(heads["schema"]) != 0)
    changes = [*(np.flatnonzero(changed) + 1).tolist(), len(heads)]
    start = 0
    while start < len(heads):
        used = int(values[start - 1]) if start else 0
        end = max(int(np.searchsorted(values, used + VALUES, "right")), start + 1)
        end = min(end, next(change for change in changes if change > start))
        yield from _decoded(page.part(slice(start, end)), notes)
        start = end


def _decoded(page: Page, notes: Notes) -> Iterator[tuple[Page, decode.Samples]]:
    """Yield the samples of packets; one that cannot be decoded is left out and counted."""
    while page.packets:
        try:
            yield page, decode.samples(page.packets)
            return
        except decode.BadPacketError as e:
            bad = e.position
            notes.leave_out("their packet cannot be decoded", int(page.heads["count"][bad]))
            if bad:
                yield page.part(slice(0, bad)), decode.samples(page.packets[:bad])
            page = page.part(slice(bad + 1, None))


def _batch(
    part: tuple[Page, decode.Samples], series: Series, bounds: Bounds, raw: bool, notes: Notes
) -> Batch | None:
    page, samples = part
    channels = samples.values.shape[1]
    schema = series.schema(int(page.heads["schema"][0]), channels)
    if schema is None and not (raw and channels == series.channels):
        notes.leave_out(_unfit(series), len(samples.values))
        return None
    names = [c.name for c in schema.channels] if schema else unknown_names(channels)
    time_ns = _times(page, samples)
    utc_ns = series.clock.utc_ns(time_ns) if series.clock else np.full(len(time_ns), NO_TIME)
    chosen = _chosen(utc_ns, bounds)
    if chosen is not None and not chosen.any():
        return None
    values: dict[str, NDArray[Any]] = {}
    valid: dict[str, Mask] = {}
    for at, name in enumerate(names):
        column: NDArray[Any] = samples.values[:, at]
        values[name] = column if chosen is None else column[chosen]
        if samples.valid is not None and not samples.valid[:, at].all():
            mask = samples.valid[:, at]
            valid[name] = mask if chosen is None else mask[chosen]
    if chosen is not None:
        utc_ns, time_ns = utc_ns[chosen], time_ns[chosen]
    if series.clock and (doubtful := int(series.clock.doubtful(time_ns).sum())):
        notes.doubt(_run(series), doubtful, series.clock.apart_us)
    scales = {c.name: (c.scale, c.offset) for c in schema.channels} if schema else {}
    found = Batch(series.epoch.device, series.name, utc_ns, time_ns // US, values, valid, scales)
    return found if raw else found.scaled()


def _run(series: Series) -> str:
    return f"{series.epoch.device}, epoch {series.epoch.epoch}"


def _unfit(series: Series) -> str:
    if series.schemas:
        return f"their packet does not fit the schema of {series.name}"
    return f"no schema of {series.name} was announced (raw gives the integers)"


def _times(page: Page, samples: decode.Samples) -> Ints:
    """Return the monotonic time of each sample in ns."""
    counts = np.diff(samples.offsets)
    within = np.arange(len(samples.values)) - np.repeat(samples.offsets[:-1], counts)
    steps = np.rint(within * np.repeat(page.step_ns, counts)).astype(np.int64)
    time_ns = np.repeat(page.start_ns, counts) + steps
    if samples.times_us is not None:
        timed = np.repeat(page.heads["timed"], counts)
        time_ns[timed] = samples.times_us[timed] * US
    return time_ns


def _chosen(utc_ns: Ints, bounds: Bounds) -> Mask | None:
    """Return which rows are within the bounds; None for all."""
    chosen = np.ones(len(utc_ns), np.bool_)
    if bounds.since_ns is not None:
        chosen &= utc_ns >= bounds.since_ns
    if bounds.until_ns is not None:
        chosen &= utc_ns < bounds.until_ns
    return None if chosen.all() else chosen

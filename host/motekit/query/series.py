"""What a selection covers: one series a stream of an epoch, and the columns of them all."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from motekit import decode
from motekit.store import Channel, Epoch, Schema, Store, Stream

from .batch import Column, Layout
from .bounds import Bounds
from .clock import Clock
from .devices import Span, check_streams, resolve
from .digits import decimals

FLOAT = np.dtype(np.float64)
RAW = np.dtype(np.int32)


class Series(NamedTuple):
    """One stream of one epoch: what it is called, and how its numbers and times are to be read."""

    epoch: Epoch
    stream: Stream
    name: str
    schemas: dict[int, Schema]  # by the number that packets carry
    channels: int  # of its first packet, where no schema tells
    clock: Clock
    span: Span  # what of it is meant

    def schema(self, number: int, channels: int) -> Schema | None:
        """Return the schema of packets, None if there is none that fits them."""
        schema = self.schemas.get(number)
        return schema if schema and len(schema.channels) == channels else None


def unknown_names(channels: int) -> tuple[str, ...]:
    """Return what channels are called before the board has told."""
    return tuple(f"channel_{i}" for i in range(channels))


def select(store: Store, bounds: Bounds) -> list[Series]:
    """Return the selected series by device, stream name and start; UsageError if unknown."""
    epochs = {epoch.id: epoch for epoch in store.epochs()}
    every = [_series(store, epochs[stream.epoch], stream) for stream in store.streams()]
    spans = resolve(store, bounds.devices)
    check_streams(bounds.streams, {series.name for series in every})
    chosen = [
        series._replace(span=span)
        for series in every
        for span in ((series.span,) if spans is None else spans)
        if span.device == series.epoch.device
        and (bounds.streams is None or series.name in bounds.streams)
    ]
    place = {device: at for at, device in enumerate(store.devices())}
    return sorted(chosen, key=lambda s: (place[s.epoch.device], s.name, _begin(s)))


def overlap_ns(series: Sequence[Series], at: int) -> int | None:
    """Return the UTC from which on a later one of the same stream has samples; None if none."""
    following = series[at + 1] if at + 1 < len(series) else None  # they are in order of begin
    if following is None or not following.clock:
        return None
    this = (series[at].epoch.device, series[at].name)
    return _begin(following)[0] if (following.epoch.device, following.name) == this else None


def layout(series: Sequence[Series], raw: bool) -> Layout:
    """Return the union of all channels, in the order in which they are met."""
    columns: dict[str, Column] = {}
    for one in series:
        for schema in one.schemas.values():
            for channel in schema.channels:
                column = _column(channel, raw)
                columns[channel.name] = _finest(columns.get(channel.name, column), column)
        if raw and not one.schemas:
            for name in unknown_names(one.channels):
                columns.setdefault(name, Column(name, RAW))
    return Layout(tuple(columns.values()), raw)


def _column(channel: Channel, raw: bool) -> Column:
    if raw:
        return Column(channel.name, RAW)
    return Column(channel.name, FLOAT, channel.unit, decimals(channel))


def _finest(first: Column, other: Column) -> Column:
    """Return a column with the digits of both: channels of one name may differ in their scale."""
    if first.decimals is None or other.decimals is None:
        return first._replace(decimals=None)
    return first._replace(decimals=max(first.decimals, other.decimals))


def _begin(series: Series) -> tuple[int, int]:
    """Return when a series began, as far as that is known, and the order in which it was met."""
    begin = 0
    if series.clock:
        first = np.array([min(series.stream.first_us, (1 << 62) // 1000) * 1000], np.int64)
        begin = int(series.clock.utc_ns(first)[0])
    return max(begin, series.span.since_ns or 0), series.epoch.id


def _series(store: Store, epoch: Epoch, stream: Stream) -> Series:
    schemas = {
        number: schema
        for number, schema in store.schemas(epoch.device, epoch.epoch).items()
        if schema.stream == stream.stream
    }
    names = [schema.name for schema in schemas.values()]
    channels = 0
    if not schemas:
        first = next(store.batches(epoch.id, stream.stream))[0].data
        channels = int(decode.headers([first])["channels"][0])
    clock = Clock(store.anchors(epoch.device, epoch.epoch))
    name = names[0] if names else f"stream-{stream.stream}"
    return Series(epoch, stream, name, schemas, channels, clock, Span(epoch.device))

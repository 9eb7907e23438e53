"""The newest reading of each stream of a store, as a collector beside us writes them."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from motefw import packet
from motefw.errors import PacketError
from motekit.store import Epoch, Schema, Store, Stream, read_header

from .bounds import Bounds
from .clock import Clock
from .devices import resolve
from .digits import decimals
from .series import select

US = 1000


class Value(NamedTuple):
    """One channel of a reading; `value` in `unit`, None where the reading was not valid."""

    name: str
    unit: str
    value: float | None
    decimals: int | None  # that its text deserves, see `digits`


class Reading(NamedTuple):
    """The newest sample of a stream; `utc_ns` None where no clock was ever told."""

    device: str
    stream: str
    utc_ns: int | None
    monotonic_us: int
    values: tuple[Value, ...]


def utc_text(utc_ns: int) -> str:
    """Return a time as RFC 3339, to the microsecond."""
    moment = datetime.fromtimestamp(utc_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{utc_ns // 1000 % 1_000_000:06d}Z"


def newest_utc_ns(store: Store, device: str) -> int | None:
    """Return when the newest packet of a device began; None where no clock was ever told."""
    epochs = {epoch.id: epoch for epoch in store.epochs(device)}
    times = (_utc_ns(store, epochs[s.epoch], s.last_us) for s in store.streams(device))
    return max((ns for ns in times if ns is not None), default=None)


class Follower:
    """Gives out what is new in a store since it was last asked."""

    def __init__(
        self,
        store: Store,
        devices: Collection[str] | None = None,
        streams: Collection[str] | None = None,
    ) -> None:
        """Follow all, or devices (by id or name) and streams that the store has; UsageError."""
        self._store = store
        spans = resolve(store, devices)
        # of a role, who has it now
        lasting = (span.device for span in spans or () if span.until_ns is None)
        self._devices = None if spans is None else set(lasting)
        self._streams = streams
        select(store, Bounds(None, None if streams is None else frozenset(streams)))
        self._seen: dict[tuple[int, int], int] = {}

    def poll(self) -> list[Reading]:
        """Return one reading of each stream of which packets came."""
        epochs = {epoch.id: epoch for epoch in self._store.epochs()}
        readings: list[Reading] = []
        for stream in self._store.streams():
            key = stream.epoch, stream.stream
            if self._devices is not None and stream.device not in self._devices:
                continue
            if self._seen.get(key) != stream.packets:
                self._seen[key] = stream.packets
                readings.extend(self._newest(epochs[stream.epoch], stream))
        return readings

    def _newest(self, epoch: Epoch, stream: Stream) -> list[Reading]:
        data = b""
        for batch in self._store.batches(epoch.id, stream.stream, since_us=stream.last_us):
            data = batch[-1].data
        try:
            header = read_header(data)
            decoded: Any = packet.decode(data)
        except PacketError:
            return []
        schema = self._store.schemas(epoch.device, epoch.epoch).get(header.schema)
        if schema is None or len(schema.channels) != len(decoded.columns):
            return []
        if self._streams is not None and schema.name not in self._streams:
            return []
        time_us = header.time_us
        if decoded.times_us is not None:
            time_us = int(decoded.times_us[-1])
        elif schema.period_us is not None:
            time_us += round((header.samples - 1) * schema.period_us)
        values: list[int | None] = [column[-1] for column in decoded.columns]
        return [
            Reading(
                epoch.device,
                schema.name,
                _utc_ns(self._store, epoch, time_us),
                time_us,
                _physical(schema, values),
            )
        ]


def _utc_ns(store: Store, epoch: Epoch, time_us: int) -> int | None:
    clock = Clock(store.anchors(epoch.device, epoch.epoch))
    return int(clock.utc_ns(np.array([time_us * US], np.int64))[0]) if clock else None


def _physical(schema: Schema, values: list[int | None]) -> tuple[Value, ...]:
    return tuple(
        Value(
            channel.name,
            channel.unit,
            None if raw is None else raw * channel.scale + channel.offset,
            decimals(channel),
        )
        for channel, raw in zip(schema.channels, values, strict=True)
    )

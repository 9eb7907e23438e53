"""A store at a glance: per device what came, what is missing and what is lost for ever."""

from typing import Any, NamedTuple

from .header import heads
from .notes import gap_of, sensor_of
from .reader import Reader
from .records import CONTROL, Epoch, Stream


class StreamSummary(NamedTuple):
    """One stream of a device over all its epochs; streams of one name are one."""

    name: str
    driver: str | None  # None until the board announces its schema
    packets: int
    samples: int
    values: int | None
    bytes: int


class DeviceSummary(NamedTuple):
    """One device over all its epochs."""

    device: str
    generation: int
    epoch: int  # the last one that was met
    epochs: int
    boot: dict[str, Any]  # the last boot note: board, firmware, reset cause...
    packets: int
    samples: int
    bytes: int
    missing: int  # seqs that other seqs show to exist, and that did not come yet
    lost: int  # seqs given up: skipped by the board, or refused
    cut_off: int  # seqs that a board had assigned before it restarted, and that never came
    untold: int  # runs that ended without telling how far they had come: more may be lost
    gaps: int  # holes in streams that the board told of
    lost_samples: int  # of these holes, as far as the board knew
    ailing: tuple[str, ...]  # "name: state" of sensors that the last run told to be not well
    streams: tuple[StreamSummary, ...]


class Summary(NamedTuple):
    """The whole store."""

    devices: tuple[DeviceSummary, ...]
    quarantined: int
    quarantine_dropped: int
    file_bytes: int
    sealing_error: str | None


def summarise(store: Reader, sealing_error: str | None = None) -> Summary:
    """Return the overview of a store."""
    epochs: dict[str, list[Epoch]] = {}
    for epoch in store.epochs():
        epochs.setdefault(epoch.device, []).append(epoch)
    streams: dict[str, list[Stream]] = {}
    for stream in store.streams():
        streams.setdefault(stream.device, []).append(stream)
    return Summary(
        tuple(_device(store, runs, streams.get(device, [])) for device, runs in epochs.items()),
        store.counter("quarantined"),
        store.counter("quarantine_dropped"),
        store.path.stat().st_size,
        sealing_error,
    )


def _device(store: Reader, epochs: list[Epoch], streams: list[Stream]) -> DeviceSummary:
    last = epochs[-1]
    boots = [epoch.boot for epoch in epochs if epoch.boot]
    return DeviceSummary(
        last.device,
        last.generation,
        last.epoch,
        len(epochs),
        boots[-1] if boots else {},
        sum(stream.packets for stream in streams),
        sum(stream.samples for stream in streams),
        sum(stream.bytes for stream in streams),
        sum(epoch.missing for epoch in epochs),
        sum(epoch.lost for epoch in epochs),
        _cut_off(epochs),
        _untold(epochs),
        *_told(store, epochs),
        _streams(store, epochs, streams),
    )


def _cut_off(epochs: list[Epoch]) -> int:
    """Return how many last seqs of epochs are known only from the boot note of the next."""
    count = 0
    for boot in (epoch.boot for epoch in epochs if epoch.boot):
        previous_epoch, previous_seq = boot.get("previous_epoch"), boot.get("previous_seq")
        for epoch in epochs:
            if epoch.epoch == previous_epoch and isinstance(previous_seq, int):
                count += max(previous_seq - (-1 if epoch.highest is None else epoch.highest), 0)
                break
    return count


def _untold(epochs: list[Epoch]) -> int:
    """Return how many runs that are held were followed by a start that knew not how they ended."""
    held = {epoch.epoch for epoch in epochs}
    boots = [epoch.boot for epoch in epochs if epoch.boot]
    return sum(
        boot.get("previous_epoch") in held and boot.get("previous_seq") is None for boot in boots
    )


def _told(store: Reader, epochs: list[Epoch]) -> tuple[int, int, tuple[str, ...]]:
    """Return what notes tell: gaps, samples lost in them, sensors that are not well."""
    lost: list[int] = []
    states: dict[str, str] = {}
    for epoch in epochs:
        states = {}
        for batch in store.batches(epoch.id, CONTROL):
            for stored, head in zip(batch, heads([each.data for each in batch]), strict=True):
                samples = gap_of(head, stored.data)
                if samples is not None:
                    lost.append(samples)
                elif (sensor := sensor_of(head, stored.data)) is not None:
                    states[sensor[0]] = sensor[1]
    ailing = tuple(f"{name}: {state}" for name, state in states.items() if state != "ok")
    return len(lost), sum(lost), ailing


def _streams(
    store: Reader, epochs: list[Epoch], streams: list[Stream]
) -> tuple[StreamSummary, ...]:
    numbers = {epoch.id: epoch.epoch for epoch in epochs}
    merged: dict[str, StreamSummary] = {}
    for stream in streams:
        schemas = store.schemas(stream.device, numbers[stream.epoch]).values()
        known = next((schema for schema in schemas if schema.stream == stream.stream), None)
        name = known.name if known else f"stream-{stream.stream}"
        values = stream.samples * len(known.channels) if known else None
        row = StreamSummary(
            name,
            known.driver if known else None,
            stream.packets,
            stream.samples,
            values,
            stream.bytes,
        )
        merged[name] = _add(merged[name], row) if name in merged else row
    return tuple(merged.values())


def _add(a: StreamSummary, b: StreamSummary) -> StreamSummary:
    values = None if a.values is None or b.values is None else a.values + b.values
    return StreamSummary(
        a.name,
        b.driver,
        a.packets + b.packets,
        a.samples + b.samples,
        values,
        a.bytes + b.bytes,
    )

"""What goes into a store and what comes out of it, as plain tuples."""

from typing import Any, NamedTuple

from .header import Head

CONTROL = -1  # the stream number of notes and anchors, which belong to none


class Received(NamedTuple):
    """A packet as it came, with its tag."""

    device: str
    data: bytes
    verified: bool  # the tag was made with a key that only the device and the fleet know
    header: Head | None = None  # if the caller has read it already


class Appended(NamedTuple):
    """What one durable commit did."""

    new: int
    duplicates: int
    quarantined: int
    deferred: int  # not taken now, too many gaps before it; it will be sent again
    stored: list[Received]  # what was new, with headers
    acks: dict[tuple[str, int, int], int | None]  # (device, generation, epoch): last seq settled
    size: int  # bytes of the row


class Stored(NamedTuple):
    """A packet of a store."""

    seq: int
    verified: bool
    data: bytes


class Epoch(NamedTuple):
    """One run of a board: what its seqs and its clock belong to."""

    id: int
    device: str
    generation: int
    epoch: int
    boot: dict[str, Any] | None  # the boot note, once it came
    next: int  # every seq below is stored or lost
    highest: int | None
    missing: int  # seqs below `highest` that may still come
    lost: int  # seqs given up: skipped by the board, or refused


class Anchor(NamedTuple):
    """A moment told by both clocks: the board's monotonic one and UTC."""

    time_us: int
    utc_us: int  # since 1970
    quality: int  # 0 none .. 3 NTP or host
    error_us: int


class Stream(NamedTuple):
    """What a store holds of one stream of one epoch."""

    epoch: int  # Epoch.id
    device: str
    stream: int
    packets: int
    samples: int
    bytes: int
    first_us: int  # monotonic times of the first and the last packet
    last_us: int


class Quarantined(NamedTuple):
    """A packet that was not taken, and why."""

    device: str
    why: str
    data: bytes

"""The NumPy decoder: many packets at once, with the results of `motefw.packet.decode` on each.

Packets are joined into one buffer, and each step works on all of them: headers, descriptors
(`streams`), codes (`sections`), values (`restore`). Whatever seems wrong with a packet is left to
the plain decoder to say. Tags are not checked here.
"""

from typing import Any, NamedTuple, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from motefw import packet
from motefw.errors import PacketError
from motekit.decode.headers import SAMPLES, Ints, Mask, Packets, join, parse
from motekit.decode.restore import Values, restore
from motekit.decode.samples import Part, assemble
from motekit.decode.sections import integers, layout
from motekit.decode.streams import parse as parse_streams

_PLAIN = cast("Any", packet)  # what MicroPython runs carries no types
# Decoded together: enough to amortise the calls, linear prediction's above all, which goes sample
# by sample over all packets; few enough for the tables not to outgrow the CPU's caches by far.
CHUNK_VALUES = 512 * 1024
CHUNK_BYTES = 1024 * 1024


class BadPacketError(PacketError):
    """A packet of a batch that is none; `position` is its place in the batch."""

    def __init__(self, position: int, why: str):
        super().__init__(f"packet {position} of the batch: {why}")
        self.position = position


class Samples(NamedTuple):
    """Samples of many packets; packet i has rows `offsets[i]` to `offsets[i + 1]`.

    `valid` is None where every value is. `times_us`, the board's time of each sample, is None
    where no packet carries them; rows of a packet that does not then hold the time of its first
    sample. An invalid value is 0.
    """

    headers: NDArray[np.void]
    values: Values  # (total, channels)
    valid: Mask | None  # (total, channels)
    times_us: Ints | None  # (total,)
    offsets: Ints  # (packets + 1,)


def headers(packets: Packets) -> NDArray[np.void]:
    """Return a structured array of the headers, one row a packet (fields: `headers.DTYPE`).

    Raises BadPacketError for a packet without a right header; bodies are not looked at.
    """
    rows, bad = parse(join(packets))
    if bad.any():
        _refuse(packets, bad)
    return rows


def samples(packets: Packets) -> Samples:
    """Return the samples of packets of kind SAMPLES and one channel count.

    Raises BadPacketError where the plain decoder refuses a packet, for one of another kind or
    channel count than the first.
    """
    heads = headers(packets)
    _check_alike(heads)
    counts = heads["count"].astype(np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    channels = int(heads["channels"][0]) if len(heads) else 0
    shape = (int(offsets[-1]), channels)
    values = np.empty(shape, np.int32)
    valid = np.ones(shape, np.bool_) if heads["invalid"].any() else None
    times_us = np.empty(shape[0], np.int64) if heads["timed"].any() else None
    per_packet = channels * int(counts.max(initial=1))
    largest = max(map(len, packets), default=1)
    chunk = max(1, min(CHUNK_VALUES // max(1, per_packet), CHUNK_BYTES // largest))
    for start in range(0, len(heads), chunk):
        chosen = slice(start, min(start + chunk, len(heads)))
        rows = slice(offsets[chosen.start], offsets[chosen.stop])
        bad = np.zeros(chosen.stop - start, np.bool_)
        part = _decode(packets[chosen], heads[chosen], bad, values[rows])
        if part is None or bad.any():
            _refuse(packets[chosen], bad, start)
        if valid is not None and part.valid is not None:
            valid[rows] = part.valid
        if times_us is not None:
            alone = heads["time_us"][chosen].repeat(counts[chosen])
            times_us[rows] = alone if part.times_us is None else part.times_us
    return Samples(heads, values, valid, times_us, offsets)


def _decode(packets: Packets, heads: NDArray[np.void], bad: Mask, out: Values) -> Part | None:
    """Decode one chunk, its values to `out`; None where that makes any packet `bad`."""
    joined = join(packets)
    streams = parse_streams(joined, heads, bad)
    if bad.any():
        return None
    blocks = layout(streams)
    residuals, low = integers(joined, streams, blocks, bad)
    if bad.any():
        return None
    room = max(int(streams.n.max()), int(heads["count"].max()))
    shape = (len(heads), room, streams.n.shape[1])
    # Where all packets are alike, `out` has the shape and nothing has to be copied.
    table = out.reshape(shape) if out.size == np.prod(shape) else np.zeros(shape, np.int32)
    restore(streams, blocks, residuals, low, table)
    part = assemble(heads, streams, table, bad)
    if not np.shares_memory(part.values, out):
        out[:] = part.values
    return part


def _check_alike(heads: NDArray[np.void]) -> None:
    for name, expected in (("kind", SAMPLES), ("channels", heads["channels"][:1])):
        strange = np.flatnonzero(heads[name] != expected)
        if len(strange):
            got = heads[name][strange[0]]
            raise BadPacketError(
                int(strange[0]), f"{name} {got}, {np.ravel(expected)[0]} expected"
            )


def _refuse(packets: Packets, bad: Mask, start: int = 0) -> NoReturn:
    """Raise what the plain decoder has to say of the first bad packet."""
    position = int(np.flatnonzero(bad)[0])
    try:
        _PLAIN.decode(packets[position])
    except PacketError as error:
        raise BadPacketError(start + position, str(error)) from None
    raise BadPacketError(start + position, "only the plain decoder accepts it: please report this")

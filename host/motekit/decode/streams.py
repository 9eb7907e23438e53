"""Descriptors of many packets at once: how each stream of integers in a packet is coded.

A packet holds up to three sorts of streams, in this order: the lengths of the runs of valid and
invalid samples, of each channel that has any invalid one; the steps of time; the values of each
channel. Here they are the columns of tables of one row a packet; `n` is 0 where there is none.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from motekit.decode.headers import TAG_BYTES, Ints, Joined, Mask, Words

CONSTANT, ORDER_0, ORDER_1, ORDER_2, LINEAR, PACKED, SPARSE_1, SHIFTED = range(8)
FIRST = np.array([0, 0, 1, 2, 0, 0, 1, 0])  # values that a predictor has without a residual
MAX_ORDER = 8
MAX_SCALE = 7
_WRAP = np.uint64(0xFFFFFFFF)
_TOPS = np.uint64(0x8080808080)


class Streams(NamedTuple):
    """Streams of a batch, each field of shape (packets, streams a packet).

    `extra` streams come before those of the channels: 0, or runs of each channel and times.
    """

    n: Ints
    predictor: Ints
    p: Ints
    shift: Ints
    start: Ints
    second: Ints
    scale: Ints
    order: Ints
    coefficients: NDArray[np.int8]  # (packets, streams, MAX_ORDER)
    lost: Ints  # (packets, channels): samples said to be invalid
    sections: Ints  # (packets,): where the descriptors end
    extra: int


class _Cursor:
    """A place to read at in each packet; reading behind the end makes a packet bad."""

    def __init__(self, joined: Joined, at: Ints, bad: Mask):
        self._words = joined.words()
        self._end = joined.starts + joined.sizes - TAG_BYTES
        self.at = at
        self.bad = bad

    def _word(self) -> Words:
        return self._words[self.at]

    def _advance(self, count: "Ints | Mask") -> None:
        at = self.at + count
        self.bad |= at > self._end
        self.at = np.minimum(at, self._end)

    def byte(self, where: Mask) -> Ints:
        """Return the next byte of the packets of `where`, 0 for the others."""
        value = np.where(where, self._word().astype(np.int64) & 0xFF, 0)
        self._advance(where)
        return value

    def bytes(self, counts: Ints) -> NDArray[np.int8]:
        """Return the next `counts` (up to 8) bytes, signed, zeros behind them."""
        unused = (64 - 8 * counts).astype(np.uint64)
        some = counts > 0
        words = np.where(some, self._word() << (unused & np.uint64(63)), np.uint64(0))
        words >>= unused & np.uint64(63)
        self._advance(counts)
        return words.astype("<u8").view(np.int8).reshape(-1, 8)

    def varint(self, where: Mask) -> Words:
        """Return the next varint of the packets of `where`, 0 for the others."""
        word = self._word()
        stops = ~word & _TOPS
        stop = stops & (~stops + np.uint64(1))  # the top bit of the byte that ends it
        length = np.ones(len(word), np.int64)
        for place in range(1, 5):
            length += stop > np.uint64(1 << 8 * place)
        word &= (stop << np.uint64(1)) - np.uint64(1)
        value = word & np.uint64(0x7F)
        for place in range(1, 5):
            value |= word >> np.uint64(place) & np.uint64(0x7F << 7 * place)
        last = word >> (8 * (length - 1)).astype(np.uint64)
        wrong = (stops == 0) | (value > _WRAP) | ((length > 1) & (last == 0))
        self.bad |= where & wrong
        self._advance(np.where(where, length, 0))
        return np.where(where & ~wrong, value, np.uint64(0))

    def signed(self, where: Mask) -> Ints:
        """Return the next zig-zag varint."""
        value = self.varint(where).astype(np.int64)
        return value >> 1 ^ -(value & 1)


def parse(joined: Joined, headers: NDArray[np.void], bad: Mask) -> Streams:
    """Return the streams of packets of samples, all of one channel count; `bad` grows."""
    packets = len(headers)
    channels = int(headers["channels"][0])
    timed, invalid = headers["timed"], headers["invalid"]
    extra = channels + 1 if timed.any() or invalid.any() else 0
    count = headers["count"].astype(np.int64)
    tables = {
        name: np.zeros((packets, extra + channels), np.int64)
        for name in ("n", "predictor", "p", "shift", "start", "second", "scale", "order")
    }
    coefficients = np.zeros((packets, extra + channels, MAX_ORDER), np.int8)
    lost = np.zeros((packets, channels), np.int64)
    cursor = _Cursor(joined, joined.starts + headers["body"], bad)
    if extra:
        bad |= timed & (count < 2)
        for channel in range(channels):
            tables["n"][:, channel] = _validity(cursor, invalid, count, lost[:, channel])
            _descriptor(cursor, tables, coefficients, channel)
        bad |= invalid & ~lost.any(axis=1)
        tables["n"][:, channels] = np.where(timed, count - 1, 0)
        _descriptor(cursor, tables, coefficients, channels)
    for channel in range(channels):
        tables["n"][:, extra + channel] = count - lost[:, channel]
        _descriptor(cursor, tables, coefficients, extra + channel)
    return Streams(**tables, coefficients=coefficients, lost=lost, sections=cursor.at, extra=extra)


def _validity(cursor: _Cursor, invalid: Mask, count: Ints, lost: Ints) -> Ints:
    """Return how many run lengths of a channel are coded; fill in its lost samples."""
    runs = cursor.varint(invalid).astype(np.int64)
    some = runs > 0
    cursor.bad |= some & ((runs < 2) | (runs > count + 1))
    lost[:] = cursor.varint(some)
    cursor.bad |= some & ((lost < 1) | (lost > count))
    np.clip(lost, 0, count, out=lost)
    return np.clip(runs - 1, 0, count)


def _descriptor(
    cursor: _Cursor, tables: dict[str, Ints], coefficients: NDArray[np.int8], stream: int
) -> None:
    """Read the descriptors of one stream of all packets."""
    n = tables["n"][:, stream]
    here = n > 0
    byte = cursor.byte(here)
    shifted = byte >> 5 == SHIFTED
    if shifted.any():
        tables["shift"][:, stream] = np.where(shifted, byte & 31, 0)
        cursor.bad |= shifted & (byte & 31 == 0)
        byte = np.where(shifted, cursor.byte(shifted), byte)
        cursor.bad |= shifted & ((byte >> 5 == SHIFTED) | (byte >> 5 == CONSTANT))
    predictor = byte >> 5
    tables["predictor"][:, stream] = predictor
    tables["p"][:, stream] = byte & 31
    constant = predictor == CONSTANT
    cursor.bad |= here & constant & (byte & 31 != 0)
    cursor.bad |= here & (n <= FIRST[predictor])
    linear = here & (predictor == LINEAR)
    any_linear = bool(linear.any())
    order = np.zeros(len(n), np.int64)
    if any_linear:
        byte = cursor.byte(linear)
        cursor.bad |= byte & 31 > MAX_SCALE
        tables["scale"][:, stream] = byte & 7
        order = np.where(linear, (byte >> 5) + 1, 0)
        tables["order"][:, stream] = order
    tables["start"][:, stream] = cursor.signed(here)
    if any_linear:
        coefficients[:, stream] = cursor.bytes(order)
    second = here & (predictor == ORDER_2)
    if second.any():
        tables["second"][:, stream] = cursor.signed(second)

"""Codes of many packets at once, from the upward and downward sections of their bodies.

Codes come in blocks of 32 that share a parameter p; all blocks of a batch are the rows of one
table. The upward section of a packet is the unary parts of all its codes: the places of the set
bits of the whole batch, found at once, are the ends of these parts. A block's change of p is such
a code too, so where a block begins depends on the p of those before it; nearly always p > 0, which
is assumed first and put right for the packets where it does not hold. Then all places in the
downward section are known, and the low bits are read in groups of equal width.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from motekit.decode import scratch
from motekit.decode.headers import TAG_BYTES, Bytes, Ints, Joined, Mask
from motekit.decode.streams import CONSTANT, FIRST, PACKED, SPARSE_1, Streams

BLOCK = 32
MAX_P = 31
# Worked on at once, so that what is allocated for them is small.
SLICE_BYTES = 4096
SLICE_ROWS = 1024
Codes = NDArray[np.uint32]  # (blocks, BLOCK)
Places = NDArray[np.int32]


class Blocks(NamedTuple):
    """The blocks of a batch, in the order in which they lie in the packets."""

    packet: Ints
    stream: Ints  # index into the raveled tables of Streams
    place: Ints  # 0 for the first block of a stream
    values: Ints  # codes in it, 1 to 32
    unary: Mask  # false: packed, low bits alone
    sparse: Mask


def layout(streams: Streams) -> Blocks:
    """Return the blocks that the descriptors tell of."""
    predictor = streams.predictor.ravel()
    left = np.where(predictor == CONSTANT, 0, streams.n.ravel() - FIRST[predictor])
    counts = np.maximum(left + BLOCK - 1, 0) // BLOCK
    stream = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(stream)) - np.repeat(np.cumsum(counts) - counts, counts)
    kind = predictor[stream]
    return Blocks(
        packet=stream // streams.n.shape[1],
        stream=stream,
        place=place,
        values=np.minimum(left[stream] - BLOCK * place, BLOCK),
        unary=kind != PACKED,
        sparse=kind == SPARSE_1,
    )


class _Unary:
    """The unary parts of a batch: `parts[c]` is the value of code c, `ends[c]` where its one lies.

    Codes are counted over the batch; `first[packet]` is the first one of a packet.
    """

    def __init__(self, joined: Joined, sections: Ints):
        self.ends = _set_bits(joined.data, 2 * BLOCK)
        self.first = np.searchsorted(self.ends, (8 * sections).astype(np.int32))
        self.parts = scratch.array("parts", self.ends.shape, np.int32)
        np.subtract(self.ends[1:], self.ends[:-1], out=self.parts[1:])
        self.parts[1:] -= 1
        self.parts[0] = self.ends[0]
        self.parts[self.first] = self.ends[self.first] - 8 * sections
        self.last = len(self.ends) - BLOCK - 1

    def rows(self, at: Ints) -> Places:
        """Return a row of 32 parts from each code on."""
        step = self.parts.strides[0]
        table = as_strided(self.parts, (self.last + 1, BLOCK), (step, step), writeable=False)
        out = scratch.array("rows", (len(at), BLOCK), np.int32)
        at = np.minimum(at, self.last)
        for start in range(0, len(at), SLICE_ROWS):
            out[start : start + SLICE_ROWS] = table[at[start : start + SLICE_ROWS]]
        return out


def _set_bits(data: Bytes, more: int) -> Places:
    """Return the places of the set bits, and behind them `more` times the count of all bits.

    No place behind the last bit is in a packet, so whatever gets there is found to be bad.
    """
    out = scratch.array("ends", (8 * len(data) + more,), np.int32)
    count = 0
    for start in range(0, len(data), SLICE_BYTES):
        bits = np.unpackbits(data[start : start + SLICE_BYTES], bitorder="little")
        found = np.flatnonzero(bits.view(np.bool_))
        out[count : count + len(found)] = found
        out[count : count + len(found)] += 8 * start
        count += len(found)
    out[count : count + more] = 8 * len(data)
    return out[: count + more]


def integers(joined: Joined, streams: Streams, blocks: Blocks, bad: Mask) -> tuple[Places, Places]:
    """Return a row of 32 residuals for each block, and one of its low bits (all of packed ones).

    Both are overwritten by the next call of this thread. `bad` grows by the packets whose sections
    are not what an encoder writes; then the rows mean nothing, as does what lies behind the last
    code of a row.
    """
    quotients, low, width = _parts(joined, streams, blocks, bad)
    codes = quotients.view(np.uint32)
    shift = width.astype(np.uint32)[:, None]
    for start in range(0, len(codes), SLICE_ROWS):
        part = codes[start : start + SLICE_ROWS]
        part <<= shift[start : start + SLICE_ROWS]
        part |= low[start : start + SLICE_ROWS]
        signs = part & np.uint32(1)
        np.negative(signs, out=signs)
        part >>= np.uint32(1)
        part ^= signs
    return quotients, low.view(np.int32)


def _parts(
    joined: Joined, streams: Streams, blocks: Blocks, bad: Mask
) -> tuple[Places, Codes, Ints]:
    """Return the unary parts of all codes, the low bits, and how many low bits a block has."""
    unary = _Unary(joined, streams.sections)
    p, at, used = _parameters(unary, streams, blocks, bad)
    bad[blocks.packet[(p < 0) | (p > MAX_P)]] = True
    p = np.clip(p, 0, MAX_P)
    quotients = unary.rows(at)
    silent = ~blocks.unary | (p == 0)
    if silent.any():
        quotients[silent] = 0
    width = np.where(blocks.unary, np.maximum(p - 1, 0), p + 1)
    lengths = width * blocks.values
    sparse = np.flatnonzero(blocks.sparse & (p > 0))
    if len(sparse):
        inside = np.arange(BLOCK) < blocks.values[sparse, None]
        quotients[sparse] *= inside
        lengths[sparse] = width[sparse] * np.count_nonzero(quotients[sparse], axis=1)
    total = np.bincount(blocks.packet, lengths, len(bad)).astype(np.int64)
    _check_sections(joined, streams.sections, unary, used, total, bad)
    if bad.any():
        # Nothing of the batch will be used, and places in it may lie outside the buffer.
        return quotients, quotients.view(np.uint32), width
    places = np.cumsum(lengths) - lengths
    places -= (np.cumsum(total) - total)[blocks.packet]
    low = _low_bits(joined, blocks, width, places)
    wide = np.flatnonzero(width > 16)
    if len(wide):
        _check_quotients(quotients, blocks, width, wide, bad)
    if len(sparse):
        low[sparse] = _sparse(joined, blocks, width, places, quotients[sparse], sparse, bad)
        quotients[sparse] = 0
    return quotients, low, width


def _parameters(
    unary: _Unary, streams: Streams, blocks: Blocks, bad: Mask
) -> tuple[Ints, Ints, Ints]:
    """Return p of each block, the first code of each block, and the codes used of each packet."""
    begin = streams.p.ravel()[blocks.stream]
    changes = blocks.unary & (blocks.place > 0)
    silent = (blocks.place == 0) & (begin == 0)
    taken = changes + np.where(blocks.unary & ~silent, blocks.values, 0)
    used = np.bincount(blocks.packet, taken, len(bad)).astype(np.int64)
    at = np.cumsum(taken) - taken
    at += (unary.first - (np.cumsum(used) - used))[blocks.packet]
    change = np.where(changes, _signed(unary.parts[np.minimum(at, unary.last)]), 0)
    p = np.cumsum(change)
    p += begin - (p - change)[np.arange(len(p)) - blocks.place]
    at += changes
    doubtful = np.zeros(len(bad), np.bool_)
    doubtful[blocks.packet[changes & ((p < 1) | (p > MAX_P))]] = True
    if doubtful.any():
        _walk(unary, blocks, begin, np.flatnonzero(doubtful), (p, at, used))
    return p, at, used


def _signed(code: Places) -> Ints:
    return (code >> 1 ^ -(code & 1)).astype(np.int64)


def _walk(
    unary: _Unary, blocks: Blocks, begin: Ints, packets: Ints, found: tuple[Ints, Ints, Ints]
) -> None:
    """Find p, first code and codes used of some packets again, block by block."""
    p, at, used = found
    rows = np.searchsorted(blocks.packet, packets)
    stops = np.searchsorted(blocks.packet, packets, side="right")
    cursor = unary.first[packets]
    last_p = np.zeros(len(packets), np.int64)
    while True:
        inside = rows < stops
        if not inside.all():
            used[packets[~inside]] = (cursor - unary.first[packets])[~inside]
            packets, rows, stops = packets[inside], rows[inside], stops[inside]
            cursor, last_p = cursor[inside], last_p[inside]
            if not len(packets):
                return
        coded = blocks.unary[rows]
        changes = coded & (blocks.place[rows] > 0)
        change = _signed(unary.parts[np.minimum(cursor, unary.last)])
        last_p = np.where(
            blocks.place[rows] > 0, last_p + np.where(changes, change, 0), begin[rows]
        )
        cursor = cursor + changes
        p[rows] = last_p
        at[rows] = cursor
        cursor += np.where(coded & (last_p != 0), blocks.values[rows], 0)
        rows += 1


def _check_sections(
    joined: Joined, sections: Ints, unary: _Unary, used: Ints, low: Ints, bad: Mask
) -> None:
    """Mark packets whose sections, of `used` codes and `low` bits, do not meet as they must."""
    end = 8 * (joined.starts + joined.sizes - TAG_BYTES)
    last = unary.ends[np.minimum(unary.first + used - 1, len(unary.ends) - 1)].astype(np.int64)
    up = np.where(used > 0, last + 1, 8 * sections)
    down = end - low
    bad |= (up > end) | (down >> 3 != up + 7 >> 3)
    room = len(joined.data) - 1
    rest = joined.data[np.minimum(up >> 3, room)] >> (up & 7).astype(np.uint8)
    bad |= (up & 7 != 0) & (rest != 0)
    rest = joined.data[np.clip(down >> 3, 0, room)] >> (8 - (down & 7)).astype(np.uint8)
    bad |= (down & 7 != 0) & (rest != 0)


def _low_bits(joined: Joined, blocks: Blocks, width: Ints, places: Ints) -> Codes:
    """Return the low bits of all blocks but sparse ones, from bit `places` of their sections."""
    low = scratch.array("low", (len(width), BLOCK), np.uint32)
    words = joined.words(">")
    end = (joined.starts + joined.sizes - TAG_BYTES - 8)[blocks.packet]
    dense = np.where(blocks.sparse, 0, width)
    low[dense == 0] = 0
    for bits in (np.flatnonzero(np.bincount(dense)[1:]) + 1).tolist():
        rows = np.flatnonzero(dense == bits)
        # As many values at once as fit 32 bits; a word holds these at whatever bit they begin.
        per = next(per for per in (32, 16, 8, 4, 2, 1) if per * bits <= 32)
        at = places[rows, None] + np.arange(0, BLOCK * bits, per * bits)
        word = words[end[rows, None] - (at >> 3)] >> (at & 7).astype(np.uint64)
        alike = len(rows) == len(low)  # then no table is needed between
        values = low if alike else scratch.array("unpacked", (len(rows), BLOCK), np.uint32)
        _unpack(word.astype(np.uint32), bits, values.reshape(*word.shape, per))
        if not alike:
            low[rows] = values
    return low


def _unpack(words: Codes, bits: int, out: Codes) -> None:
    """Write the first values of `bits` bits of each word along the last axis of `out`."""
    per = out.shape[-1]
    shifts = np.arange(0, per * bits, bits, dtype=np.uint32)
    if per > 8:
        np.right_shift(words[:, :, None], shifts, out=out)
    else:  # short rows: a pass over all words for each place is faster
        for i, shift in enumerate(shifts):
            np.right_shift(words, shift, out=out[:, :, i])
    out &= np.uint32((1 << bits) - 1)


def _check_quotients(
    quotients: Places, blocks: Blocks, width: Ints, rows: Ints, bad: Mask
) -> None:
    """Mark packets with a code beyond 32 bits, which only wide low bits leave room for."""
    limit = (0xFFFFFFFF >> width[rows])[:, None] + blocks.sparse[rows, None]
    inside = np.arange(BLOCK) < blocks.values[rows, None]
    over = ((quotients[rows] > limit) & inside).any(axis=1)
    bad[blocks.packet[rows[over]]] = True


def _sparse(
    joined: Joined,
    blocks: Blocks,
    width: Ints,
    places: Ints,
    quotients: Places,
    rows: Ints,
    bad: Mask,
) -> Codes:
    """Return the codes of sparse blocks: 0 has no low bits, the others are one less in bits."""
    part = quotients.astype(np.int64)
    some = part > 0
    bits = width[rows, None]
    at = places[rows, None] + (np.cumsum(some, axis=1) - some) * bits
    end = (joined.starts + joined.sizes - TAG_BYTES - 8)[blocks.packet[rows]]
    word = joined.words(">")[end[:, None] - (at >> 3)].astype(np.uint64)
    low = (word >> (at & 7).astype(np.uint64)).astype(np.int64) & (1 << bits) - 1
    code = np.where(some, ((part - 1 << bits) | low) + 1, 0)
    bad[blocks.packet[rows[(code > 0xFFFFFFFF).any(axis=1)]]] = True
    return code.astype(np.uint32)

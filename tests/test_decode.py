"""The batch decoder against the plain one: the same values, or both an error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motefw import packet, packet_anchor, packet_header
from motefw.errors import PacketError
from motekit import decode

GENERATION, STREAM, SCHEMA, EPOCH = 1, 2, 3, 4
RNG = np.random.default_rng(20_260_102)


def encoded(columns, *, invalid=(), steps=None, seq=1000, time_us=600_000_000_000):
    """Return a packet of the columns; `invalid` holds (channel, sample)."""
    block = packet.Block(len(columns), len(columns[0]), timed=steps is not None)
    for target, column in zip(block.columns, columns, strict=True):
        for i, value in enumerate(column):
            target[i] = int(value)
    block.count = len(columns[0])
    for channel, sample in invalid:
        block.mark_invalid(int(channel), int(sample))
    if steps is not None:
        for i, step in enumerate(steps):
            block.steps_us[i] = int(step)
    out = bytearray(packet.MAX_PACKET_BYTES)
    head = (GENERATION, STREAM, SCHEMA, EPOCH, seq, seq * block.count, time_us)
    length = packet.encode(out, *head, block)
    return bytes(out[:length]) + bytes(8)


def plain(data):
    """Return (header, rows, validity, times) as the plain decoder has them; None for an error."""
    try:
        decoded = packet.decode(data)
    except PacketError:
        return None
    if decoded.header.kind != packet.SAMPLES:
        return decoded.header, None, None, None
    rows = [list(row) for row in zip(*decoded.columns, strict=True)]
    return decoded.header, rows, None, decoded.times_us


def agree(batch):
    """Check that the batch decodes to what the plain decoder makes of each packet, or fails too.

    Returns how many of the packets were good.
    """
    expected = [plain(data) for data in batch]
    kinds = [None if one is None else (one[0].kind, one[0].channels) for one in expected]
    if None in kinds or any(kind != (0, kinds[0][1]) for kind in kinds):
        with pytest.raises(decode.BadPacketError) as caught:
            decode.samples(batch)
        position = caught.value.position
        assert kinds[position] is None or kinds[position] != (0, kinds[0] and kinds[0][1])
        assert f"packet {position} of the batch" in str(caught.value)
        return len(kinds) - kinds.count(None)
    got = decode.samples(batch)
    for i, (header, rows, _, times) in enumerate(expected):
        part = slice(int(got.offsets[i]), int(got.offsets[i + 1]))
        for name in got.headers.dtype.names:
            assert got.headers[i][name] == getattr(header, name), name
        values = got.values[part].tolist()
        if got.valid is not None:
            values = [
                [value if ok else None for value, ok in zip(row, mask, strict=True)]
                for row, mask in zip(values, got.valid[part].tolist(), strict=True)
            ]
        assert values == rows
        if times is not None:
            assert got.times_us[part].tolist() == times
        elif got.times_us is not None:
            assert got.times_us[part].tolist() == [header.time_us] * header.count
    return len(batch)


def any_int32(rng, n):
    return rng.integers(-(2**31), 2**31, n)


# Classes of series: each returns n integers.
SERIES = {
    "constant": lambda rng, n: np.repeat(any_int32(rng, 1), n),
    "noise": lambda rng, n: np.rint(rng.normal(size=n) * 2 ** rng.uniform(0, 28)),
    "walk": lambda rng, n: np.rint(np.cumsum(rng.normal(size=n) * 2 ** rng.uniform(0, 12))),
    "smooth": lambda rng, n: np.rint(np.cumsum(np.cumsum(rng.normal(size=n))) + 1e5),
    "tone": lambda rng, n: np.rint(3000 * np.sin(np.arange(n) * rng.uniform(0.01, 2))),
    "slow": lambda rng, n: np.cumsum(rng.integers(-9, 10, n) * (rng.random(n) < 0.05)),
    "shifted": lambda rng, n: np.cumsum(rng.integers(-9, 10, n)) << int(rng.integers(1, 12)),
    "steps": lambda rng, n: np.repeat(any_int32(rng, 1 + n // 40), 40)[:n],
    "random": any_int32,
}
KINDS = tuple(SERIES)


def series(kind, n, rng):
    """Return n integers of a class of series."""
    return SERIES[kind](rng, n).clip(-(2**31), 2**31 - 1)


def random_packet(rng, channels, n=None):
    """Return a packet of random classes of series, perhaps with gaps and times."""
    n = int(n or rng.choice([1, 2, 3, 31, 32, 33, 34, 65, 100, 128, int(rng.integers(1, 200))]))
    columns = [series(rng.choice(KINDS), n, rng) for _ in range(channels)]
    invalid = ()
    if rng.random() < 0.3:
        lost = rng.random((channels, n)) < rng.choice([0.02, 0.5, 0.999])
        if rng.random() < 0.2:
            lost[int(rng.integers(channels))] = True
        invalid = np.argwhere(lost)
    steps = None
    if rng.random() < 0.3:
        steps = rng.integers(-5, 100, n) if rng.random() < 0.5 else np.full(n, 5000)
    return encoded(columns, invalid=invalid, steps=steps, seq=int(rng.integers(2**32)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 12), st.booleans())
def test_batches_decode_as_the_plain_decoder_does(seed, channels, count, alike):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 80)) if alike else None
    batch = [random_packet(rng, channels, n) for _ in range(count)]
    assert agree(batch) == count


@pytest.mark.parametrize("kind", KINDS)
def test_full_packets_of_each_class_of_series(kind):
    batch = []
    for _ in range(6):
        columns = [series(kind, 512, RNG) for _ in range(1 if kind == "random" else 2)]
        batch.append(encoded(columns))
    assert agree(batch) == 6


def test_sixteen_channels():
    batch = [encoded([series("walk", 64, RNG) for _ in range(16)]) for _ in range(3)]
    assert agree(batch) == 3


def test_more_packets_than_a_chunk_holds(monkeypatch):
    monkeypatch.setattr(decode, "CHUNK_VALUES", 1000)
    batch = [random_packet(RNG, 2) for _ in range(40)]
    assert agree(batch) == 40
    batch[33] = batch[33][:-9] + batch[33][-8:]
    with pytest.raises(decode.BadPacketError) as caught:
        decode.samples(batch)
    assert caught.value.position == 33


def test_no_packets():
    got = decode.samples([])
    assert got.values.shape == (0, 0)
    assert got.offsets.tolist() == [0]
    assert len(decode.headers([])) == 0


def test_the_result_is_not_touched_by_the_next_call():
    first = decode.samples([encoded([range(100)]) for _ in range(3)])
    kept = first.values.copy()
    decode.samples([encoded([series("noise", 300, RNG)]) for _ in range(5)])
    assert np.array_equal(first.values, kept)


@pytest.mark.parametrize("steps", [None, [0, 2**31 - 1]])
def test_times_have_62_bits_and_later_ones_are_refused_by_both(steps):
    last = encoded([[1, 2]], steps=steps, time_us=2**62 - 1)
    assert agree([last])
    late = bytearray(last)
    late[packet.read_header(last).body - 1] |= 0x40
    with pytest.raises(decode.BadPacketError, match=r"packet 1.*time_us .* beyond 62 bits"):
        decode.samples([last, bytes(late)])
    with pytest.raises(PacketError, match=r"time_us .* beyond 62 bits"):
        packet.decode(bytes(late))


def test_packets_may_be_views_of_a_larger_buffer():
    data = encoded([[1, 2, 3]])
    for view in (bytearray(data), memoryview(b"x" + data + b"y")[1:-1]):
        assert decode.samples([view]).values.tolist() == [[1], [2], [3]]


def test_headers_alone():
    out = bytearray(packet.MAX_PACKET_BYTES)
    length = packet_anchor.encode_anchor(out, 200, 2**31, 7, 99, 1_800_000_000_000_000, 3, 5000)
    anchor = bytes(out[:length]) + bytes(8)
    length = packet.encode_note(out, 15, 1, 2**32 - 1, 2**40, b'{"boot":{}}')
    note = bytes(out[:length]) + bytes(8)
    batch = [encoded([[5] * 300] * 3), anchor, note]
    heads = decode.headers(batch)
    for row, data in zip(heads, batch, strict=True):
        header = packet.read_header(data)
        for name in heads.dtype.names:
            assert row[name] == getattr(header, name), name
    with pytest.raises(decode.BadPacketError, match=r"packet 1 of the batch: kind 1, 0 expected"):
        decode.samples(batch)


def test_packets_of_other_channel_counts_are_refused():
    with pytest.raises(decode.BadPacketError, match=r"packet 2 .*channels 2, 1 expected"):
        decode.samples([encoded([[1]]), encoded([[1]]), encoded([[1], [2]])])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_corrupted_packets_are_refused_by_both_or_read_alike(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    good = [random_packet(rng, 2) for _ in range(3)]
    body = bytearray(good[1])
    for _ in range(int(rng.integers(1, 4))):
        action = rng.integers(5)
        at = int(rng.integers(len(body))) if body else 0
        if action == 0 and body:
            body[at] ^= 1 << int(rng.integers(8))
        elif action == 1 and body:
            body[at] = int(rng.integers(256))
        elif action == 2:
            del body[at : at + int(rng.integers(1, 9))]
        elif action == 3:
            body[at:at] = rng.bytes(int(rng.integers(1, 9)))
        else:
            body[at:] = good[2][at:]
    for batch in ([bytes(body)], [good[0], bytes(body), good[2]], [bytes(body), *good]):
        agree(batch)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 4))
def test_random_bytes_behind_a_right_start(tail, cut):
    head = encoded([series("walk", 40, RNG)])[: 15 + 2 * cut]
    agree([head + tail])
    agree([tail])


class Writer:
    """Writes any stream that the format has, not only what an encoder would choose."""

    def __init__(self, rng):
        self.rng = rng
        self.descriptors = bytearray()
        self.up = []
        self.low = []

    def varint(self, value):
        while value > 127:
            self.descriptors.append(value & 127 | 128)
            value >>= 7
        self.descriptors.append(value)

    def signed(self, value):
        self.varint(2 * value if value >= 0 else -2 * value - 1)

    def unary(self, value):
        self.up += [0] * value + [1]

    def bits(self, value, width):
        self.low += [value >> i & 1 for i in range(width)]

    def any_int(self):
        bits = int(self.rng.integers(1, 32))
        return int(self.rng.integers(-(2**bits), 2**bits).clip(-(2**31), 2**31 - 1))

    def stream(self, n):
        """Write a random stream of n values."""
        rng = self.rng
        predictor = int(rng.integers(7))
        first = (0, 0, 1, 2, 0, 0, 1)[predictor]
        if n <= first:
            predictor = first = 0
        if predictor and rng.random() < 0.2:
            self.descriptors.append(7 << 5 | int(rng.integers(1, 32)))
        p = 0 if predictor == 0 else int(rng.integers(32 if rng.random() < 0.3 else 6))
        self.descriptors.append(predictor << 5 | p)
        order = int(rng.integers(1, 9))
        if predictor == 4:
            self.descriptors.append(order - 1 << 5 | int(rng.integers(8)))
        self.signed(self.any_int())
        if predictor == 4:
            self.descriptors += rng.bytes(order)
        if predictor == 3:
            self.signed(self.any_int())
        if predictor == 5:
            for _ in range(n):
                self.bits(int(rng.integers(2 ** (p + 1))), p + 1)
        elif predictor:
            self.codes(n - first, p, predictor == 6)

    def codes(self, n, p, sparse):
        """Write n random codes that fit 32 bits."""
        for start in range(0, n, 32):
            if start:
                new = p if self.rng.random() < 0.5 else int(self.rng.integers(0, 32))
                self.unary(2 * (new - p) if new >= p else 2 * (p - new) - 1)
                p = new
            for _ in range(min(32, n - start) if p else 0):
                limit = min(5, 0xFFFFFFFF >> p - 1)
                q = int(self.rng.integers(limit + 1 + sparse))
                self.unary(q)
                if not sparse or q:
                    value = int(self.rng.integers(2 ** (p - 1)))
                    if sparse and q - 1 << p - 1 | value == 0xFFFFFFFF:
                        value -= 1
                    self.bits(value, p - 1)

    def packet(self, n, channels):
        """Return the whole packet of n samples, or None if it is too long."""
        for _ in range(channels):
            self.stream(n)
        out = bytearray(64)
        head = (packet.SAMPLES, 0, GENERATION, STREAM, SCHEMA, EPOCH, 9, 9 * n, 5, n, channels)
        length = packet_header.write(out, *head)
        up = np.packbits(np.array(self.up, np.uint8), bitorder="little").tobytes()
        low = np.packbits(np.array(self.low, np.uint8), bitorder="little").tobytes()[::-1]
        data = bytes(out[:length] + self.descriptors) + up + low + bytes(8)
        return data if len(data) <= packet.MAX_PACKET_BYTES else None


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_whatever_the_format_allows_is_read_alike(seed, channels):
    rng = np.random.default_rng(seed)
    lengths = [int(rng.integers(1, 120)) for _ in range(6)]
    made = [Writer(rng).packet(n, channels) for n in lengths]
    batch = [data for data in made if data]
    assert agree(batch) == len(batch)

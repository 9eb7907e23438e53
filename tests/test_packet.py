"""Packets: what the board's encoder writes in the real VM is what the plain decoder reads."""

import contextlib
import json
import math
import random
import struct
from array import array
from pathlib import Path

import pytest
from coprocess import CoProcess, VmError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_spec import _dumps

from motefw import keys, packet, packet_anchor, packet_header, packet_linear, packet_setup
from motefw.errors import PacketError

VECTORS = sorted((Path(__file__).parent / "vectors" / "packet").glob("*.json"))
HEAD = (1, 2, 3, 4, 1000, 5120, 600_000_000_000)
TAG = bytes(8)
INT32 = st.integers(-(2**31), 2**31 - 1)
KERNELS = ("plain", "viper")
CODES = {"i": range(-(2**31), 2**31), "h": range(-(2**15), 2**15), "H": range(2**16)}


@pytest.fixture(scope="module")
def boards():
    """Return a VM of 32 and one of 64 bits, each with the encoder in it."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(CoProcess(bits, "packet_bed")) for bits in (32, 64)]


def encode_here(columns, invalid=(), steps_us=None, *, linear=True, head=HEAD, code="i"):
    """Return the packet that CPython makes, without a tag."""
    block = packet.Block(len(columns), len(columns[0]), steps_us is not None, code)
    for column, values in zip(block.columns, columns, strict=True):
        column[:] = type(column)(code, values)
    block.count = len(columns[0])
    block.linear = linear
    for channel, sample in invalid:
        block.mark_invalid(channel, sample)
    for i, step in enumerate(steps_us or ()):
        block.steps_us[i] = step
    out = bytearray(packet.MAX_PACKET_BYTES)
    return bytes(out[: packet.encode(out, *head, block)])


def with_gaps(columns, invalid):
    """Return the columns with None where a reading is none."""
    columns = [list(column) for column in columns]
    for channel, sample in invalid:
        columns[channel][sample] = None
    return columns


def everywhere(boards, columns, invalid=(), steps_us=None, *, linear=True):
    """Encode with each kernel on each VM and here; check that all agree, and return the packet."""
    values = [value for column in columns for value in column]
    packets = []
    for code, held in CODES.items():
        if min(values) not in held or max(values) not in held:
            continue
        expected = encode_here(columns, invalid, steps_us, linear=linear, code=code)
        for board in boards:
            for kernel in KERNELS:
                arguments = (columns, invalid, steps_us, linear, code)
                made = board.call("encode", kernel, HEAD, *arguments)
                assert bytes.fromhex(made) == expected, f"{kernel} differs"
        packets.append(expected)
    assert packets == packets[:1] * len(packets), "not the same from arrays of another type"
    return packets[0]


@st.composite
def series(draw, n):
    """Draw n integers: noise, a walk, a smooth curve, few steps, left-justified, or anything."""
    seed = random.Random(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(("noise", "walk", "curve", "wave", "steps", "spike", "any")))
    scale = 2 ** draw(st.integers(0, 31))
    shift = draw(st.sampled_from((0, 0, 0, 2, 4, 20)))
    x = seed.randint(-scale, scale)
    slope = seed.randint(-3, 3)
    values = []
    for i in range(n):
        if kind == "any":
            x = seed.randint(-(2**31), 2**31)
        elif kind == "noise":
            x = seed.randint(-scale, scale)
        elif kind == "walk":
            x += seed.randint(-scale, scale) // 16 + seed.randint(-2, 2)
        elif kind == "curve":
            slope += seed.randint(-2, 2)
            x += slope
        elif kind == "wave":
            x = int(scale * math.sin(i / 3)) + seed.randint(-3, 3)
        elif kind == "steps":
            x += seed.choice((0, 0, 0, 0, 5, -3))
        elif kind == "spike":
            x = seed.randint(-4, 4) + (scale if seed.random() < 0.02 else 0)
        values.append(((x << shift) + 2**31) % 2**32 - 2**31)
    return values


@st.composite
def blocks(draw, longest=200):
    """Draw (columns, invalid, steps_us) of a block."""
    n = draw(st.integers(1, longest))
    channels = draw(st.integers(1, 3))
    columns = [draw(series(n)) for _ in range(channels)]
    invalid = ()
    if draw(st.booleans()):
        places = st.tuples(st.integers(0, channels - 1), st.integers(0, n - 1))
        invalid = sorted(draw(st.sets(places, max_size=min(60, n * channels))))
    steps_us = draw(series(n)) if draw(st.integers(0, 3)) == 0 else None
    return columns, invalid, steps_us


@settings(deadline=None, max_examples=500)
@given(blocks(), st.booleans())
@example(([[5]], [(0, 0)], [1]), True)
@example(([[2**31 - 1, -(2**31)] * 40], (), None), True)
@example(([[-(2**31)] * 70, list(range(70))], (), list(range(70))), True)
def test_any_block_comes_back_bit_for_bit_from_every_encoder(boards, block, linear):
    columns, invalid, steps_us = block
    made = packet.decode(everywhere(boards, columns, invalid, steps_us, linear=linear) + TAG)
    assert made.columns == with_gaps(columns, invalid)
    header = made.header
    assert (header.generation, header.stream, header.schema, header.epoch) == HEAD[:4]
    assert (header.seq, header.index, header.time_us) == HEAD[4:]
    if steps_us is None or len(columns[0]) < 2:
        assert made.times_us is None
    else:
        expected = [HEAD[-1]]
        for step in steps_us[1:]:
            expected.append(expected[-1] + step)
        assert made.times_us == expected


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(2, 512), st.floats(0.2, 60), st.integers(1, 400))
def test_walks_of_any_spread_with_leaps_come_from_every_encoder_alike(
    boards, seed, n, spread, leap
):
    seeded = random.Random(seed)
    odds = seeded.choice((0, 0.01, 0.05))
    columns = [[seeded.randint(-99, 99)] for _ in range(3)]
    for column in columns:
        for _ in range(n - 1):
            step = round(seeded.choice((-1, 1)) * seeded.expovariate(1 / spread))
            step += seeded.choice((-leap, leap)) if seeded.random() < odds else 0
            column.append(min(max(column[-1] + step, -32000), 32000))
    made = packet.decode(everywhere(boards, columns, linear=False) + TAG)
    assert made.columns == columns


@example([-2_147_483_647, 2_147_483_645])
@settings(deadline=None, max_examples=300)
@given(st.lists(INT32, min_size=1, max_size=150))
def test_any_integers_come_back(boards, values):
    assert packet.decode(everywhere(boards, [values]) + TAG).columns == [values]


@settings(deadline=None, max_examples=30)
@given(st.data(), st.integers(1, 150), st.booleans())
def test_any_chunking_of_a_series_comes_back(boards, data, size, linear):
    columns = [data.draw(series(size * 5)) for _ in range(2)]
    parts = [[c[i : i + size] for c in columns] for i in range(0, size * 5, size)]
    gaps = st.lists(st.tuples(st.integers(0, 1), st.integers(0, size - 1)), max_size=5)
    invalid = [data.draw(gaps) for _ in parts]
    heads = [(0, 0, 1, 7, seq, seq * size, seq * 1000) for seq in range(len(parts))]
    answers = [b.call("series", k, heads, parts, invalid, linear) for b in boards for k in KERNELS]
    assert all(answer == answers[0] for answer in answers)
    for made, part, lost in zip(answers[0], parts, invalid, strict=True):
        assert packet.decode(bytes.fromhex(made) + TAG).columns == with_gaps(part, lost)


def _raw_bits(columns):
    return sum(len(c) * max(1, (max(c) - min(c)).bit_length()) for c in columns)


@settings(deadline=None, max_examples=200)
@given(blocks(300))
def test_no_input_expands(block):
    columns, _, _ = block
    body = len(encode_here(columns)) - packet.read_header(encode_here(columns) + TAG).body
    descriptors = 8 * len(columns)
    assert body <= 1.02 * _raw_bits(columns) / 8 + descriptors + 2


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 16), st.integers(1, 32), st.integers(0, 2**32))
def test_what_capacity_promises_always_fits(channels, bits, seed):
    rng = random.Random(seed)
    n = packet_setup.capacity(channels, bits)
    top = 2 ** (bits - 1)
    columns = [[rng.randint(-top, top - 1) for _ in range(n)] for _ in range(channels)]
    head = (255, 15, 15, 2**32 - 1, 2**32 - 1, 2**48 - 1, 2**62 - 1)
    made = encode_here(columns, head=head)
    assert len(made) + len(TAG) <= packet.MAX_PACKET_BYTES
    assert packet.decode(made + TAG).columns == columns


def test_what_does_not_fit_is_refused_and_nothing_beyond_the_buffer_is_touched(boards):
    rng = random.Random(5)
    columns = [[rng.randint(-(2**31), 2**31 - 1) for _ in range(200)] for _ in range(16)]
    with pytest.raises(PacketError, match="do not fit"):
        encode_here(columns)
    for board in boards:
        for kernel in KERNELS:
            with pytest.raises(VmError, match="do not fit") as caught:
                board.call("encode", kernel, HEAD, columns, (), None, True)
            assert caught.value.kind == "PacketError"
            assert board.call("encode", kernel, HEAD, [[1, 2, 3]], (), None, True)


def test_a_buffer_of_any_size_gives_the_same_packet_or_an_error():
    values = [random.Random(1).randint(-50, 50) for _ in range(100)]
    expected = encode_here([values])
    block = packet.Block(1, 100)
    block.columns[0][:] = type(block.columns[0])("i", values)
    block.count = 100
    fits = 0
    for size in range(30, 300):
        out = bytearray(size)
        try:
            n = packet.encode(out, *HEAD, block)
        except PacketError:
            continue
        fits += 1
        assert out[:n] == expected
    assert fits > 100


@pytest.mark.parametrize("bits", [32, 64])
def test_the_boot_chooses_viper_and_falls_back_when_any_function_of_it_is_wrong(boards, bits):
    board = boards[bits == 64]
    assert board.call("selected") == "viper"
    for function in board.call("functions"):
        board.call("spoil", function)
        selected = board.call("selected")
        board.call("repair")
        assert selected == "plain", f"a wrong {function} passes the boot vector"
    assert board.call("selected") == "viper"


def test_this_interpreter_gets_the_plain_kernel():
    assert packet_setup.select_kernel()[0] == "plain"


@pytest.mark.parametrize("spike", [0, 300, 3000])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_heap_does_not_grow_with_the_samples(boards, kernel, spike):
    rng = random.Random(3)
    walk = [0]
    for i in range(511):
        walk.append(walk[-1] + rng.randint(-9, 9) + (spike if i % 32 == 9 else 0))
    for board in boards:
        few, many = (
            board.call("heap_bytes", kernel, [walk[:n]] * 3, False, 10) for n in (128, 512)
        )
        assert many == few
        assert many // 10 < 1024


@settings(deadline=None)
@given(
    st.integers(0, 255),
    st.integers(0, 15),
    st.integers(0, 15),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1) | st.integers(0, 300),
    st.integers(0, 2**48 - 1) | st.integers(0, 2**20),
    st.integers(0, 2**62 - 1),
    st.integers(1, 512),
    st.booleans(),
)
@example(1, 2, 3, 4, 5, 6, 7, 255, False)
@example(1, 2, 3, 4, 5, 6, 7, 256, False)
@example(1, 2, 3, 4, 5, 6, 7, 257, False)
@example(1, 2, 3, 4, 5, 6, 7, 512, False)
def test_every_header_comes_back(
    generation, stream, schema, epoch, seq, index, time_us, count, steady
):
    if steady:
        index = (seq - min(seq, index % 1000)) * count
    out = bytearray(64)
    place = (generation, stream, schema, epoch, seq, index, time_us, count, 7)
    n = packet_header.write(out, packet.SAMPLES, packet_header.TIMES, *place)
    header = packet.read_header(out)
    assert header[2:11] == place
    assert (header.version, header.kind, header.timed, header.invalid) == (1, 0, True, False)
    assert header.body == n <= 28


def test_a_header_has_at_most_16_bytes_in_the_steady_state():
    out = bytearray(64)
    week_us = 7 * 86_400_000_000
    packets = week_us // 1_000_000 * 1600 // 512
    head = (1, 3, 2, 200, packets + 40, packets * 512, week_us, 512, 3)
    assert packet_header.write(out, 0, 0, *head) <= 16


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((0, 256), (0, -1), (1, 16), (2, 16), (3, 2**32), (3, -1), (4, 2**32)),
        *((5, 2**48), (5, -1), (6, 2**62), (6, -1)),
    ],
)
def test_a_field_out_of_range_is_refused(field, value):
    head = list(HEAD)
    head[field] = value
    with pytest.raises(PacketError, match="out of range"):
        encode_here([[1, 2, 3]], head=head)


def test_a_run_of_validity_is_empty_only_at_the_start():
    good = encode_here([[1] * 8], [(0, i) for i in range(8)], head=(1, 2, 3, 4, 5, 6, 7))
    body = packet.read_header(good + TAG).body
    assert packet.decode(good + TAG).columns == [[None] * 8]
    assert good[body:] == b"\x02\x08\x00\x00"  # 2 runs, 8 invalid; the first one is 0
    _refused(good[:body] + b"\x04\x08\x00\x00" + TAG, "run 1 of 0 samples")


def test_an_empty_block_makes_no_packet():
    with pytest.raises(PacketError, match="out of range"):
        packet.encode(bytearray(100), *HEAD, packet.Block(1, 4))


def test_blocks_have_limits():
    for channels, capacity in ((0, 1), (17, 1), (1, 0), (1, 513)):
        with pytest.raises(PacketError, match="block"):
            packet.Block(channels, capacity)


def test_a_cleared_block_has_no_gaps():
    block = packet.Block(2, 10)
    block.mark_invalid(1, 9)
    assert block.is_invalid(1, 9)
    block.clear()
    assert (block.any_invalid, block.is_invalid(1, 9), block.count) == (False, 0, 0)


def test_anchors_and_notes_come_back():
    out = bytearray(256)
    n = packet_anchor.encode_anchor(out, 3, 9, 11, 12345, 1_767_225_600_000_000, 3, 1500)
    made = packet.decode(bytes(out[:n]) + TAG)
    assert made.header.kind == packet_anchor.ANCHOR
    assert made.body == (1_767_225_600_000_000, 3, 1500)
    assert (made.header.generation, made.header.epoch, made.header.seq) == (3, 9, 11)
    note = {"gap": {"stream": 1, "index": 640, "lost": 12, "why": "overrun"}}
    n = packet.encode_note(out, 3, 9, 12, 12345, json.dumps(note).encode())
    made = packet.decode(bytes(out[:n]) + TAG)
    assert (made.header.kind, made.body) == (packet.NOTE, note)


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"a":', b"\xff{}", b"1", b"[" * 3000])
def test_a_note_that_is_no_object_is_refused(body):
    out = bytearray(4096)
    n = packet.encode_note(out, 0, 1, 1, 1, body)
    with pytest.raises(PacketError):
        packet.decode(bytes(out[:n]) + TAG)


def test_notes_and_anchors_have_limits():
    with pytest.raises(PacketError, match="do not fit"):
        packet.encode_note(bytearray(4096), 0, 1, 1, 1, bytes(4096))
    for utc_us, quality, error_us in ((-1, 0, 0), (2**64, 0, 0), (0, 256, 0), (0, 0, 2**32)):
        with pytest.raises(PacketError, match="out of range"):
            packet_anchor.encode_anchor(bytearray(64), 0, 1, 1, 1, utc_us, quality, error_us)


def test_a_tag_holds_for_its_device_key_and_bytes_alone():
    key = bytes(range(32))
    tagger = keys.Tagger(key, b"a0b1c2d3e4f5")
    out = bytearray(128)
    n = packet.seal(out, packet.encode_note(out, 1, 1, 1, 1, b"{}"), tagger)
    sealed = bytes(out[:n])
    assert packet.verify(sealed, tagger)
    for other in (keys.Tagger(key, b"a0b1c2d3e4f6"), keys.Tagger(bytes(32), b"a0b1c2d3e4f5")):
        assert not packet.verify(sealed, other)
    for i in range(n):
        for bit in range(8):
            bad = bytearray(sealed)
            bad[i] ^= 1 << bit
            assert not packet.verify(bytes(bad), tagger)
    for short in range(n):
        assert not packet.verify(sealed[:short], tagger)


def _refused(data, match):
    with pytest.raises(PacketError, match=match):
        packet.decode(data)


def test_bytes_that_no_encoder_writes_are_refused():
    made = bytearray(encode_here([[5, 7, 9, 8, 9, 5, 5, 6] * 8], head=(1, 2, 3, 4, 5, 6, 7)) + TAG)
    body = packet.read_header(made).body

    def spoilt(at, value):
        return bytes(made[:at]) + bytes([value]) + bytes(made[at + 1 :])

    assert packet.decode(bytes(made)).columns
    _refused(spoilt(0, made[0] ^ 0xC0), "version")
    _refused(spoilt(0, made[0] | 0x30), "kind 3")
    _refused(made[:18], "19 to 4096")
    _refused(bytes(made) + bytes(4096), "19 to 4096")
    _refused(bytes(made[:-8]) + b"\0" + TAG, "between|padding|overlap|sections")
    _refused(bytes(made[:body]) + TAG, "descriptor")
    _refused(bytes(made[:body]) + b"\xe0\x00" + TAG, "shift")
    _refused(bytes(made[:body]) + b"\x81\x08\x00" + TAG, "scale 8")
    _refused(bytes(made[:body]) + b"\x00\x80\x00" + TAG, "varint")
    _refused(bytes(made[:body]) + b"\x00\xff\xff\xff\xff\x1f" + TAG, "varint")
    _refused(bytes(made[:body]) + b"\x01\x05" + TAG, "predictor 0")


@pytest.mark.parametrize(
    ("codes", "fields", "match"),
    [
        (0x00, (4, 5, 0, 7, 0, 0), None),
        (0x40, (4, 5, 0, 7, 0, 0, 0, 0), "time_us 7 in 5 bytes"),
        (0x10, (4, 5, 9, 0, 7, 0, 0), "index 9 in 2 bytes"),
        (0x04, (4, 5, 0, 0, 7, 0, 0), "seq 5 in 2 bytes"),
        (0x01, (4, 0, 5, 0, 7, 0, 0), "epoch 4 in 2 bytes"),
    ],
)
def test_a_header_has_one_encoding(codes, fields, match):
    data = bytes([0x40, 0x12, 0x30, codes, 0, *fields]) + b"\0\0" + TAG
    if match is None:
        assert packet.decode(data).columns == [[0]]
    else:
        _refused(data, match)


def test_an_index_has_one_encoding():
    made = encode_here([[5] * 10], head=(0, 0, 0, 1, 1000, 9990, 7))
    assert made[0] & 4
    assert packet.read_header(made + TAG).index == 9990
    absolute = bytes([made[0] & ~4, *made[1:3], made[3] | 0x10, *made[4:8], 0x06, 0x27, *made[9:]])
    _refused(absolute + TAG, "index 9990 is not in its shortest form")
    ahead = bytes([*made[:5], 1, 5, 0, 6, *made[9:]])
    _refused(bytes([*ahead[:3], ahead[3] & ~4, *ahead[4:6], 5, 6, 7, 0, 0, 0, 10]) + TAG, "before")


def test_an_overlong_generation_is_refused():
    out = bytearray(64)
    n = packet.encode_note(out, 15, 1, 1, 1, b"{}")
    data = bytearray(out[:n]) + TAG
    assert packet.read_header(data).generation == 15
    data[5] = 14
    with pytest.raises(PacketError, match="generation 14"):
        packet.read_header(data)


def test_codes_beyond_32_bits_are_refused():
    head = (1, 2, 3, 4, 5, 6, 7)
    start = encode_here([[7, 7]], head=head)
    start = start[: packet.read_header(start + TAG).body]
    # order 1, p = 31 (k = 30): the quotient 4 of one residual makes 2^32
    good = start + b"\x5f\x00" + bytes([0b1000]) + bytes(4) + TAG
    assert packet.decode(good).columns == [[0, 3 << 29]]
    _refused(start + b"\x5f\x00" + bytes([0b10000]) + bytes(4) + TAG, "exceeds|32 bits")


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vectors(boards, path):
    vector = json.loads(path.read_text())
    data = bytes.fromhex(vector["packet"])
    tagger = keys.Tagger(bytes.fromhex(vector["key"]), vector["device"].encode())
    assert packet.verify(data, tagger)
    made = packet.decode(data)
    for name, value in vector["header"].items():
        assert getattr(made.header, name) == value
    if made.header.kind != packet.SAMPLES:
        expected = tuple(vector["body"]) if isinstance(vector["body"], list) else vector["body"]
        assert made.body == expected
        return
    assert made.columns == vector["columns"]
    assert made.times_us == vector["times_us"]
    head = [vector["header"][name] for name in HEADER_FIELDS]
    columns = [[0 if x is None else x for x in c] for c in vector["columns"]]
    gaps = enumerate(vector["columns"])
    places = [(c, i) for c, column in gaps for i, x in enumerate(column) if x is None]
    for board in boards:
        for kernel in KERNELS:
            args = (kernel, head, columns, places, vector["steps_us"], True)
            assert bytes.fromhex(board.call("encode", *args)) == data[:-8]


HEADER_FIELDS = ("generation", "stream", "schema", "epoch", "seq", "index", "time_us")


def test_there_is_a_vector_for_each_kind_and_predictor():
    names = {path.stem for path in VECTORS}
    wanted = "constant order_0 order_1 order_2 linear packed sparse shifted invalid timed wide"
    assert {*wanted.split(), "anchor", "note"} <= names


def test_the_worked_examples_of_the_specification():
    samples, anchor, note = _dumps("Packet")
    tagger = keys.Tagger(bytes(32), b"a0b1c2d3e4f5")
    assert all(packet.verify(dump, tagger) for dump in (samples, anchor, note))
    first = [500, 503, 501, 506, 511, 513, 512, 518, 521, 526, 524, 530]
    second = [2150] * 3 + [2155] * 7 + [2152] * 2
    head = (0, 1, 2, 3, 300, 5480, 123_456_789)
    assert samples[:-8] == encode_here([first, second], head=head)
    assert packet.decode(samples).columns == [first, second]
    assert packet.decode(anchor).body == (1_767_225_600_000_000, 3, 1500)
    assert packet.decode(note).body["gap"]["lost"] == 12


def test_linear_prediction_pays_where_it_should():
    wave = [int(900 * math.sin(i * 0.8) + 400 * math.sin(i * 1.9)) for i in range(512)]
    assert len(encode_here([wave])) < 0.75 * len(encode_here([wave], linear=False))


@pytest.mark.parametrize("correlation", [0.9, 0.992, 0.9971, 0.9974, 0.9995, -0.998])
def test_coefficients_of_linear_prediction_fit_a_signed_byte(correlation):
    state = array("i", bytes(4 * 97))
    for lag in range(9):
        state[72 + lag] = round(30_000 * correlation**lag)
    order = packet_linear.design(512, state)
    assert order >= 1
    coefficients = list(state[64 : 64 + order])
    assert all(-128 <= each <= 127 for each in coefficients)
    told = sum(each * correlation**lag for lag, each in enumerate(coefficients)) / (1 << state[14])
    assert told == pytest.approx(correlation, abs=0.02)


def test_every_step_of_a_float_like_counter_is_exact():
    values = [struct.unpack("<i", struct.pack("<f", i * 0.1))[0] for i in range(300)]
    assert packet.decode(encode_here([values]) + TAG).columns == [values]

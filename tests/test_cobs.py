"""COBS against its definition (Cheshire and Baker, 1997), and against bytes that are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motefw import cobs
from motefw.errors import FrameError

EXAMPLES = [  # the paper's own cases, and the edges of a run of 254
    (b"\0", b"\1\1"),
    (b"\0\0", b"\1\1\1"),
    (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33"),
    (b"\x11\x22\x33\x44", b"\x05\x11\x22\x33\x44"),
    (b"\x11\0\0\0", b"\x02\x11\1\1\1"),
    (bytes(range(1, 255)), b"\xff" + bytes(range(1, 255))),
    (bytes(range(256)), b"\x01\xff" + bytes(range(1, 255)) + b"\x02\xff"),
    (bytes(range(1, 256)), b"\xff" + bytes(range(1, 255)) + b"\x02\xff"),
    (bytes(range(2, 256)) + b"\0", b"\xff" + bytes(range(2, 256)) + b"\x01\x01"),
]


def encode(data):
    out = bytearray(len(data) + len(data) // 254 + 1)
    return bytes(out[: cobs.encode_into(data, len(data), out)])


def decode(data):
    out = bytearray(len(data))
    return bytes(out[: cobs.decode_into(data, 0, len(data), out)])


@pytest.mark.parametrize(("data", "expected"), EXAMPLES)
def test_examples(data, expected):
    assert encode(data) == expected
    assert decode(expected) == data


@given(st.binary(max_size=700) | st.lists(st.sampled_from(b"\0\1"), max_size=700).map(bytes))
def test_any_bytes_come_back_without_a_zero_on_the_way(data):
    coded = encode(data)
    assert 0 not in coded
    assert len(coded) <= len(data) + len(data) // 254 + 1
    assert decode(coded) == data
    in_place = bytearray(coded)
    n = cobs.decode_into(in_place, 0, len(in_place), in_place)
    assert in_place[:n] == data


@given(st.binary(max_size=300), st.integers(0, 50))
def test_encoding_begins_where_it_is_told_and_touches_nothing_else(data, at):
    out = bytearray(b"\xaa" * (at + len(data) + 10))
    end = cobs.encode_into(data, len(data), out, at)
    assert out[:at] == b"\xaa" * at
    assert out[end:] == b"\xaa" * (len(out) - end)
    back = bytearray(len(data) + 1)
    n = cobs.decode_into(out, at, end, back)
    assert back[:n] == data


@pytest.mark.parametrize("data", [b"\0", b"\5\1\2", b"\2\0", b"\3\1\0", b"\1\1\0\1"])
def test_what_is_no_cobs_is_refused(data):
    with pytest.raises(FrameError, match="COBS"):
        decode(data)


@given(st.binary(max_size=200))
def test_any_bytes_decode_to_what_encodes_to_them_or_are_refused(data):
    try:
        decoded = decode(data)
    except FrameError:
        return
    assert len(decoded) <= len(data)
    assert decode(encode(decoded)) == decoded

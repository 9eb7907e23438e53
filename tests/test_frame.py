"""Frames: whole or refused, and towards the board without a byte that a REPL obeys."""

import pytest
from coprocess import CoProcess
from hypothesis import given, settings
from hypothesis import strategies as st

from motefw import frame, frame_host
from motefw.crc import crc32
from motefw.errors import FrameError

PAYLOADS = st.binary(min_size=1, max_size=frame.PAYLOAD_MAX_BYTES)
TO_BOARD = st.binary(min_size=1, max_size=frame_host.TO_BOARD_MAX_BYTES)


@given(PAYLOADS)
def test_a_payload_comes_back(payload):
    made = frame_host.encode(payload)
    assert made[0] == made[-1] == 0
    assert 0 not in made[1:-1]
    assert len(made) <= len(payload) + frame_host.OVERHEAD_BYTES <= frame.ENCODED_MAX_BYTES
    assert frame_host.decode(made[1:-1]) == payload


@given(TO_BOARD)
def test_a_payload_to_the_board_comes_back_and_means_nothing_to_a_repl(payload):
    made = frame_host.encode_to_board(payload)
    middle = bytearray(made[1:-1])
    assert len(made) < 200
    assert all(b >= 0x20 and b != 0x7F for b in middle)
    n = frame.unstuff(middle, len(middle))
    assert frame_host.decode(middle[:n]) == payload


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=2, max_size=60))
def test_no_bit_or_byte_of_a_frame_can_change(payload):
    made = frame_host.encode(payload)[1:-1]
    for i in range(len(made)):
        for bit in range(8):
            bad = bytearray(made)
            bad[i] ^= 1 << bit
            with pytest.raises(FrameError):
                frame_host.decode(bad)
        with pytest.raises(FrameError):
            frame_host.decode(made[:i])


@pytest.mark.parametrize("size", [0, 137, 4096])
def test_a_payload_has_limits(size):
    with pytest.raises(FrameError, match="1 to 136"):
        frame_host.encode(bytes(size))


def test_a_payload_to_the_board_has_limits():
    with pytest.raises(FrameError, match="at most 92"):
        frame_host.encode_to_board(bytes(93))
    with pytest.raises(FrameError):
        frame_host.encode_to_board(b"")


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x05\x01\x02\x03\x04", b"hello", b">>> "])
def test_what_is_no_frame_is_refused(data):
    with pytest.raises(FrameError):
        frame_host.decode(data)


def test_the_crc_is_that_of_ieee_802_3():
    assert crc32(b"123456789") == 0xCBF43926
    assert crc32(b"6789", crc32(b"12345")) == 0xCBF43926


@settings(deadline=None, max_examples=100)
@given(TO_BOARD)
def test_a_board_frames_and_reads_the_same_bytes(boards, payload):
    for board in boards:
        assert board.call("frame_hex", payload.hex()) == frame_host.encode(payload).hex()
        assert (
            board.call("unframe_hex", frame_host.encode_to_board(payload).hex()) == payload.hex()
        )


@pytest.fixture(scope="module")
def boards():
    """Return a VM of 32 and one of 64 bits."""
    with CoProcess(32, "wire_bed") as small, CoProcess(64, "wire_bed") as large:
        yield small, large

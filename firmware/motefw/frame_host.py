"""Frames as whole byte strings, for the host; a board works in its buffers, with `frame` alone.

Ref: SPEC.md, section "Frame".
"""

from . import frame
from .compat import const
from .errors import FrameError

TO_BOARD_MAX_BYTES = const(92)  # so that the worst case, every byte stuffed, stays below 200
OVERHEAD_BYTES = const(7)  # two zeros, one COBS code, CRC
_ESCAPE = const(0x7D)
_FLIP = const(0x20)
_STUFFED = [
    bytes((_ESCAPE, byte ^ _FLIP)) if byte < _FLIP or byte in (_ESCAPE, 0x7F) else bytes((byte,))
    for byte in range(256)
]


def encode(payload: bytes) -> bytes:
    """Return the frame of a payload, towards the host."""
    scratch = bytearray(len(payload) + 4)
    scratch[: len(payload)] = payload
    out = bytearray(len(payload) + 4 + OVERHEAD_BYTES)
    n = frame.encode_into(scratch, len(payload), out)
    return bytes(out[:n])


def encode_to_board(payload: bytes) -> bytes:
    """Return the frame of a payload, towards the board: no byte of it means anything to a REPL."""
    if len(payload) > TO_BOARD_MAX_BYTES:
        raise FrameError("frame: {} bytes to the board, at most 92 expected".format(len(payload)))
    return b"\0%b\0" % b"".join([_STUFFED[byte] for byte in encode(payload)[1:-1]])


def decode(data: bytes) -> bytes:
    """Return the payload of the bytes between two zeros; see `frame.decode_into` for errors."""
    out = bytearray(data)
    n = frame.decode_into(out, len(out), out)
    return bytes(out[:n])

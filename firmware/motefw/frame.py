"""Frames of a serial line that is shared with a REPL: COBS and CRC-32 between zero bytes.

    00 | COBS(payload | CRC-32, little-endian) | 00

Text that a program prints has no zero byte, so frames and log lines part by themselves: what lies
between two zeros is a frame if its CRC holds, and text or noise otherwise.

Towards the board every byte of the middle that a REPL would obey or a terminal would swallow
(below 0x20, 0x7D, 0x7F) is sent as 0x7D, byte XOR 0x20: Ctrl-C cannot occur in it, and stays
alive.

This is what a board needs: in place, into buffers that are there. `frame_host` has the rest.

Ref: SPEC.md, section "Frame".
"""

from . import cobs
from .compat import const
from .crc import crc32
from .errors import FrameError

PAYLOAD_MAX_BYTES = const(136)  # towards the host: 12 ms at 115200 baud
ENCODED_MAX_BYTES = const(256)
_ESCAPE = const(0x7D)
_FLIP = const(0x20)


def encode_into(scratch, n, out):
    """Frame scratch[:n], whose next 4 bytes are used for the CRC; return the length in `out`.

    Raises FrameError for a payload of no byte, or of more than PAYLOAD_MAX_BYTES.
    """
    if not 0 < n <= PAYLOAD_MAX_BYTES:
        raise FrameError("frame: payload of {} bytes, 1 to 136 expected".format(n))
    crc = crc32(memoryview(scratch)[:n])
    for i in range(4):
        scratch[n + i] = crc >> 8 * i & 0xFF
    out[0] = 0
    end = cobs.encode_into(scratch, n + 4, out, 1)
    out[end] = 0
    return end + 1


def unstuff(data, n):
    """Take the stuffing out of data[:n] in place; return the new length."""
    at = 0
    flip = 0
    for i in range(n):
        b = data[i]
        if b == _ESCAPE:
            flip = _FLIP
        else:
            data[at] = b ^ flip
            at += 1
            flip = 0
    return at


def decode_into(data, n, out):
    """Check and decode the n bytes between two zeros; return the payload's length in `out`.

    `out` may be `data`. Raises FrameError for what is no COBS or fails its CRC.
    """
    n = cobs.decode_into(data, 0, n, out) - 4
    if n < 1:
        raise FrameError("frame: {} bytes, at least 5 expected".format(n + 4))
    crc = 0
    for i in range(4):
        crc |= out[n + i] << 8 * i
    if crc32(memoryview(out)[:n]) != crc:
        raise FrameError("frame: CRC-32 does not match")
    return n

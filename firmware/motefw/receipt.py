"""Receipts: what the host says about packets; part of `message`, which has the layouts.

Ref: SPEC.md, section "Message".
"""

import struct

from .compat import const
from .errors import MessageError
from .keys import TAG_BYTES, Tagger

ACK = const(0x61)
REFUSED = const(0x78)
_LAYOUT = "<BBII"
_BODY_BYTES = const(10)


def receipt(tagger: Tagger, what: int, generation: int, epoch: int, seq: int) -> bytes:
    """Return an ack (what = ACK) or a refusal (REFUSED) of 18 bytes."""
    body = struct.pack(_LAYOUT, what, generation, epoch, seq)
    return body + tagger.tag(b"", body)


def open_receipt(tagger: Tagger, data: bytes) -> tuple[int, int, int, int]:
    """Return (what, generation, epoch, seq) of an ack or a refusal; MessageError if it is none."""
    if len(data) != _BODY_BYTES + TAG_BYTES or data[0] not in (ACK, REFUSED):
        raise MessageError("receipt: {} bytes, 18 of a receipt expected".format(len(data)))
    body = data[:_BODY_BYTES]
    if not tagger.check(data[_BODY_BYTES:], b"", body):
        raise MessageError("receipt: tag does not match")
    return struct.unpack(_LAYOUT, body)

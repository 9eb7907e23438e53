"""Receipts: what the host says about packets; part of `message`, which has the layouts.

A board reads them all the time, so they are apart; `message_host` makes them.

Ref: SPEC.md, section "Message".
"""

import struct

from .compat import const
from .errors import MessageError
from .keys import TAG_BYTES, Tagger

ACK = const(0x61)
REFUSED = const(0x78)
LAYOUT = const("<BBII")
_BODY_BYTES = const(10)


def open_receipt(tagger: Tagger, data: bytes) -> tuple[int, int, int, int]:
    """Return (what, generation, epoch, seq) of an ack or a refusal; MessageError if it is none."""
    if len(data) != _BODY_BYTES + TAG_BYTES or data[0] not in (ACK, REFUSED):
        raise MessageError("receipt: {} bytes, 18 of a receipt expected".format(len(data)))
    body = data[:_BODY_BYTES]
    if not tagger.check(data[_BODY_BYTES:], b"", body):
        raise MessageError("receipt: tag does not match")
    return struct.unpack(LAYOUT, body)

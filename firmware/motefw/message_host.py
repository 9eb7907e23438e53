"""Messages as the host makes and reads them; see `message` for the layouts.

Ref: SPEC.md, section "Message".
"""

import struct

from .errors import MessageError
from .keys import Tagger
from .message import REPLY, REPLY_LAYOUT, REQUEST, REQUEST_LAYOUT, dumped, parsed, seal, unseal
from .receipt import LAYOUT


def request(
    tagger: Tagger,
    nonce: bytes,
    number: int,
    host: int,
    counter: int,
    name: str,
    args: dict[str, object],
) -> bytes:
    """Return a request; number 0..65535 pairs it with its reply, counter never repeats."""
    head = struct.pack(REQUEST_LAYOUT, REQUEST, number, host, counter)
    return seal(tagger, nonce, head + dumped([name, args]))


def open_reply(tagger: Tagger, nonce: bytes, data: bytes) -> tuple[int, bool, object]:
    """Return (number, ok, result); raise MessageError if anything is amiss."""
    size = struct.calcsize(REPLY_LAYOUT)
    body = unseal(data, REPLY, size, tagger, nonce)
    _, number, ok = struct.unpack_from(REPLY_LAYOUT, body)
    try:
        result = parsed(body, size)
        dumped(result)  # no text: half a pair of surrogates, which nothing could print or keep
    except (UnicodeError, RecursionError):
        raise MessageError("message: JSON too deep, or of no Unicode") from None
    return number, ok == 1, result


def receipt(tagger: Tagger, what: int, generation: int, epoch: int, seq: int) -> bytes:
    """Return an ack (what = receipt.ACK) or refusal (receipt.REFUSED) of 18 bytes."""
    body = struct.pack(LAYOUT, what, generation, epoch, seq)
    return body + tagger.tag(b"", body)

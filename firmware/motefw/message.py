"""Messages of the control plane: requests, replies, acknowledgements; each ends in an 8-byte tag.

    request   'q' | id u16 | host u32 | counter u32 | JSON [name, args]  | tag (command key, nonce)
    reply     'r' | id u16 | ok u8                  | JSON result        | tag (data key, nonce)
    ack       'a' | generation u8 | epoch u32 | seq u32                  | tag (ack key)
    refused   'x' | generation u8 | epoch u32 | seq u32                  | tag (ack key)

Little-endian. Tags cover device id, then the board's 8-byte nonce of this boot where named, then
the message. `hello` and its reply use an all-zero nonce, since the nonce is what the reply tells.
An ack is cumulative: every packet of the epoch up to and including seq is durable on the host. A
refusal names one packet that came intact over the link and fails its tag: the board is to skip it.

The receipts are in `receipt`, which a board keeps in memory; the rest it loads for each request.

Ref: SPEC.md, section "Message".
"""

import json
import struct

from .compat import const
from .errors import MessageError
from .keys import TAG_BYTES, Tagger
from .receipt import ACK, REFUSED, open_receipt, receipt

__all__ = ("ACK", "REFUSED", "open_receipt", "receipt")  # from `receipt`; the rest is here

REQUEST = const(0x71)
REPLY = const(0x72)
NONCE_BYTES = const(8)
NO_NONCE = bytes(NONCE_BYTES)
MAX_TO_BOARD_BYTES = const(1024)
MAX_TO_HOST_BYTES = const(4096)
_REQUEST = "<BHII"
_REPLY = "<BHB"


def kind(data: bytes) -> int:
    """Return the type byte of a message; raise MessageError for an unknown one."""
    if len(data) <= TAG_BYTES or data[0] not in (REQUEST, REPLY, ACK, REFUSED):
        raise MessageError("message: {} bytes of unknown type".format(len(data)))
    return data[0]


def _seal(tagger: Tagger, nonce: bytes, body: bytes) -> bytes:
    return body + tagger.tag(nonce, body)


def _open(data: bytes, expected: int, size: int, tagger: Tagger, nonce: bytes) -> bytes:
    """Return the body of a message whose type, length and tag hold."""
    if len(data) < size + TAG_BYTES or data[0] != expected:
        raise MessageError("message: {} bytes, no {}".format(len(data), chr(expected)))
    body = data[:-TAG_BYTES]
    if not tagger.check(data[-TAG_BYTES:], nonce, body):
        raise MessageError("message {}: tag does not match".format(chr(expected)))
    return body


def _dump(value) -> bytes:
    """Return JSON in UTF-8, not in escapes: MicroPython writes it so, and joins no surrogates."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except TypeError:  # MicroPython knows no such option
        return json.dumps(value).encode()


def _json(body: bytes, at: int):
    try:
        return json.loads(bytes(body[at:]).decode())
    except (ValueError, UnicodeError):
        raise MessageError("message {}: not JSON".format(chr(body[0]))) from None


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
    head = struct.pack(_REQUEST, REQUEST, number, host, counter)
    return _seal(tagger, nonce, head + _dump([name, args]))


def request_number(data: bytes) -> int:
    """Return the id of a request or reply before its tag is checked."""
    if len(data) < 4 + TAG_BYTES:
        raise MessageError("message: {} bytes, at least 12 expected".format(len(data)))
    return data[1] | data[2] << 8


def request_name(data: bytes) -> str:
    """Return the name in a request before its tag is checked, to choose the nonce."""
    size = struct.calcsize(_REQUEST)
    if len(data) < size + TAG_BYTES or data[0] != REQUEST:
        raise MessageError("message: {} bytes, no request".format(len(data)))
    return str(_call(_json(data[:-TAG_BYTES], size))[0])


def _call(call: object) -> list[object]:
    if (
        not isinstance(call, list)
        or len(call) != 2
        or not isinstance(call[0], str)
        or not isinstance(call[1], dict)
    ):
        raise MessageError("request: JSON is not [name, args]")
    return call


def open_request(tagger: Tagger, nonce: bytes, data: bytes):
    """Return (number, host, counter, name, args); raise MessageError if anything is amiss."""
    size = struct.calcsize(_REQUEST)
    body = _open(data, REQUEST, size, tagger, nonce)
    _, number, host, counter = struct.unpack_from(_REQUEST, body)
    name, args = _call(_json(body, size))
    return number, host, counter, name, args


def reply(tagger: Tagger, nonce: bytes, number: int, ok: bool, result: object) -> bytes:
    """Return a reply; `ok` false says that `result` is {"error": text}."""
    head = struct.pack(_REPLY, REPLY, number, 1 if ok else 0)
    return _seal(tagger, nonce, head + _dump(result))


def open_reply(tagger: Tagger, nonce: bytes, data: bytes) -> tuple[int, bool, object]:
    """Return (number, ok, result); raise MessageError if anything is amiss."""
    size = struct.calcsize(_REPLY)
    body = _open(data, REPLY, size, tagger, nonce)
    _, number, ok = struct.unpack_from(_REPLY, body)
    return number, ok == 1, _json(body, size)

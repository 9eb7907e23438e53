"""Messages of the control plane: requests, replies, acknowledgements; each ends in an 8-byte tag.

    request   'q' | id u16 | host u32 | counter u32 | JSON [name, args]  | tag (command key, nonce)
    reply     'r' | id u16 | ok u8                  | JSON result        | tag (data key, nonce)
    ack       'a' | generation u8 | epoch u32 | seq u32                  | tag (ack key)
    refused   'x' | generation u8 | epoch u32 | seq u32                  | tag (ack key)

Little-endian. Tags cover device id, then the board's 8-byte nonce of this boot where named, then
the message. `hello` and its reply use an all-zero nonce, since the nonce is what the reply tells.
An ack is cumulative: every packet of the epoch up to and including seq is durable on the host. A
refusal names one packet that came intact over the link and fails its tag: the board is to skip it.

What is here a board loads for each request. It keeps `receipt`, which reads acks and refusals;
`message_host` has what the host alone does.

Ref: SPEC.md, section "Message".
"""

import json
import struct

from .compat import const
from .errors import MessageError
from .keys import TAG_BYTES, Tagger

REQUEST = const(0x71)
REPLY = const(0x72)
NONCE_BYTES = const(8)
NO_NONCE = bytes(NONCE_BYTES)
MAX_TO_BOARD_BYTES = const(1024)
MAX_TO_HOST_BYTES = const(4096)
REQUEST_LAYOUT = const("<BHII")
REPLY_LAYOUT = const("<BHB")
_UNESCAPED = {"ensure_ascii": False}


def seal(tagger: Tagger, nonce: bytes, body: bytes) -> bytes:
    """Return the body with its tag."""
    return body + tagger.tag(nonce, body)


def unseal(data: bytes, expected: int, size: int, tagger: Tagger, nonce: bytes) -> memoryview:
    """Return the body of a message whose type, length and tag hold."""
    if len(data) < size + TAG_BYTES or data[0] != expected:
        raise MessageError("message: {} bytes, no {}".format(len(data), chr(expected)))
    body = memoryview(data)[:-TAG_BYTES]
    if not tagger.check(data[-TAG_BYTES:], nonce, body):
        raise MessageError("message {}: tag does not match".format(chr(expected)))
    return body


def dumped(value: object) -> bytes:
    """Return JSON in UTF-8, not in escapes: MicroPython writes it so, and joins no surrogates."""
    try:
        return json.dumps(value, **_UNESCAPED).encode()
    except TypeError:  # MicroPython knows no such option
        return json.dumps(value).encode()


def parsed(body: bytes | memoryview, at: int):
    """Return what the JSON from body[at] on stands for; MessageError if it is none."""
    try:
        return json.loads(str(memoryview(body)[at:], "utf-8"))
    except (ValueError, UnicodeError):
        raise MessageError("message {}: not JSON".format(chr(body[0]))) from None


def request_number(data: bytes) -> int:
    """Return the id of a request or reply before its tag is checked."""
    if len(data) < 4 + TAG_BYTES:
        raise MessageError("message: {} bytes, at least 12 expected".format(len(data)))
    return data[1] | data[2] << 8


def request_name(data: bytes) -> str:
    """Return the name in a request before its tag is checked, to choose the nonce."""
    size = struct.calcsize(REQUEST_LAYOUT)
    if len(data) < size + TAG_BYTES or data[0] != REQUEST:
        raise MessageError("message: {} bytes, no request".format(len(data)))
    return str(call_of(parsed(data[:-TAG_BYTES], size))[0])


def call_of(call: object) -> list[object]:
    """Return [name, args] of a request's JSON if it is that, else raise MessageError."""
    if (
        not isinstance(call, list)
        or len(call) != 2
        or not isinstance(call[0], str)
        or not isinstance(call[1], dict)
    ):
        raise MessageError("request: JSON is not [name, args]")
    return call


def open_head(tagger: Tagger, nonce: bytes, data: bytes):
    """Return (number, host, counter) of a request whose tag holds; else raise MessageError."""
    body = unseal(data, REQUEST, struct.calcsize(REQUEST_LAYOUT), tagger, nonce)
    return struct.unpack_from(REQUEST_LAYOUT, body)[1:]


def open_request(tagger: Tagger, nonce: bytes, data: bytes):
    """Return (number, host, counter, name, args); raise MessageError if anything is amiss."""
    number, host, counter = open_head(tagger, nonce, data)
    name, args = call_of(parsed(data[:-TAG_BYTES], struct.calcsize(REQUEST_LAYOUT)))
    return number, host, counter, name, args


def reply(tagger: Tagger, nonce: bytes, number: int, ok: bool, result: object) -> bytes:
    """Return a reply; `ok` false says that `result` is {"error": text}."""
    head = struct.pack(REPLY_LAYOUT, REPLY, number, 1 if ok else 0)
    return seal(tagger, nonce, head + dumped(result))

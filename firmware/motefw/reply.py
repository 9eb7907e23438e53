"""The reply to a request, made in the pieces that a link sends.

A board that is short of heap has it in small holes: nothing here is larger than a piece, and
nothing is there twice.

Ref: SPEC.md, section "Message".
"""

import io
import json
import struct

from .compat import const
from .keys import TAG_BYTES
from .message import MAX_TO_HOST_BYTES, REPLY, REPLY_LAYOUT

_PIECE_BYTES = const(128)  # as links.serial sends them


class _Pieces(io.IOBase):
    """Takes what is written, and keeps it in pieces of one size."""

    def __init__(self):
        self._pieces = []
        self._size = 0

    def write(self, data):
        """Append bytes; return how many."""
        at = 0
        n = len(data)
        while at < n:
            begin = self._size % _PIECE_BYTES
            if not begin:
                self._pieces.append(bytearray(_PIECE_BYTES))
            k = min(n - at, _PIECE_BYTES - begin)
            self._pieces[-1][begin : begin + k] = data[at : at + k]
            at += k
            self._size += k
        return n

    def size(self):
        """Return the bytes written."""
        return self._size

    def whole(self):
        """Return the pieces, of which the last may be shorter."""
        last = self._size % _PIECE_BYTES or _PIECE_BYTES
        pieces = list(self._pieces)
        pieces[-1] = pieces[-1][:last]
        return pieces


def _put(body, value):
    """Append JSON, a value at a time: `json.dump` would write each character by itself."""
    if isinstance(value, dict):
        text = "{"
        for key in value:
            body.write((text + json.dumps(key) + ":").encode())
            _put(body, value[key])
            text = ","
        body.write(b"}" if value else b"{}")
    elif isinstance(value, (list, tuple)):
        text = b"["
        for each in value:
            body.write(text)
            _put(body, each)
            text = b","
        body.write(b"]" if value else b"[]")
    else:
        body.write(json.dumps(value).encode())


def reply(tagger, nonce, number, ok, result):
    """Return the pieces of a reply; `ok` false says that `result` is {"error": text}."""
    body = _Pieces()
    body.write(struct.pack(REPLY_LAYOUT, REPLY, number, 1 if ok else 0))
    _put(body, result)
    size = body.size() + TAG_BYTES
    if size > MAX_TO_HOST_BYTES:
        why = f"reply of {size} bytes, at most {MAX_TO_HOST_BYTES} possible"
        return reply(tagger, nonce, number, False, {"error": why})
    body.write(tagger.tag(nonce, *body.whole()))
    return body.whole()

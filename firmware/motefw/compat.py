"""The few names that CPython and MicroPython spell differently."""

import hashlib

try:
    from micropython import const

    _CLONES = False  # a hash that has begun cannot be copied there: each digest begins anew
except ImportError:
    from copy import copy as const  # mpy-cross folds the call; a constant's copy is itself

    _CLONES = True


_BLOCK_BYTES = const(64)
_INNER = const(0x36)
_OUTER = const(0x5C)


def _begun(key, pad):
    block = bytes(b ^ pad for b in key) + bytes((pad,)) * (_BLOCK_BYTES - len(key))
    return hashlib.sha256(block) if _CLONES else block


def _going_on(begun):
    return begun.copy() if _CLONES else hashlib.sha256(begun)


class Hmac:
    """HMAC-SHA256 with the padded keys kept (RFC 2104); keys of at most 64 bytes.

    MicroPython has no `hmac`; the host runs these lines too, and a test holds them
    against CPython's `hmac` and RFC 4231.
    """

    def __init__(self, key: bytes):
        if len(key) > _BLOCK_BYTES:
            raise ValueError("HMAC key of {} bytes, at most 64 expected".format(len(key)))
        self._inner = _begun(key, _INNER)
        self._outer = _begun(key, _OUTER)

    def digest(self, *parts: bytes | memoryview) -> bytes:
        """Return the 32-byte tag over the concatenated parts."""
        inner = _going_on(self._inner)
        for part in parts:
            inner.update(part)
        outer = _going_on(self._outer)
        outer.update(inner.digest())
        return outer.digest()


def same(a: bytes, b: bytes) -> bool:
    """Compare two tags in a time that does not tell where they differ."""
    if len(a) != len(b):
        return False
    return int.from_bytes(a, "little") ^ int.from_bytes(b, "little") == 0

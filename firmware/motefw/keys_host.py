"""Derivation of keys, on the host: see `keys` for the scheme.

Ref: SPEC.md, section "Keys".
"""

from .compat import Hmac
from .keys import KEY_BYTES


def purpose_root(root: bytes, purpose: bytes) -> bytes:
    """Return the 32-byte root of one purpose, from the fleet's 32-byte root key."""
    return Hmac(root).digest(purpose)


def device_key(root_of_purpose: bytes, device: bytes, generation: int) -> bytes:
    """Return the 32-byte key of a device (its id, bytes) in a generation (0: all zero)."""
    if not generation:
        return bytes(KEY_BYTES)
    return Hmac(root_of_purpose).digest(device, bytes((generation,)))

"""Keys: from a fleet's root to what one device tags with.

    purpose root = HMAC(root, purpose)
    key          = HMAC(purpose root, device id | generation)

A collector is given the roots of `data` and `ack` only, and so cannot command a board. Generation
0 is the all-zero key of a board that was never provisioned: its tags guard against rot, not
forgery.
"""

from .compat import Hmac, const, same

KEY_BYTES = const(32)
TAG_BYTES = const(8)
GENERATION_MAX = const(255)
DATA = b"data"
ACK = b"ack"
COMMAND = b"command"
PURPOSES = (DATA, ACK, COMMAND)


class Tagger:
    """Makes and checks the 8-byte tags of one device under one key."""

    def __init__(self, key: bytes, device: bytes):
        self._hmac = Hmac(key)
        self._device = device

    def tag(self, *parts: bytes | memoryview) -> bytes:
        """Return the first 8 bytes of HMAC-SHA256 over device id and parts."""
        return self._hmac.digest(self._device, *parts)[:TAG_BYTES]

    def check(self, tag: bytes, *parts: bytes | memoryview) -> bool:
        """Tell whether the tag belongs to the parts."""
        return same(self.tag(*parts), tag)


class Identity:
    """A device (its id, bytes), its key generation, and its tagger for each purpose."""

    def __init__(
        self, device: bytes, generation: int, data: Tagger, ack: Tagger, command: Tagger
    ) -> None:
        self.device = device
        self.generation = generation
        self.data = data
        self.ack = ack
        self.command = command

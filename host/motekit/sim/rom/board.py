"""What the supervisor said about this board, and what follows from it."""

import binascii

spec = {}


def unique_id():
    """Return the six bytes of the board's id."""
    return binascii.unhexlify(spec["device"])

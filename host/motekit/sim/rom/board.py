"""What the supervisor said about this board, and what follows from it."""

import binascii

spec = {}
reserve = None  # bytes set free while the supervisor is listened to, under memory pressure
mounted = True  # False: the file system is broken, and the start goes on no further
before_port = None  # before_port(): called before the firmware is handed its hardware
line = None  # the module of the line: `line`, or `stepped_line` in a World


def unique_id():
    """Return the six bytes of the board's id."""
    return binascii.unhexlify(spec["device"])

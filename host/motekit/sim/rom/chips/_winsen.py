"""Frames of Winsen's parts: nine bytes, the last one such that all but the first add up to 0."""


def frame(data):
    """Return a frame of at most eight bytes of data, zeros after their end."""
    data = bytes(data) + bytes(8 - len(data))
    return data + bytes((-sum(data[1:]) & 0xFF,))


def size(command):
    """Return the bytes of a command that begins so, 0 for none."""
    return 9 if bytes(command[:2]) == b"\xff\x01"[: len(command)] else 0


def sound(command):
    """Tell whether the checksum holds."""
    return not sum(command[1:]) & 0xFF

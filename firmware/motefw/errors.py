"""Errors of the board, and of the formats that board and host share; one root, `MoteError`."""


class MoteError(Exception):
    """What a wire, file, sensor or user got wrong: where, what was got, what was expected."""


class FrameError(MoteError):
    """Bytes on a serial line that are no frame."""


class PacketError(MoteError):
    """Bytes that are no packet, or no packet of a version known here."""


class MessageError(MoteError):
    """Bytes of the control plane that are no message, or one that was not meant for us."""


class ConfigError(MoteError):
    """A configuration that names something impossible or unknown."""


class SensorError(MoteError):
    """A sensor that is absent, is another part, or answers wrongly."""


def one_of(values):
    """Return "2, 4, 8, 16", or "0 to 600" for a range, for the end of a message."""
    if isinstance(values, range):
        return f"{values[0]} to {values[-1]}"
    return "one of " + ", ".join(map(str, values))

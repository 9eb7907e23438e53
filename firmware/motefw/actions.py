"""What a host can have done: time, a recording, reboot. Loaded for a request."""

from .compat import const
from .errors import MessageError

_QUALITY_HOST = const(3)
_UTC_MIN_US = 1_577_836_800_000_000  # 2020: a host whose clock is before that has none
_RECORD_MAX_S = const(86400)
_UTC_MAX_US = 4_102_444_800_000_000  # 2100


def _argument(args, name, low, high):
    """Return the integer argument of a command; MessageError if it is missing or out of range."""
    value = args.get(name)
    if type(value) is not int or not low <= value <= high:
        raise MessageError(f"{name}: {value!r}, a whole number from {low} to {high} expected")
    return value


def time_get(board, args):
    """Tell the time of this epoch, for a host that measures how long the answer takes."""
    return {"uptime_us": board.clock.now_us()}


def time_set(board, args):
    """Log what time it is, or was at `uptime_us` of this epoch: a request may come late."""
    now_us = board.clock.now_us()
    args.setdefault("uptime_us", now_us)
    utc_us = _argument(args, "utc_us", _UTC_MIN_US, _UTC_MAX_US)
    error_us = _argument(args, "error_us", 0, 0xFFFFFFFF)
    uptime_us = _argument(args, "uptime_us", 0, now_us)
    from .packet_anchor import encode_anchor

    board.recorder.write(encode_anchor, uptime_us, utc_us, _QUALITY_HOST, error_us)
    board.uplink.wake.set()
    return {}


def bus_record(board, args):
    """Boot again, and for so many seconds tell what goes over the buses; 0: end that."""
    for_s = _argument(args, "for_s", 0, _RECORD_MAX_S)
    from .files import RECORD_FILE, remove, write_json

    path = board.port.root + RECORD_FILE
    if for_s:
        write_json(path, {"for_s": for_s})
        board.stop("reboot")
    else:
        remove(path)
        if board.tap:
            board.tap.end()
    return {}


def reboot(board, args):
    """Boot again, once this reply and what the log holds are with the host, or after 10 s."""
    board.stop("reboot")
    return {}

"""The channel table of a stream: what makes units of its integers. Loaded when it is told."""

from . import drivers
from .errors import MessageError
from .options import channels_of


def table(stream):
    """Return the channel table of a stream: what makes units of its integers."""
    cls = stream.cls
    if getattr(cls, "HALF", False):
        cls = drivers.load(stream.sensor["driver"])
    values = {
        "id": stream.number,
        "stream": stream.number,
        "name": stream.name,
        "driver": stream.sensor["driver"],
        "channels": channels_of(cls, stream.sensor.get("options", {})),
    }
    period_us = stream.driver.period_us if stream.driver else 0
    if stream.period_ms:
        values["period_ms"] = stream.period_ms
    elif period_us:
        values["rate_hz"] = 1000000 / period_us if 1000000 % period_us else 1000000 // period_us
    return values


def schema(board, args):
    """Tell the channel table of a schema."""
    number = args.get("schema")
    for stream in board.streams:
        if stream.number == number:
            return {"schema": table(stream)}
    there = [stream.number for stream in board.streams]
    raise MessageError(f"schema: {number!r}, and this board has {len(there)} sensors: {there}")

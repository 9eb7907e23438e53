"""What a board tells of itself: who it is, what its sensors measure and how they are.

Loaded at boot and for a request, and let go of again.
"""

import gc
import sys

from . import __version__
from .options import channels_of
from .start import whole


def about(board):
    """Return who the board is, for `hello` and the boot note."""
    gc.collect()  # so that the figure means something
    version = sys.implementation.version
    values = {
        "device": board.identity.device.decode(),
        "board": board.settings["board"],
        "firmware": __version__,
        "micropython": ".".join(str(n) for n in version[:3]),
        "encoder": board.encoder,
        "reset": board.port.reset_cause(),
        "previous_seq": board.previous_seq,
        "generation": board.identity.generation,
        "epoch": board.epoch,
        "heap_free": board.port.heap(),
    }
    title = board.settings.get("name")
    if title:
        values["name"] = title
    return values


def schema(stream):
    """Return the channel table of a stream: what makes units of its integers."""
    table = {
        "id": stream.number,
        "stream": stream.number,
        "name": stream.name,
        "driver": stream.sensor["driver"],
        "channels": channels_of(whole(stream), stream.sensor.get("options", {})),
    }
    period_us = stream.driver.period_us if stream.driver else 0
    if stream.period_ms:
        table["period_ms"] = stream.period_ms
    elif period_us:
        table["rate_hz"] = 1000000 / period_us if 1000000 % period_us else 1000000 // period_us
    return table


def state(stream):
    """Return what `status` tells of a sensor."""
    return {
        "name": stream.name,
        "driver": stream.sensor["driver"],
        "state": stream.state,
        "errors": stream.errors,
        "last_error": stream.last_error,
        "samples": stream.samples,
        "gaps": stream.gaps,
        "lost": stream.lost,
        "bad": stream.driver.bad if stream.driver else 0,
    }

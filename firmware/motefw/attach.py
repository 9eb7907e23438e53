"""The sensors of a board, made and started one after the other at boot. Loaded for that alone."""

from time import ticks_add

from . import drivers, overlay
from .errors import MoteError
from .sampler import Stream


def attach(board):
    """Start each sensor of the settings, and log its table."""
    settings = board.settings
    for number, sensor in enumerate(settings.pop("sensors")):
        try:
            _add_stream(board, number, sensor, settings)
        except (MemoryError, MoteError) as error:
            board.config_error = f"{sensor['name']}: {type(error).__name__}: {error}"
            board.report(board.config_error)


def _add_stream(board, number, sensor, settings):
    """Start one sensor. No function of this module may stay with it: it would keep the module."""
    bus = sensor["bus"]
    spec = settings["buses"][bus]
    spec["name"] = bus
    cls = [drivers.load(sensor["driver"])]  # which the stream has alone, soon half of it
    stream = Stream(number, sensor, spec, cls.pop(), board.recorder, board, settings["packet"])
    board.streams.append(stream)
    wait_ms = stream.step()
    board.due_ms.append(ticks_add(board.ticks_ms(), wait_ms))
    board.recorder.note({"schema": overlay.call("schema", "table", stream)})

"""The sensors of a board, made and started one after the other at boot. Loaded for that alone.

One for which there is no room beside what requests need is left out and told of: a board answers
in any case, so that somebody can take a sensor out.
"""

import json
import os
import sys
from time import ticks_add

from . import drivers, overlay
from .compat import const
from .errors import MoteError
from .files import WIFI_FILE
from .sampler import NO_MEMORY, Stream

# In pieces of 128 bytes, see `relief.find`: what it takes to answer, and that more for each
# sensor of the configuration, which a request may have to look through, and with Wi-Fi.
_ANSWER = const(14)
_SENSOR = const(2)
_WIFI = const(8)


def attach(board):
    """Start each sensor of the settings that there is room for, and log its table."""
    settings = board.settings
    sensors = settings.pop("sensors")
    for row in board.left_out:
        _relieve("tell", board, *row)
    pieces = _ANSWER + _SENSOR * (len(sensors) + len(board.left_out))
    wifi = WIFI_FILE in os.listdir(board.port.root)
    overlay.kept[0] = pieces + (_WIFI if wifi else 0)
    for number in range(len(sensors)):
        sensor = json.loads(sensors.pop(0))
        before = list(sys.modules)
        why = NO_MEMORY
        try:
            if _add_stream(board, number, sensor, settings):
                continue
        except MemoryError:
            pass
        except MoteError as error:
            why = f"{type(error).__name__}: {error}"
        board.left_out.append((number, sensor["name"], sensor["driver"], why))
        _relieve("discard", before)
        _relieve("tell", board, *board.left_out[-1])
    overlay.kept[0] = pieces


def _relieve(function, *args):
    try:
        overlay.call("relief", function, *args)
    except MemoryError:
        pass  # `status` tells what is left out


def _add_stream(board, number, sensor, settings):
    """Start one sensor; tell whether there is room for it.

    No function of this module may stay with it: it would keep the module.
    """
    bus = sensor["bus"]
    spec = settings["buses"][bus]
    spec["name"] = bus
    cls = [drivers.load(sensor["driver"])]  # which the stream has alone, soon half of it
    stream = Stream(number, sensor, spec, cls.pop(), board.recorder, board, settings["packet"])
    wait_ms = stream.step()
    if stream.block is None and stream.state not in ("absent", "wrong", "failing"):
        return False  # not even room to say what is the matter, maybe
    try:
        overlay.insist(overlay.call, "relief", "find")
        board.recorder.note({"schema": overlay.call("schema", "table", stream)})
    except MemoryError:
        stream.stop()
        raise
    board.due_ms.append(ticks_add(board.ticks_ms(), wait_ms))
    board.streams.append(stream)
    return True

"""What happens once, at boot: identity, epoch, configuration, tasks. Loaded for that alone.

The epoch is on the flash before anything is sent under it; the log begins with a note on the boot,
then the table of each sensor, there or not: `attach` makes them, when this is let go of.
"""

import json
import os

import micropython

from . import drivers, overlay
from .app import Board, Task
from .clock import Clock
from .compat import const
from .errors import ConfigError
from .files import RECORD_FILE, TRIAL_FILE, WIFI_FILE, read_json
from .links.serial import SerialLink
from .log import PAGES_MAX, RamLog
from .recorder import Recorder
from .sampler import NO_MEMORY, Stream
from .uplink import Uplink

_STEP_MAX_US = const(32_000_000)  # more than the watchdog lets a program stand still, 30 s
_FIT = const(84)  # pieces
_REST_BYTES = const(14336)  # what every board needs beside the queue


def parts(board):
    """Give the board its identity, settings and recorder; return (log, clock, uplink, link)."""
    port = board.port
    overlay.learn()
    _end_trial(board)
    board.previous_epoch = _identify(board)
    board.settings = _settings(board)
    log = _queue(board)
    board.nonce = port.random(8)
    clock = Clock(port.ticks_us, port.ticks_diff, _STEP_MAX_US)
    board.encoder, kernel = overlay.call("packet_setup", "select_kernel")
    who = board.identity
    board.recorder = Recorder(log, who, board.epoch, clock, kernel)
    uplink = Uplink(log, who.ack, who.generation, board.epoch, port.ticks_ms, port.ticks_diff)
    link = SerialLink(port.serial, log, uplink, board, board.recorder.out)
    return log, clock, uplink, link


def _queue(board):
    """Return a log that is large; sensors, Wi-Fi and requests take of it what they need.

    It comes early, while the heap is in one piece, and gives it back in one.
    """
    log = RamLog()
    overlay.tidy()
    while len(log.pages) < PAGES_MAX and board.port.heap() > _REST_BYTES and log.grow():
        pass
    overlay.lend(log.shrink)
    return log


def begin(board):
    """Log the boot, and make what is to be there before the sensors."""
    _note(board, board.previous_epoch)
    _begin_recording(board)
    overlay.shed(Board, RamLog, Clock, Recorder, Uplink, SerialLink)


def finish(board):
    """Make the tasks."""
    link = board.link
    for name, job in (("sample", board.sample), ("read", link.read), ("send", link.send)):
        board.tasks.append(Task(name, job, board.ticks_ms))
    try:
        _begin_wifi(board)
    except MemoryError:
        overlay.call("relief", "part", board)
        _begin_wifi(board)
    overlay.shed(Board, RamLog, Clock, Recorder, Uplink, SerialLink, Stream, Task)


def _begin_recording(board):
    """Tap the buses if this boot is to be recorded; the next one is not."""
    try:
        asked = read_json(board.port.root + RECORD_FILE)
        if asked is not None:
            os.remove(board.port.root + RECORD_FILE)
            from .tap import Tap

            board.tap = Tap(board.clock, asked["for_s"])
    except (ConfigError, KeyError, OSError, TypeError) as error:
        board.report(f"no recording: {type(error).__name__}: {error}")


def _spare():
    overlay.call("relief", "find")


def _end_trial(board):
    """Carry out what a host has begun to change and power has cut off."""
    root = board.port.root
    if TRIAL_FILE in os.listdir(root):
        try:
            overlay.call("trial", "finish", root)
        except (ConfigError, KeyError, OSError, TypeError) as error:
            board.report(f"trial: {type(error).__name__}: {error}")


def _begin_wifi(board):
    """Join the networks of the board's file; without one nothing more is loaded.

    Ctrl-C may then be a byte of a packet that brings networks.
    """
    try:
        os.stat(board.port.root + WIFI_FILE)
    except OSError:
        micropython.kbd_intr(-1)
        return
    overlay.call("wlan", "begin", board)


def _identify(board):
    """Give the board its identity and epoch; return the epoch before."""
    port = board.port
    board.identity = overlay.call("identity", "load", port.unique_id(), port.root)
    board.epoch, previous, board.previous_seq = overlay.call(
        "identity", "next_epoch", port.root, port.random
    )
    return previous


def _note(board, previous_epoch):
    about = overlay.call("hello", "about", board)
    about["previous_epoch"] = previous_epoch
    del about["heap_free"]  # a few bytes more or less by chance, in what a run repeats otherwise
    board.recorder.note({"boot": about})
    board.report(
        f"{about['firmware']} device {about['device']} epoch {board.epoch} reset {about['reset']}"
    )


def _settings(board):
    """Return the configuration; a broken one leaves the board without sensors, not mute."""
    try:
        found = overlay.call("stored", "begin", board.port.root)
        settings = overlay.call("config", "check", found, None)
        sensors = settings["sensors"]
        overlay.kept[0] = _FIT
        count = overlay.call("fit", "fit", settings, drivers.load, _spare)
        while len(sensors) > count:
            sensor = sensors.pop()
            board.left_out.append((len(sensors), sensor["name"], sensor["driver"], NO_MEMORY))
        # As texts they take a third of the room, until each has its turn.
        settings["sensors"] = [json.dumps(sensor) for sensor in sensors]
        return settings
    except (ConfigError, MemoryError, OSError) as error:
        board.config_error = str(error)
        board.report(f"no sensors: {error}")
        return overlay.call("config", "check", {"board": "unknown"}, None)

"""What happens once, at boot: identity, epoch, configuration, tasks. Loaded for that alone.

The epoch is on the flash before anything is sent under it; the log begins with a note on the boot,
then the table of each sensor, there or not: `attach` makes them, when this is let go of.
"""

import os

import micropython

from . import drivers, overlay
from .app import Board, Task
from .clock import Clock
from .compat import const
from .errors import ConfigError
from .files import RECORD_FILE, TRIAL_FILE, WIFI_FILE, read_json
from .links.serial import SerialLink
from .log import RamLog
from .recorder import Recorder
from .sampler import Stream
from .uplink import Uplink

_QUEUE_BYTES = const(16384)
_QUEUE_MIN_BYTES = const(4096)  # three of the largest packets
_QUEUE_STEP_BYTES = const(1024)
# What else a board needs: to sample at all and to answer, for each sensor, in Wi-Fi, to record.
_REST_BYTES = const(12288)
_SENSOR_BYTES = const(2560)
_WIFI_BYTES = const(7680)
_RECORD_BYTES = const(6144)


def parts(board):
    """Give the board its identity, settings and recorder; return (clock, uplink, link)."""
    port = board.port
    overlay.learn()
    _end_trial(board)
    board.previous_epoch = _identify(board)
    board.settings = _settings(board)
    board.log = log = _queue(board)
    board.nonce = port.random(8)
    clock = Clock(port.ticks_us, port.ticks_diff)
    board.encoder, kernel = overlay.call("packet_setup", "select_kernel")
    who = board.identity
    board.recorder = Recorder(log, who, board.epoch, clock, kernel)
    uplink = Uplink(log, who.ack, who.generation, board.epoch, port.ticks_ms, port.ticks_diff)
    return clock, uplink, SerialLink(port.serial, log, uplink, board, board.recorder.out)


def _queue(board):
    """Return a log as large as the heap has room for beside all the rest."""
    files = os.listdir(board.port.root)
    rest = _REST_BYTES + _SENSOR_BYTES * len(board.settings["sensors"])
    rest += _WIFI_BYTES * (WIFI_FILE in files) + _RECORD_BYTES * (RECORD_FILE in files)
    overlay.tidy()
    size = min(board.port.heap() - rest, _QUEUE_BYTES) // _QUEUE_STEP_BYTES * _QUEUE_STEP_BYTES
    while size > _QUEUE_MIN_BYTES:
        try:
            return RamLog(size)
        except MemoryError:  # the heap has no piece of this size
            size -= _QUEUE_STEP_BYTES
    return RamLog(_QUEUE_MIN_BYTES)


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
    board.recorder.note({"boot": about})
    board.report(
        f"{about['firmware']} device {about['device']} epoch {board.epoch} reset {about['reset']}"
    )


def _settings(board):
    """Return the configuration; a broken one leaves the board without sensors, not mute."""
    try:
        found = overlay.call("stored", "begin", board.port.root)
        settings = overlay.call("config", "check", found, None)
        overlay.call("fit", "fit", settings, drivers.load)
        return settings
    except (ConfigError, OSError) as error:
        board.config_error = str(error)
        board.report(f"no sensors: {error}")
        return overlay.call("config", "check", {"board": "unknown"}, None)

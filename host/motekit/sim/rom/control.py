"""The control channel to the supervisor: lines of text out, single bytes in.

    board -> supervisor   run WHO | prompt | intr N | serial | alive | hello | beat NOW_MS
                          watchdog MS | reset {...} | fault KIND VALUE | left N | done N
    supervisor -> board   I  raise KeyboardInterrupt     .  a call is done

A call (run, prompt, intr, serial, alive, fault, i) waits for its `.`, so that what was printed
before it has been taken under the old rules. The end of the channel ends the board.
"""

import json
import sys

import uselect
from micropython import const

from . import clock

interruptible = False
_BOOT_MS = const(300)  # of an ESP32, from its reset to main.py
_pending = False  # Ctrl-C came before the program could take it
stream = None
fd = -1  # that the stream is on
_poller = uselect.poll()


def setup(number):
    """Open the channel on a file descriptor and let the clock listen to it."""
    global fd, stream
    fd = number
    stream = open(fd, "r+b")
    _poller.register(stream, uselect.POLLIN)
    clock.look = look
    clock.beat = beat


def die_with_parent():
    """Have this process end with the supervisor, whatever the program does."""
    # A program in a tight loop never sees the channel end: ask Linux for SIGKILL (prctl 1, 9).
    try:
        import ffi

        ffi.open(None).func("i", "prctl", "iLLLL")(1, 9, 0, 0, 0)
    except (ImportError, OSError):
        pass


def say(text):
    """Tell the supervisor one line."""
    stream.write(text + "\n")


def beat():
    """Tell the supervisor that the board is alive."""
    stream.write("beat {}\n".format(clock.now_ms()))


def call(text):
    """Tell the supervisor one line and wait until it has acted; Ctrl-C has to wait as well."""
    global interruptible
    before = interruptible
    interruptible = False
    clock.pause()
    stream.write(text + "\n")
    while _receive() != b".":
        pass
    clock.go_on()
    interruptible = before
    if before:
        interrupt()


def _receive():
    b = stream.read(1)
    if not b:
        sys.exit()
    if b == b"I":
        ask()
    return b


def interrupt():
    """Raise KeyboardInterrupt if one is due, with what lies behind it on the line."""
    global _pending, interruptible
    if _pending:
        before = interruptible
        interruptible = False
        call("i")
        interruptible = before
        _pending = False
        raise KeyboardInterrupt


def ask():
    """Raise KeyboardInterrupt as soon as the program can take it."""
    global _pending
    _pending = True
    if interruptible:
        interrupt()


def forget():
    """Let go of a Ctrl-C that came when the program had ended."""
    global _pending
    _pending = False


def receive():
    """Take one byte that waits; may raise KeyboardInterrupt."""
    _receive()


def look(ms):
    """Wait up to ms of real time for the supervisor, and do what it says."""
    for _ in _poller.ipoll(ms):
        _receive()


def halt():
    """Wait for the end: the supervisor ends this process."""
    global interruptible
    interruptible = False
    while True:
        _receive()


def reset(cause, then="main", off_ms=0, cursors=None):
    """Have the supervisor start this board anew after off_ms without power; never returns.

    In virtual time, which a real boot does not take by itself, that is _BOOT_MS at least: a board
    that resets itself again and again would start hundreds of times a second.
    """
    start_ms = clock.now_ms() + (max(off_ms, _BOOT_MS) if clock.virtual else off_ms)
    said = {"reset": cause, "then": then, "start_ms": start_ms, "off_ms": off_ms}
    if cursors is not None:
        said["cursors"] = cursors
    say("reset " + json.dumps(said))
    halt()

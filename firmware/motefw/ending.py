"""What becomes of the board after a Ctrl-C, and what it leaves behind when it ends."""

import asyncio
from time import ticks_add, ticks_diff

from . import overlay
from .compat import const
from .identity import end_epoch

_MEANT_MS = const(2000)  # a second Ctrl-C within this is no noise
_IMPROV = b"IMPROV\1"
_PACKET_BYTES = const(258)
_RESUME_MS = const(10)  # long enough for a measurement that was asked for


def resume(board):
    """Make all fit to run again after a Ctrl-C that was noise; False if somebody meant it."""
    now = board.ticks_ms()
    before, board.interrupted_ms = board.interrupted_ms, now
    asyncio.new_event_loop()
    if before is not None and 0 <= ticks_diff(now, before) < _MEANT_MS:
        return False
    if not board.link.noisy():
        if not _asked(board.link):
            return False
        board.interrupted_ms = before
    board.uplink.wake = asyncio.Event()  # the old one knows the tasks of a loop that is gone
    board.interrupts_ignored += 1
    for i in range(len(board.streams)):
        overlay.call("trouble", "resume", board.streams[i])
        board.due_ms[i] = ticks_add(now, _RESUME_MS)
    return True


def _asked(link):
    """Tell whether a client of Improv's asked a board that has Wi-Fi, and is not to be answered.

    All its packets go on with a Ctrl-C behind this; the rest of it is let go of.
    """
    seen = bytes(link.taken[: link.have])
    if seen[-1:] == b"\n":  # behind a packet before this one
        for want in _IMPROV:
            if link.serial.take() != want:
                return False
    elif _IMPROV not in seen[-len(_IMPROV) - 2 :]:  # with what `noisy` took to know
        return False
    link.have = 0
    for _ in range(_PACKET_BYTES):
        if link.serial.take() < 0:
            break
    return True


def leave(board):
    """Leave sensors quiet, and on the flash how far the numbering came."""
    for stream in board.streams:
        stream.stop()
    if board.log is None:
        return  # interrupted before it had one
    try:
        end_epoch(board.port.root, board.epoch, board.log.next_seq - 1)
    except OSError as error:
        board.report(f"epoch: {error}")  # the next one will not know how far this one came

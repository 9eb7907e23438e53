"""What becomes of the board after a Ctrl-C, and what it leaves behind when it ends."""

import asyncio
from time import ticks_add, ticks_diff

from . import overlay
from .compat import const
from .identity import end_epoch

_MEANT_MS = const(2000)  # a second Ctrl-C within this is no noise
_RESUME_MS = const(10)  # long enough for a measurement that was asked for


def resume(board):
    """Make all fit to run again after a Ctrl-C that was noise; False if somebody meant it."""
    now = board.ticks_ms()
    before, board.interrupted_ms = board.interrupted_ms, now
    asyncio.new_event_loop()
    if before is not None and 0 <= ticks_diff(now, before) < _MEANT_MS:
        return False
    board.uplink.wake = asyncio.Event()  # the old one knows the tasks of a loop that is gone
    if not board.link.noisy():
        return False
    board.interrupts_ignored += 1
    for i in range(len(board.streams)):
        overlay.call("trouble", "resume", board.streams[i])
        board.due_ms[i] = ticks_add(now, _RESUME_MS)
    return True


def leave(board):
    """Leave sensors quiet, and on the flash how far the numbering came."""
    for stream in board.streams:
        stream.stop()
    if board.epoch is None:
        return  # interrupted before it had one
    try:
        end_epoch(board.port.root, board.epoch, board.log.next_seq - 1)
    except OSError as error:
        board.report(f"epoch: {error}")  # the next one will not know how far this one came

"""What a board gives up in order to be reachable, and takes back: loaded for that alone."""

import sys

from . import overlay
from .compat import const
from .log import PAGES_MAX
from .sampler import NO_MEMORY

_PIECE_BYTES = const(128)  # of a reply, which is the most that is needed at a stretch
_PIECES = const(-16)  # that must be free beside those that requests need


def find(less=0):
    """Find room, or raise MemoryError: for all pieces that are kept, but for so many.

    They are taken and given back: what is free in holes that are smaller is of no use.
    """
    pieces: list[bytearray | None] = [None] * (overlay.kept[0] - less)
    try:
        for i in range(len(pieces)):
            pieces[i] = bytearray(_PIECE_BYTES)
    finally:
        for i in range(len(pieces)):  # something on the stack may still lead here
            pieces[i] = None


def part(board):
    """Let go of the last sensor, until the next boot; what it has sampled is logged, or told."""
    if board.streams:
        stream = board.streams.pop()
        board.due_ms.pop()
        row = stream.number, stream.name, stream.sensor["driver"], NO_MEMORY
        board.left_out.append(row)
        try:
            stream.close()  # which takes the least
        except MemoryError:
            pass  # it is counted, and told below
        stream.stop()
        stream.driver = stream.block = None  # so there is room for what is said
        stream.close()
        tell(board, *row)


def tell(board, number, name, driver, why):
    """Say of a sensor that it is left out, on the line and in the log: see `attach`."""
    del driver
    board.report(f"{name}: {NO_MEMORY} ({why})")
    note = {"stream": number, "name": name, "state": NO_MEMORY, "error": why}
    board.recorder.note({"sensor": note})


def grow(log):
    """Give the queue a page, unless that would soon be wanted back."""
    if len(log.pages) < PAGES_MAX and log.grow():
        try:
            find(_PIECES)
        except MemoryError:
            log.shrink()


def discard(before):
    """Let go of the modules that have come since `sys.modules` was as that list."""
    root = __name__.split(".")[0]
    for name in list(sys.modules):
        if name not in before and name.startswith(root) and name != __name__:
            package, _, last = name.rpartition(".")
            del sys.modules[name]
            delattr(sys.modules[package], last)
    overlay.tidy(overlay.ALL_BYTES)

"""What a board gives up in order to be reachable, and takes back: loaded for that alone."""

import sys

from . import overlay
from .compat import const
from .sampler import NO_MEMORY

_PIECES = const(-16)  # that must be free beside those that requests need


def part(board, stream):
    """Stop a sensor that was left out, and say what is lost of it."""
    stream.stop()
    stream.driver = stream.block = None  # so there is room for what is said
    stream.close()
    tell(board, *board.left_out[-1])


def tell(board, number, name, driver, why):
    """Say of a sensor that it is left out, on the line and in the log: see `attach`."""
    del driver
    board.report(f"{name}: {NO_MEMORY} ({why})")
    note = {"stream": number, "name": name, "state": NO_MEMORY, "error": why}
    board.recorder.note({"sensor": note})


def grow(log):
    """Give the queue a page, unless that would soon be wanted back."""
    if log.grow():
        try:
            overlay.spare(_PIECES)
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

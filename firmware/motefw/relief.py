"""What a board gives up in order to be reachable, and takes back: loaded for that alone."""

from . import overlay
from .compat import const
from .sampler import NO_MEMORY

_PIECES = const(-16)  # that must be free beside those that requests need


def tell(board, number, name, _driver, why):
    """Say of a sensor that it is left out, on the line and in the log: see `attach`."""
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

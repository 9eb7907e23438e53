"""What a board says of a sensor that it leaves out in order to be reachable: see `attach`."""

from .sampler import NO_MEMORY


def tell(board, number, name, _driver, why):
    """Say so on the line and in the log."""
    board.report(f"{name}: {NO_MEMORY} ({why})")
    note = {"stream": number, "name": name, "state": NO_MEMORY, "error": why}
    board.recorder.note({"sensor": note})

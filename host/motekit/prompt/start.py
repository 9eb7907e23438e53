"""Finds a MicroPython prompt that nobody uses, and starts the firmware from it.

A program that runs is never interrupted: Ctrl-D goes only to what answers a key with ">>> ",
Ctrl-C only to what answers a line end with "... ", as a prompt does in the middle of a statement.
"""

from collections.abc import Callable

from motekit.transports import Pipe

from .stopped import CONTINUED, CTRL_C, PROMPT

WAIT_S = 0.6
_CTRL_B, _CTRL_D = b"\x02", b"\x04"


def start_firmware(
    pipe: Pipe, wait: Callable[[Callable[[], bool], float], bool], before: Callable[[], None]
) -> bool:
    """Soft-reset from a prompt, which starts main.py; return False if there is no prompt.

    `wait(done, seconds)` moves the line until done() or so many seconds later. `before` is called
    at a prompt, before all that is in RAM goes; what it raises leaves the board there.
    """
    found = ""
    for keys in (b"\r\n", _CTRL_B, b"\r\n"):  # Ctrl-B leaves a raw prompt
        found = _answer(pipe, keys, wait)
        if found == PROMPT:
            break
    if found == CONTINUED:  # it took our greeting for the beginning of a statement
        found = _answer(pipe, CTRL_C, wait)
    if found != PROMPT:
        return False
    before()
    pipe.typed(_CTRL_B + _CTRL_D)
    return True


def _answer(pipe: Pipe, keys: bytes, wait: Callable[[Callable[[], bool], float], bool]) -> str:
    """Type; return the prompt that comes in answer, "" if none does."""
    before = pipe.stats.bytes_in
    pipe.typed(keys)

    def answered() -> bool:
        return pipe.stats.bytes_in > before and _last_line(pipe) in (PROMPT, CONTINUED)

    wait(answered, WAIT_S)
    return _last_line(pipe) if answered() else ""


def _last_line(pipe: Pipe) -> str:
    return pipe.tail().rpartition("\n")[2]

"""Many boards at once: a thread each, and an end in which each may put things in order."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

BOARDS_MAX = 64
_T = TypeVar("_T")
Stopped = Callable[[], bool]


def at_once(
    names: Sequence[str], work: Callable[[str, Stopped], _T], end_s: float, most: int = BOARDS_MAX
) -> list[_T]:
    """Call work(name, stopped) for all names at once, `most` at a time; return the results.

    `work` raises nothing that a board can cause; what it raises all the same is a fault of ours,
    and is raised once all others are done. After an interrupt, `stopped` says so, and `end_s` is
    waited for those that are not done; who does not end in that time is left behind.
    """
    results: dict[str, _T] = {}
    raised: list[BaseException] = []
    stop = threading.Event()
    room = threading.Semaphore(most)
    # not `join`, which takes a thread for ended once a Ctrl-C has interrupted it (CPython < 3.13)
    ended = {name: threading.Event() for name in names}

    def run(name: str) -> None:
        try:
            with room:
                results[name] = work(name, stop.is_set)
        finally:
            if fault := sys.exception():
                raised.append(fault)
            ended[name].set()

    try:
        for name in names:
            threading.Thread(target=run, args=(name,), daemon=True).start()
        for each in ended.values():
            each.wait()
    finally:
        stop.set()
        end = time.monotonic() + end_s
        for each in ended.values():
            each.wait(max(end - time.monotonic(), 0.0))
    if raised:
        raise raised[0]
    return [results[name] for name in names]

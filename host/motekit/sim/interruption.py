"""Ctrl-C at a program that may not take it: how long to wait, on a busy machine, too."""

import asyncio
from collections.abc import Callable

from motekit.sim.child import processor_s

_LOOK_S = 1.0
_RUNS_S = 0.25  # of a processor meanwhile, or the machine is too busy to tell
_LOOKS = 30


class Interruption:
    """Calls `force` once a program does not heed a Ctrl-C in a second in which it could run."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pid: int | None, force: Callable[[], None]
    ) -> None:
        """Begin to wait."""
        self._loop = loop
        self._pid = pid
        self._force = force
        self._used_s = processor_s(pid)[1]
        self._looks = 0
        self._timer = loop.call_later(_LOOK_S, self._look)

    def settle(self) -> None:
        """Wait no more."""
        self._timer.cancel()

    def _look(self) -> None:
        self._looks += 1
        wants, now_s = processor_s(self._pid)
        if self._looks < _LOOKS and wants and now_s - self._used_s < _RUNS_S:
            self._timer = self._loop.call_later(_LOOK_S, self._look)
        else:
            self._force()

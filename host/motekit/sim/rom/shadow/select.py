"""`select` of a virtual board: input is real, waiting for it passes the board's time."""

import uselect as _select
from rom import board as _board
from rom import clock as _clock
from rom import control as _control

POLLIN = _select.POLLIN
POLLOUT = _select.POLLOUT
POLLERR = _select.POLLERR
POLLHUP = _select.POLLHUP
_SKIPS = 15  # of the looks an event loop takes with tasks at hand


class poll:
    """As on a board; waiting passes the board's time."""

    def __init__(self):
        self._poll = _select.poll()
        self._poll.register(_control.stream, POLLIN)
        self._found = []
        self._skipped = 0

    def register(self, obj, mask=POLLIN | POLLOUT):
        """As on a board."""
        return self._poll.register(obj, mask)

    def unregister(self, obj):
        """As on a board."""
        return self._poll.unregister(obj)

    def modify(self, obj, mask):
        """As on a board."""
        return self._poll.modify(obj, mask)

    def _ready(self, ms):
        for pair in self._poll.ipoll(ms):
            if pair[0] is _control.stream:
                _control.receive()
            else:
                self._found.append((pair[0], pair[1]))
        return self._found

    def poll(self, timeout=-1):
        """As on a board."""
        if self._found:
            self._found = []
        if timeout:
            _clock.idle(timeout, self._ready)
        else:
            self._ready(0)
        return self._found

    def ipoll(self, timeout=-1, flags=0):
        """As on a board; an event loop that has tasks at hand looks only now and then."""
        if not timeout and self._skipped < _SKIPS:
            self._skipped += 1
            return ()
        self._skipped = 0
        return self.poll(timeout)


if _board.spec.get("lockstep"):
    from rom import lockstep as _lockstep

    poll = _lockstep.Poll

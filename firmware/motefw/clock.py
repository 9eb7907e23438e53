"""Monotonic time of an epoch, in two small integers so that reading it allocates nothing.

The ticks of a board wrap (ticks_us after 17.9 minutes on a 32-bit port), so they are accumulated:
the supervisor calls `tick` each second. No program lives for longer than the watchdog waits, 30 s,
without having fed it; so a greater step, forward or back, is a jump of the ticks and no time that
has passed. It counts for nothing. A shorter step forward cannot be told from a program that stood
still, and counts.
"""

from .compat import const

_SECOND_US = const(1_000_000)
_STEP_MAX_US = const(32_000_000)


class Clock:
    """`s` and `us` (0..999999) since the clock was made, as of the last `tick`."""

    def __init__(self, ticks_us, ticks_diff):
        self._ticks_us = ticks_us
        self._ticks_diff = ticks_diff
        self._last = ticks_us()
        self.s = 0
        self.us = 0

    def tick(self):
        """Take in the time that has passed."""
        now = self._ticks_us()
        passed = self._ticks_diff(now, self._last)
        us = self.us + (passed if 0 < passed < _STEP_MAX_US else 0)
        # No jump from here on, so that an interrupt finds all of it done or nothing.
        self._last = now
        self.s += us // _SECOND_US
        self.us = us % _SECOND_US

    def since_ms(self, s, us):
        """Return the milliseconds from (s, us) to the last tick; small below 12 days."""
        return (self.s - s) * 1000 + (self.us - us) // 1000

    def since_us(self, s, us):
        """Return the microseconds from (s, us) to the last tick; small below 17 minutes."""
        return (self.s - s) * _SECOND_US + self.us - us

    def now_us(self):
        """Return the time in microseconds, of any size."""
        self.tick()
        return self.s * _SECOND_US + self.us

"""Monotonic time of an epoch, in two small integers so that reading it allocates nothing.

The ticks of a board wrap (ticks_us after 17.9 minutes on a 32-bit port), so they are accumulated:
the supervisor calls `tick` each second. A step back, or forward by `step_max_us` and more, is a
jump of the ticks and no time that has passed. It counts for nothing. A shorter step forward cannot
be told from a program that stood still, and counts.

The limit is for who makes the clock to know: no program of a board lives for longer than its
watchdog waits without having fed it; a gateway has no watchdog, and may be stopped for days.
"""

from .compat import const

_SECOND_US = const(1_000_000)


class Clock:
    """`s` and `us` (0..999999) since the clock was made, as of the last `tick`."""

    def __init__(self, ticks_us, ticks_diff, step_max_us):
        self._ticks_us = ticks_us
        self._ticks_diff = ticks_diff
        self._step_max_us = step_max_us
        self._last = ticks_us()
        self.s = 0
        self.us = 0

    def tick(self):
        """Take in the time that has passed."""
        now = self._ticks_us()
        passed = self._ticks_diff(now, self._last)
        us = self.us + (passed if 0 < passed < self._step_max_us else 0)
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

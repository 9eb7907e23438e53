"""Puts a clock in the place of `time`: nothing passes but what a test or a sleep lets pass.

To be imported before what imports `time`.
"""

import sys
import time

_AHEAD_MS = 1_000_000


class Clock:
    """The calls of `time` that drivers use, and the models' clock."""

    now_us = 0
    mask = 0x3FFFFFFF

    def ticks_us(self):
        return self.now_us & self.mask

    def ticks_ms(self):
        return self.now_us // 1000 & self.mask

    def ticks_diff(self, a, b):
        half = self.mask // 2 + 1
        return ((a - b + half) & self.mask) - half

    def ticks_add(self, a, b):
        return (a + b) & self.mask

    def sleep_ms(self, ms):
        self.now_us += 1000 * ms

    def sleep_us(self, us):
        self.now_us += us

    def clock_us(self):
        return self.now_us


_real = time
clock = Clock()
for _name in ("ticks_us", "ticks_ms", "ticks_diff", "ticks_add", "sleep_ms", "sleep_us"):
    setattr(clock, _name, getattr(clock, _name))  # `from time import` takes no method
sys.modules["time"] = clock


def let_sleep(core):
    """Let asyncio's tasks sleep on this clock; `core` is asyncio.core.

    A task that is due at once is queued in C, at the real time: this clock counts as that does,
    and is ahead of it, or all would wait for as long as the machine is up.
    """
    clock.mask = _real.ticks_add(0, -1)
    clock.now_us = (_real.ticks_ms() + _AHEAD_MS) * 1000

    def wait(_queue, ms):
        if ms < 0:
            raise OSError("every task waits for another one")
        clock.sleep_ms(ms)

    core.ticks, core.ticks_add, core.ticks_diff = clock.ticks_ms, clock.ticks_add, clock.ticks_diff
    core.IOQueue.wait_io_event = wait

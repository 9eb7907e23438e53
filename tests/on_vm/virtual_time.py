"""Puts a clock in the place of `time`: nothing passes but what a test or a sleep lets pass.

To be imported before what imports `time`.
"""

import sys


class Clock:
    """The calls of `time` that drivers use, and the models' clock."""

    now_us = 0

    def ticks_us(self):
        return self.now_us & 0x3FFFFFFF

    def ticks_ms(self):
        return self.now_us // 1000 & 0x3FFFFFFF

    def ticks_diff(self, a, b):
        return ((a - b + 0x20000000) & 0x3FFFFFFF) - 0x20000000

    def ticks_add(self, a, b):
        return (a + b) & 0x3FFFFFFF

    def sleep_ms(self, ms):
        self.now_us += 1000 * ms

    def sleep_us(self, us):
        self.now_us += us

    def clock_us(self):
        return self.now_us


clock = Clock()
for _name in ("ticks_us", "ticks_ms", "ticks_diff", "ticks_add", "sleep_ms", "sleep_us"):
    setattr(clock, _name, getattr(clock, _name))  # `from time import` takes no method
sys.modules["time"] = clock


def let_sleep(core):
    """Let asyncio's tasks sleep on this clock; `core` is asyncio.core."""

    def wait(_queue, ms):
        if ms < 0:
            raise OSError("every task waits for another one")
        clock.sleep_ms(ms)

    core.ticks, core.ticks_add, core.ticks_diff = clock.ticks_ms, clock.ticks_add, clock.ticks_diff
    core.IOQueue.wait_io_event = wait

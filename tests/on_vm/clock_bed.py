"""The clock of a virtual board in real time, on a machine whose time and load are told."""

import sys

from virtual_time import clock as machine


class _Waits:
    """Stands for Linux's file: nanoseconds in which it ran and in which it waited, slices."""

    def __init__(self):
        self.waited_us = 0

    def seek(self, at):
        pass

    def read(self, n):
        return b"%d %d 7\n" % (5, self.waited_us * 1000)


sys.modules["utime"] = machine
clock = __import__("rom.clock", None, None, ("clock",))


def passes(steps):
    """Return the board's time in us after each step: (us that pass, of which it has waited)."""
    clock.setup(False, 0, 0)
    clock.waits = waits = _Waits()
    before_us = clock.now_us()
    times = []
    for us, waited_us in steps:
        machine.now_us += us
        waits.waited_us += waited_us
        times.append(clock.now_us() - before_us)
    return times

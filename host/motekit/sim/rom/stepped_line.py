"""The serial line of a board in step with its world; the same names as `line` has.

Output is charged what the line takes at its baud rate, beyond the 128 bytes of the ESP32's
transmit FIFO; input comes at its moment, into a ring of 260 bytes. What the program prints goes
to a file that the supervisor reads, frames go with their times in the report.
"""

import builtins

from micropython import const

from . import clock, lockstep

_FIFO_BYTES = const(128)
_IDLE_MS = const(60000)  # no line is busy for so long with what it was given

cut = False
_print = builtins.print


class _Text:
    """The line as the prompt writes to it."""

    def __init__(self):
        self._file = open(1, "wb")

    def write(self, data):
        """Write bytes or text."""
        self._file.write(data)
        lockstep.touch(0)


stdout = _Text()


def setup():
    """Have what is printed heard soon."""
    builtins.print = _say


def _say(*args, **options):
    _print(*args, **options)
    lockstep.touch(0)


class Serial:
    """The line as the firmware sees it: `readinto` is awaited, `write` blocks as on a board."""

    def __init__(self, baud):
        self._byte_us = 10000000 // baud  # start, eight data, stop
        self._free_us = clock.ticks_us()
        self._wrote_ms = clock.now_ms()
        self._met = False

    def readinto(self, buf):
        """Await input, to a Ctrl-C at most; return how many bytes were put into buf."""
        from asyncio import core

        while not lockstep.rx:
            yield core._io_queue.queue_read(lockstep.stdin)
        data = lockstep.take(lockstep.rx[: len(buf)].find(b"\3") + 1 or len(buf))
        buf[: len(data)] = data
        if not self._met and 0 in data:  # the end of a frame: no keystroke is zero
            self._met = True
            lockstep.note("hello")
        return len(data)

    def take(self):
        """Return the next byte, -1 if none has come."""
        data = lockstep.take(1)
        return data[0] if data else -1

    def write(self, buf):
        """Send all of buf; return once all but the FIFO's 128 bytes are on the line."""
        now = clock.ticks_us()
        idle = clock.now_ms() - self._wrote_ms > _IDLE_MS  # longer than ticks can be compared
        if idle or clock.ticks_diff(self._free_us, now) < 0:
            self._free_us = now
        self._wrote_ms = clock.now_ms()
        self._free_us = clock.ticks_add(self._free_us, len(buf) * self._byte_us)
        busy_us = clock.ticks_diff(self._free_us, now)
        lockstep.wrote(buf, busy_us // 1000)
        wait_us = busy_us - _FIFO_BYTES * self._byte_us
        if wait_us > 0:
            clock.sleep_us(wait_us)
        return len(buf)


def release():
    """Do nothing: time goes on at the prompt as elsewhere."""


def getc():
    """Wait for one byte at the prompt."""
    while not lockstep.rx:
        clock.idle(-1, lockstep.ready)
    return lockstep.take(1)[0]

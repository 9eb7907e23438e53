"""The serial line that the board's firmware shares with its prompt.

Output is charged what the line takes at its baud rate, beyond the 128 bytes of the ESP32's
transmit FIFO. Input comes through the supervisor, which models the 260 bytes of the board's ring.

Under a virtual clock the line decides when time stands still: until the first frame of a host;
after the last piece of a packet until the host answered or 2 s of real time passed; and when the
host has been silent for 8 s of the board's time (before the firmware gives it up after 10), until
it is back. While a fault cuts the line, nothing is held.
"""

import uselect
from micropython import const

from . import clock, control

_FIFO_BYTES = const(128)
_PACKET_HOLD_MS = const(2000)
_REPLY_HOLD_MS = const(300)
_SILENCE_MS = const(8000)

stdin = open(0, "rb")
stdout = open(1, "wb")
cut = False
_serving = False  # a program has the line
_started = False  # a host's first frame was seen
_hold_ms = 0
_heard_ms = 0


def setup():
    """Let the clock ask this line."""
    global _heard_ms
    _heard_ms = clock.now_ms
    clock.hold = hold
    clock.released = released


def hold():
    """Return how many real milliseconds virtual time has to wait for the host, -1 for ever."""
    if not _serving or cut:
        return 0
    if not _started:
        return -1
    if _hold_ms:
        return _hold_ms
    return -1 if clock.now_ms - _heard_ms > _SILENCE_MS else 0


def released():
    """Go on without a host that did not answer in time, until the next packet."""
    global _hold_ms
    _hold_ms = 0


def started():
    """Tell whether a host has ever spoken to the firmware."""
    return _started


def _payload_starts(frame):
    """Return the first four bytes of a COBS frame's payload, or None."""
    if len(frame) < 8 or frame[0]:
        return None
    head = bytearray(4)
    code = frame[1]
    for i in range(4):
        code -= 1
        if code:
            head[i] = frame[2 + i]
        else:
            code = frame[2 + i]
    return head


class Serial:
    """The line as the firmware sees it: `readinto` is awaited, `write` blocks as on a board."""

    def __init__(self, baud):
        global _serving
        self._byte_us = 10000000 // baud  # start, eight data, stop
        self._free_us = clock.ticks_us()
        _serving = True
        control.call("serial")

    def readinto(self, buf):
        """Await input; return how many bytes were put into buf, at least 1."""
        global _started, _hold_ms, _heard_ms
        from asyncio import core

        while True:
            n = stdin.readinto(buf)
            if n:
                break
            if n is not None:
                control.halt()
            yield core._io_queue.queue_read(stdin)
        _heard_ms = clock.now_ms
        _hold_ms = 0
        for i in range(n):
            if _started:
                break
            if not buf[i]:  # the end of a frame: no keystroke is zero
                _started = True
                control.say("hello")
        return n

    def write(self, buf):
        """Send all of buf; return once all but the FIFO's 128 bytes are on the line."""
        global _hold_ms
        if clock.virtual and _started:
            head = _payload_starts(buf)
            if head and head[2] == head[3] and head[0] in b"PM":
                _hold_ms = _PACKET_HOLD_MS if head[0] == 0x50 else _REPLY_HOLD_MS
        stdout.write(buf)
        now = clock.ticks_us()
        if clock.ticks_diff(self._free_us, now) < 0:
            self._free_us = now
        self._free_us = clock.ticks_add(self._free_us, len(buf) * self._byte_us)
        wait_us = clock.ticks_diff(self._free_us, now) - _FIFO_BYTES * self._byte_us
        if wait_us > 0:
            clock.sleep_us(wait_us)
        return len(buf)


def release():
    """Note that the program that had the line has ended: at the prompt time is not held."""
    global _serving, _hold_ms
    _serving = False
    _hold_ms = 0


def getc():
    """Wait in real time for one byte at the prompt; events and the supervisor are looked after."""
    while True:
        b = stdin.read(1)
        if b:
            return b[0]
        if b is not None:
            control.halt()
        _wait()


def _wait():
    p = uselect.poll()
    p.register(stdin, uselect.POLLIN)
    p.register(control.stream, uselect.POLLIN)
    clock.now_us()
    for pair in p.ipoll(1000):
        if pair[0] is not stdin:
            control.receive()
    clock.alive()
    clock.ticks_ms()

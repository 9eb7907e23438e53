"""What parts on a UART have in common: frames among whatever else is on the line.

A window over the bytes moves on by one until a frame's size and checksum hold, so garbage costs no
frame that came whole. A subclass says `size(have)`, the bytes that a frame which begins like the
`have` bytes in `frame` must have before more can be said (0: none begins so), `sound(size)`, whether
the checksum holds, and `values(block, i)`, which writes a sample and tells whether it is one.

    streaming    `pending` finds the next frame for which `is_sample` holds, `drain` takes it
    polled       `measure` sends `REQUEST`, `read` takes the newest reply

Until `warmup_s` after the start samples are made, so that the part is seen to be alive, but marked
invalid.
"""

import time

from .compat import const
from .driver import Driver

_READS = const(16)  # at most, in one go
_CHUNK_BYTES = const(32)
_SILENCE_S = const(10)


class UartPart(Driver):
    """A driver of frames; a polled part's class sets `REQUEST` and `REPLY_MS`."""

    BUS = "uart"
    LONGEST = 32  # bytes of a frame
    REQUEST = b""
    REPLY_MS = 100

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self.frame = bytearray(self.LONGEST)
        self._chunk = bytearray(_CHUNK_BYTES)
        self._warmup_ms = 0  # since the start, until it has passed
        self._began_ms = self._heard_ms = 0
        self._forget()

    def begin(self, period_s, warmup_s=0):
        """Forget what came and begin to warm up; for `configure`."""
        self._forget()
        self._warmup_ms = 1000 * warmup_s
        self.period_us = 1000000 * period_s
        self._began_ms = self._heard_ms = time.ticks_ms()

    def pending(self):
        """Take what the line brought; return 1 when a sample waits.

        SensorError when there has been none for a period and 10 s more.
        """
        if self._ready or self._find():
            self._ready = True
            return 1
        now = time.ticks_ms()
        self._warm(now)  # looks often enough for the ticks not to wrap
        silent_ms = self.period_us // 1000 + 1000 * _SILENCE_S
        if time.ticks_diff(now, self._heard_ms) > silent_ms:
            self._heard_ms = now
            raise self.error(f"no frame for {_SILENCE_S} s (5 V supply, wiring, 9600 baud?)")
        return 0

    def drain(self, block, _n):
        """Append the sample that waits."""
        self._ready = False  # an interrupt from here on loses it rather than doubles it
        self._append(block)

    def measure(self):
        """Drop what is on the line and ask; return the milliseconds until the reply is there."""
        for _ in range(_READS):
            if not self.bus.any():
                break
            self.bus.readinto(self._chunk)
        self._forget()
        self.bus.write(self.REQUEST)
        return self.REPLY_MS

    def read(self, block):
        """Append the sample of the reply; nothing is appended when it raises."""
        bad = self.bad
        if not self._find():
            what = "no reply (5 V supply, wiring, 9600 baud?)"
            raise self.error(what if bad == self.bad else "checksum of its reply is wrong")
        self._append(block)

    def is_sample(self):
        """Tell whether the frame is one, rather than the answer to a command."""
        return True

    def _append(self, block):
        self._heard_ms = time.ticks_ms()
        i = block.count
        warm = self._warm(self._heard_ms)
        if not self.values(block, i) or not warm:
            for c in range(len(block.columns)):
                block.mark_invalid(c, i)
        block.count = i + 1

    def _warm(self, now):
        if self._warmup_ms and time.ticks_diff(now, self._began_ms) >= self._warmup_ms:
            self._warmup_ms = 0
        return not self._warmup_ms

    def _forget(self):
        self._at = self._got = 0  # of the chunk
        self._have = self._used = 0  # bytes in the window, and of the frame that was found there
        self._want = 1  # bytes that must be there before it is looked at again
        self._ready = False  # the frame that was found is a sample that waits

    def _find(self):
        """Look for the next sample's frame, which then stands in `frame`."""
        self._drop(self._used)
        self._used = reads = 0
        while not self._judge():
            while self._have < self._want:
                if self._at < self._got:
                    self.frame[self._have] = self._chunk[self._at]
                    self._have += 1
                    self._at += 1
                elif reads < _READS and self.bus.any():
                    self._got = self.bus.readinto(self._chunk) or 0
                    self._at = 0
                    reads += 1
                else:
                    return False
        return True

    def _judge(self):
        """Tell whether a sample begins the window; drop what can begin no frame."""
        while self._have:
            size = self.size(self._have)
            if size > self._have:
                self._want = size
                return False
            step = 1
            if size and not self.sound(size):
                self.bad += 1
            elif size:
                if self.is_sample():
                    self._used = size
                    return True
                step = size
            self._drop(step)
        self._want = 1
        return False

    def _drop(self, n):
        """Move the window on by n bytes."""
        self._have -= n
        for i in range(self._have if n else 0):
            self.frame[i] = self.frame[n + i]

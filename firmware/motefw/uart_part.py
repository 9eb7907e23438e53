"""What parts on a UART have in common: frames among whatever else is on the line.

A window over the bytes moves on by one until a frame's size and checksum hold, so garbage costs no
frame that came whole. A subclass says what `frame` holds: `size`, `sound`, `is_sample`, `values`.
Until the warm-up has passed samples are made, so that the part is seen to be alive, but marked
invalid.
"""

import time

from .compat import const
from .driver import Driver

_HEAD_BYTES = const(4)
_LONGEST = const(40)  # bytes of a frame
_READS = const(256)  # at most, in one go
_SILENCE_S = const(10)


class UartPart(Driver):
    """Streams the samples of frames that come when the part likes."""

    BUS = "uart"
    STREAMING = True
    TIMED = True

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self.frame = bytearray(_LONGEST)
        self.chunk = bytearray(_LONGEST)
        self.begin(1)

    def begin(self, period_s, warmup_s=0):
        """Forget what came and begin to warm up; for `configure`."""
        self.have = 0  # bytes in the window
        self.used = 0  # bytes there of a frame that is a sample and waits
        self.heard_ms = time.ticks_ms()
        self.warm_ms = time.ticks_add(self.heard_ms, 1000 * warmup_s)  # None: warm
        self.period_us = 1000000 * period_s

    def pending(self):
        """Take what the line brought; return 1 when a sample waits.

        SensorError when there has been none for a period and 10 s more.
        """
        if self.used or self.find():
            return 1
        now = time.ticks_ms()
        if time.ticks_diff(now, self.heard_ms) > self.period_us // 1000 + 1000 * _SILENCE_S:
            self.heard_ms = now
            raise self.error(f"no frame for {_SILENCE_S} s (5 V supply, wiring, 9600 baud?)")
        return 0

    def drain(self, block, _n):
        """Append the sample that waits."""
        i = block.count
        valid = self.values(block, i)
        self.heard_ms = time.ticks_ms()
        if self.warm_ms is not None:
            if time.ticks_diff(self.warm_ms, self.heard_ms) > 0:
                valid = False
            else:
                self.warm_ms = None
        for c in range(0 if valid else len(block.columns)):
            block.mark_invalid(c, i)
        self.drop(self.used)  # first: an interrupt loses the sample rather than doubles it
        block.count = i + 1

    def size(self):
        """Return the bytes of a frame that begins with these four; 0: none does."""
        return 0

    def sound(self, _size):
        """Tell whether the checksum holds."""
        return False

    def is_sample(self):
        """Tell whether the frame is more than the answer to a command."""
        return True

    def values(self, _block, _i):
        """Write sample i of a block; tell whether it is a measurement."""
        return False

    def find(self):
        """Look for the next sample's frame; return whether one begins the window now."""
        reads = 0
        while True:
            have = self.have
            size = _HEAD_BYTES if have < _HEAD_BYTES else self.size()
            if size > have:
                if reads == _READS or not self.bus.any():
                    return False
                reads += 1
                got = self.bus.readinto(self.chunk, size - have) or 0
                for i in range(got):
                    self.frame[have + i] = self.chunk[i]
                self.have += got
            elif size and self.sound(size):
                if self.is_sample():
                    self.used = size
                    return True
                self.drop(size)
            else:
                if size:
                    self.bad += 1
                self.drop(1)

    def drop(self, n):
        """Move the window on by n bytes."""
        self.used = 0
        self.have -= n
        for i in range(self.have):
            self.frame[i] = self.frame[n + i]

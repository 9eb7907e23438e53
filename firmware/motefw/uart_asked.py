"""Parts on a UART that speak when they are asked."""

from .compat import const
from .uart_part import UartPart

_READS = const(16)


class UartAsked(UartPart):
    """Measures when asked: `REQUEST` goes out, `REPLY_MS` later the reply is there."""

    STREAMING = False
    TIMED = False
    REQUEST = b""
    REPLY_MS = 100

    def measure(self):
        """Drop what is on the line and ask; return the milliseconds until the reply is there."""
        for _ in range(_READS):
            if not self.bus.any():
                break
            self.bus.readinto(self.chunk)
        self.have = self.used = 0
        self.bus.write(self.REQUEST)
        return self.REPLY_MS

    def read(self, block):
        """Append the sample of the reply; nothing is appended when it raises."""
        bad = self.bad
        if not self.find():
            what = "no reply (5 V supply, wiring, 9600 baud?)"
            raise self.error(what if bad == self.bad else "checksum of its reply is wrong")
        self.drain(block, 1)

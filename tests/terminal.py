"""A user at a board's serial port."""

import os
import select
import time


class Terminal:
    """Types at a port and waits for what is shown; a failure tells what was shown instead.

    Opens the port as it is: what a board printed before is still there.
    """

    def __init__(self, port):
        self.fd = os.open(port, os.O_RDWR | os.O_NOCTTY)
        self.shown = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def type(self, keys):
        """Forget what was shown so far, and type."""
        self.shown = b""
        os.write(self.fd, keys)
        return self

    def see(self, what, wait_s=90.0):
        """Wait until `what` is shown; return everything shown since the last keystroke."""
        end = time.monotonic() + wait_s
        while what not in self.shown:
            if select.select([self.fd], [], [], 0.1)[0]:
                self.shown += os.read(self.fd, 4096)
            assert time.monotonic() < end, f"{what!r} not in {self.shown!r}"
        return self.shown

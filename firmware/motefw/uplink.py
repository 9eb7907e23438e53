"""What goes to the host next, and what the host's receipts let go of.

The log is the queue: at most `WINDOW` packets from its tail are under way. An ack moves the tail;
what is not acked in time goes again, from the tail; when the host says hello all starts from the
tail. A link asks `due`, sends, and says `sent`.

Ref: SPEC.md, section "Queue".
"""

import asyncio

from .compat import const
from .receipt import ACK, open_receipt

WINDOW = const(4)
ALIVE_MS = const(10000)
RESEND_MS = const(3000)
_QUIET_MS = const(1000)


class Uplink:
    """Window, receipts and the host's liveness; `ticks_ms` is the time of the line."""

    def __init__(self, log, tagger, generation, epoch, ticks_ms, ticks_diff):
        self._log = log
        self._tagger = tagger
        self._generation = generation
        self._epoch = epoch
        self._ticks_ms = ticks_ms
        self._ticks_diff = ticks_diff
        self._next = 0  # sent next, this time round
        self._moved_ms = ticks_ms()  # when a packet was last sent or acked
        self._heard_ms = 0
        self._refused = []
        self.session = 0  # how often a host said hello
        self.alive = False
        self.sent_seq = 0  # all below this were sent at least once
        self.skipped = 0
        self.ignored = 0
        self.resent = 0
        self.wake = asyncio.Event()

    def hello(self):
        """Note that a host is there, and remembers nothing of what was sent before."""
        self.session += 1
        self.alive = True
        self._heard_ms = self._ticks_ms()
        self._next = self._log.tail_seq
        self.wake.set()

    def heard(self):
        """Note that an intact frame came from the host."""
        self._heard_ms = self._ticks_ms()
        if self.session:
            self.alive = True
        self.wake.set()

    def due(self):
        """Return the seq of the packet to send now, -1 if there is none."""
        log = self._log
        if not self.alive:
            return -1
        self._next = max(self._next, log.tail_seq)
        while self._next in self._refused:
            self._next += 1
        if self._next >= log.next_seq or self._next >= log.tail_seq + WINDOW:
            return -1
        return self._next

    def sent(self, seq):
        """Note that the link has sent a packet to its end."""
        self._moved_ms = self._ticks_ms()
        if seq == self._next:
            self._next += 1
        if seq < self.sent_seq:
            self.resent += 1
        else:
            self.sent_seq = seq + 1

    def find(self, number):
        """Return the seq in the window whose low byte is `number`, -1 if none is."""
        seq = self._log.tail_seq
        seq += (number - seq) & 0xFF
        return seq if seq < min(self._log.tail_seq + WINDOW, self.sent_seq) else -1

    def tick(self):
        """Do what time makes due; called about each second."""
        now = self._ticks_ms()
        if self.alive and self._ticks_diff(now, self._heard_ms) > ALIVE_MS:
            self.alive = False
        if self.alive and self._quiet(now, RESEND_MS):
            self._again(now)
        if self.due() >= 0:
            self.wake.set()

    def _quiet(self, now, quiet_ms):
        """Tell whether packets are under way of which nothing was heard for so long."""
        under_way = self._next > self._log.tail_seq
        return under_way and self._ticks_diff(now, self._moved_ms) >= quiet_ms

    def _again(self, now):
        self._next = self._log.tail_seq
        self._moved_ms = now

    def receipt(self, data):
        """Take an ack or a refusal; MessageError if it is none, or its tag does not match."""
        what, generation, epoch, seq = open_receipt(self._tagger, data)
        if generation != self._generation or epoch != self._epoch or seq >= self.sent_seq:
            self.ignored += 1
            return
        now = self._ticks_ms()
        if seq < self._log.tail_seq:
            # An idle host says its last word again: what is under way has not reached it.
            if what == ACK and self._quiet(now, _QUIET_MS):
                self._again(now)
        elif what == ACK:
            self._log.ack(seq)
            self._moved_ms = now
        elif seq not in self._refused and len(self._refused) < WINDOW:
            self._refused.append(seq)
            self.skipped += 1
        self._skip()
        self.wake.set()

    def _skip(self):
        """Let go of refused packets that the tail has reached."""
        tail = self._log.tail_seq
        while tail in self._refused:
            self._log.ack(tail)
            tail = self._log.tail_seq
        self._refused = [seq for seq in self._refused if seq > tail]

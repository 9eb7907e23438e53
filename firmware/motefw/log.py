"""The queue of packets: a ring in RAM, of one size from the start, with the flash log's interface.

A record is a packet; records have consecutive sequence numbers. `append` adds one, `size` and
`peek` read any that is held, `ack` lets go of all up to one. When there is no room the oldest
goes, counted.

A KeyboardInterrupt comes at a jump or within a call that waits: there is neither between the
assignments that belong together, so that a record is there whole or not at all.

Layout: length u16, little-endian, then the packet; both may run over the end of the ring.
"""

from .compat import const
from .errors import PacketError

_HEAD_BYTES = const(2)


class RamLog:
    """Holds the packets `tail_seq` to `next_seq - 1` of this epoch."""

    def __init__(self, size_bytes):
        self.ring = bytearray(size_bytes)
        self._view = memoryview(self.ring)
        self.tail = 0
        self.used_bytes = 0
        self.next_seq = 0
        self.tail_seq = 0
        self.dropped = 0

    @property
    def size_bytes(self):
        """Bytes that the ring can hold, lengths included."""
        return len(self.ring)

    def append(self, data, n):
        """Add the packet data[:n], letting the oldest go if need be; return its seq."""
        if not 0 < n <= len(self.ring) - _HEAD_BYTES:
            raise PacketError(f"log: packet of {n} bytes, 1 to {len(self.ring) - 2} expected")
        while len(self.ring) - self.used_bytes < n + _HEAD_BYTES:
            self._drop()
            self.dropped += 1
        ring = self.ring
        at = (self.tail + self.used_bytes) % len(ring)
        ring[at] = n & 0xFF
        ring[(at + 1) % len(ring)] = n >> 8
        at = (at + _HEAD_BYTES) % len(ring)
        first = min(n, len(ring) - at)
        data = memoryview(data)
        self._view[at : at + first] = data[:first]
        self._view[: n - first] = data[first:n]
        self.used_bytes += n + _HEAD_BYTES
        self.next_seq += 1
        return self.next_seq - 1

    def _length(self, at):
        return self.ring[at] | self.ring[(at + 1) % len(self.ring)] << 8

    def _drop(self):
        taken = self._length(self.tail) + _HEAD_BYTES
        self.tail = (self.tail + taken) % len(self.ring)
        self.used_bytes -= taken
        self.tail_seq += 1

    def _find(self, seq):
        """Return where the record begins, -1 if it is not held."""
        if not self.tail_seq <= seq < self.next_seq:
            return -1
        at = self.tail
        for _ in range(seq - self.tail_seq):
            at = (at + self._length(at) + _HEAD_BYTES) % len(self.ring)
        return at

    def size(self, seq):
        """Return the length of a packet in bytes, 0 if it is not held."""
        at = self._find(seq)
        return self._length(at) if at >= 0 else 0

    def peek(self, seq, offset, out, to, n):
        """Copy up to n bytes of a packet, from `offset`, to out[to:]; return how many."""
        at = self._find(seq)
        if at < 0:
            return 0
        n = min(n, self._length(at) - offset)
        if n <= 0:
            return 0
        at = (at + _HEAD_BYTES + offset) % len(self.ring)
        first = min(n, len(self.ring) - at)
        out = memoryview(out)
        out[to : to + first] = self._view[at : at + first]
        out[to + first : to + n] = self._view[: n - first]
        return n

    def ack(self, seq):
        """Let go of all packets up to and including seq; return how many those were."""
        count = 0
        while self.tail_seq <= seq and self.used_bytes:
            self._drop()
            count += 1
        return count

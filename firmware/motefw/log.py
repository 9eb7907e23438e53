"""The queue of packets: a ring in RAM, made of pages, with the flash log's interface.

A record is a packet; records have consecutive sequence numbers. `append` adds one, `size` and
`peek` read any that is held, `ack` lets go of all up to one. When there is no room the oldest
goes, counted. A board that is short of heap gives up pages (`shrink`) for what it needs more, and
takes others when there is room again (`grow`).

A KeyboardInterrupt comes at a jump or within a call that waits: there is neither between the
assignments that belong together, so that a record is there whole or not at all.

Layout: length u16, little-endian, then the packet; both may run over the end of a page, and that
of the last page into the first.
"""

from .compat import const
from .errors import PacketError

PAGE_BYTES = const(1024)
PAGES_MIN = const(4)  # hold three of the largest packets
PAGES_MAX = const(16)
_HEAD_BYTES = const(2)


class RamLog:
    """Holds the packets `tail_seq` to `next_seq - 1` of this epoch."""

    def __init__(self, pages=PAGES_MIN, page_bytes=PAGE_BYTES):
        self.pages = [memoryview(bytearray(page_bytes)) for _ in range(pages)]
        self._page_bytes = page_bytes
        self.size_bytes = pages * page_bytes  # that the ring can hold, lengths included
        self.tail = 0
        self.used_bytes = 0
        self.next_seq = 0
        self.tail_seq = 0
        self.dropped = 0

    def grow(self):
        """Take another page where it parts no packet; False if there is no room, or no such place.

        It is put behind the last page, or between the end and the beginning of what is held.
        """
        page_bytes = self._page_bytes
        if not self.used_bytes:
            self.tail = 0
        tail = self.tail
        at = len(self.pages)
        end = tail + self.used_bytes - self.size_bytes
        if end > 0:  # it goes on at the beginning
            at = (end + page_bytes - 1) // page_bytes
            if at * page_bytes > tail:
                return False
            tail += page_bytes
        try:
            self.pages.insert(at, memoryview(bytearray(page_bytes)))
        except MemoryError:
            return False
        self.size_bytes += page_bytes
        self.tail = tail
        return True

    def shrink(self):
        """Give up the last page, if it is empty and not one of the fewest; tell whether it was."""
        size = self.size_bytes - self._page_bytes
        if not self.used_bytes:
            self.tail = 0
        if self.tail + self.used_bytes > size or len(self.pages) <= PAGES_MIN:
            return False
        self.size_bytes = size
        self.pages.pop()
        return True

    def append(self, data, n):
        """Add the packet data[:n], letting the oldest go if need be; return its seq."""
        size = self.size_bytes
        if not 0 < n <= size - _HEAD_BYTES:
            raise PacketError(f"log: packet of {n} bytes, 1 to {size - 2} expected")
        while size - self.used_bytes < n + _HEAD_BYTES:
            self._drop()
            self.dropped += 1
        at = self.tail + self.used_bytes
        self._put(at, n & 0xFF)
        self._put(at + 1, n >> 8)
        self._copy(at + _HEAD_BYTES, memoryview(data), 0, n, True)
        self.used_bytes += n + _HEAD_BYTES
        self.next_seq += 1
        return self.next_seq - 1

    def _put(self, at, byte):
        at %= self.size_bytes
        self.pages[at // self._page_bytes][at % self._page_bytes] = byte

    def _length(self, at):
        page_bytes = self._page_bytes
        low = self.pages[at // page_bytes][at % page_bytes]
        at = (at + 1) % self.size_bytes
        return low | self.pages[at // page_bytes][at % page_bytes] << 8

    def _copy(self, at, data, begin, n, inward):
        """Copy n bytes of data[begin:] to the ring, from `at` on, or from there to data."""
        page_bytes = self._page_bytes
        while n > 0:
            at %= self.size_bytes
            page = self.pages[at // page_bytes]
            i = at % page_bytes
            some = min(n, page_bytes - i)
            if inward:
                page[i : i + some] = data[begin : begin + some]
            else:
                data[begin : begin + some] = page[i : i + some]
            at += some
            begin += some
            n -= some

    def _drop(self):
        taken = self._length(self.tail) + _HEAD_BYTES
        self.tail = (self.tail + taken) % self.size_bytes
        self.used_bytes -= taken
        self.tail_seq += 1

    def _find(self, seq):
        """Return where the record begins, -1 if it is not held."""
        if not self.tail_seq <= seq < self.next_seq:
            return -1
        at = self.tail
        for _ in range(seq - self.tail_seq):
            at = (at + self._length(at) + _HEAD_BYTES) % self.size_bytes
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
        self._copy(at + _HEAD_BYTES + offset, memoryview(out), to, n, False)
        return n

    def ack(self, seq):
        """Let go of all packets up to and including seq; return how many those were."""
        count = 0
        while self.tail_seq <= seq and self.used_bytes:
            self._drop()
            count += 1
        return count

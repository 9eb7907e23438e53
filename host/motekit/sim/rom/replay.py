"""Buses that answer as a recording tells, and the clock that keeps to it.

What a driver writes must be what was written when the recording was made, in the same order for
each part; then it reads what was read. Anything else is told with its place, and the next entries
are searched for what fits.

The firmware's clock gives samples their times, and its sampler looks at it as each step begins.
What it then sees is the time of the next entry of all, where that is near: time passes until then,
or the board's counters fall behind, which they catch up when there is time to wait for. So steps
come at the times at which they came. Before a transaction is answered time moves on to when it
took place.
"""

import struct

from micropython import const

from . import clock, control, fast, sources

_ENODEV = const(19)
_AHEAD_US = const(12000)  # a step that asked for nothing is moved by no more
_BEHIND_US = const(50000)
_OFFERS = const(4)  # of one entry's time, to steps that then ask for nothing
_AHEAD = const(32)  # entries that are searched for what fits
_TOLD_MAX = const(20)
_HEAD = "<IIBBHH"
_HEAD_BYTES = const(14)
_MASK = const(0x3FFFFFFF)
_FIRST = const(0x80)
_I2C = const(0)
_RECEIVED = const(1)
_RESET = const(3)
_BIT_IN = const(4)
_BIT_OUT = const(5)
_IN = const(6)
_OUT = const(7)
_FOUND = const(8)
_OPS = ("i2c", "received", "sent", "reset", "bit read", "bit written", "read", "written", "found")


class Entry:
    """One entry of a track."""

    def __init__(self, head, file):
        s, us, op, self.errno, written, self.size = struct.unpack(_HEAD, head)
        self.op = op & ~_FIRST
        self.us = s * 1000000 + us
        self.written = file.read(written)
        self.read = b"" if self.errno else file.read(self.size)
        self.offers = _OFFERS if op & _FIRST else 0

    def fits(self, op, written, size):
        """Tell whether it answers this."""
        return op == self.op and written == self.written and size == self.size

    def __str__(self):
        return _what(self.op, self.written, self.size)


def _what(op, written, size):
    text = _OPS[op]
    if written:
        text += " " + "".join(["{:02x}".format(b) for b in written[:16]])
    return text + " and {} bytes back".format(size) if size else text


class Track:
    """What went over a bus to and from one part, in order; `head` is next, None at the end."""

    def __init__(self, name, path, timeline):
        self.name = name
        self._file = open(path, "rb")
        self._timeline = timeline
        self._place = -1
        self._ended = False
        self._ahead = []
        self.next()

    def _read(self):
        head = self._file.read(_HEAD_BYTES)
        return Entry(head, self._file) if len(head) == _HEAD_BYTES else None

    def next(self):
        """Go on to the next entry."""
        self._place += 1
        self.head = self._ahead.pop(0) if self._ahead else self._read()

    def take(self, op, written=b"", size=0):
        """Return the entry that answers this, None if there is none; then all stays as it is."""
        if self.head is None:
            if not self._ended and not sources.over:
                self._ended = True
                self._timeline.tell("{}: the recording has ended".format(self.name))
            return None
        entry = self.head
        if not entry.fits(op, written, size):
            if sources.over:
                return None
            skip = self._search(op, written, size)
            self._timeline.tell(
                "{}: entry {} at {} us: recorded was {}, now comes {}; {}".format(
                    self.name,
                    self._place,
                    entry.us,
                    entry,
                    _what(op, written, size),
                    "{} entries left out".format(skip) if skip else "not answered",
                )
            )
            if not skip:
                return None
            for _ in range(skip):
                self.next()
            entry = self.head
        self.next()
        return entry

    def _search(self, op, written, size):
        """Return how many entries to leave out, 0 if none of the next ones fits."""
        for i in range(_AHEAD):
            if i == len(self._ahead):
                entry = self._read()
                if entry is None:
                    return 0
                self._ahead.append(entry)
            if self._ahead[i].fits(op, written, size):
                return i + 1
        return 0


class Timeline:
    """The firmware's clock in a replay, and all tracks."""

    def __init__(self):
        self.tracks = []
        self._began_us = None
        self._began_ticks = 0
        self._behind_us = 0  # the counters, scenario time
        self.now_us = 0  # as the firmware was last told
        self._stepping = False
        self._told = 0

    def tell(self, text):
        """Tell the supervisor what is not as it was."""
        self._told += 1
        if self._told <= _TOLD_MAX:
            more = "; no more is told" if self._told == _TOLD_MAX else ""
            control.say("replay " + text + more)

    def ticks_ms(self):
        """Return the firmware's millisecond counter: a step of its sampler begins with it."""
        self._stepping = True
        return clock.ticks_ms()

    def ticks_us(self):
        """Return the firmware's clock: as a step begins, that of the next entry if it is near."""
        ticks = clock.ticks_us()
        if self._began_us is None:
            self._began_us = clock.now_us()
            self._began_ticks = ticks
            return ticks
        us = self._us()
        if self._stepping:
            self._stepping = False
            us = self._at_entry(us)
        self.now_us = max(self.now_us, us)
        return (self._began_ticks + self.now_us) & _MASK

    def _us(self):
        return clock.now_us() - self._began_us - self._behind_us

    def _at_entry(self, us):
        """Return the time of the next entry, let it come, if it is near; else return `us`."""
        entry = None
        for track in self.tracks:
            head = track.head
            if head is None or not head.offers or (entry is not None and head.us >= entry.us):
                continue
            if head.us >= self.now_us or head.op != _RECEIVED:  # which waits for the next look
                entry = head
        if entry is None or not -_BEHIND_US < entry.us - us < _AHEAD_US:
            return us
        entry.offers -= 1
        if entry.us < self.now_us:  # it is this step's, or another's that is late: go no further
            return us
        self._pass(entry.us - us)
        return entry.us

    def _pass(self, us):
        """Let the counters go on by so much, or back."""
        before = self._behind_us
        behind = max(before - us, 0)
        ms = before // 1000 - behind // 1000
        clock.shift(ms & _MASK, before - behind & _MASK)
        self._behind_us = behind
        if us > before:
            clock.sleep_us(us - before)

    def reach(self, us):
        """Let time pass up to an entry's."""
        self._stepping = False
        if self._began_us is not None:
            left = us - self._us()
            if left > 0:
                self._pass(left)

    def come(self, us, ahead_us=0):
        """Tell whether an entry's time has come, or does so soon: then let time pass."""
        if self.now_us < us:
            if self._began_us is None or us - self._us() > ahead_us:
                return False
            self.reach(us)
        return True


class I2CReplay:
    """An I2C bus with the methods of `machine.I2C`; `tracks` are by address."""

    def __init__(self, timeline, tracks, hz):
        self._timeline = timeline
        self._tracks = tracks
        self._byte_us = 9000000 // hz if hz else 0

    def fault(self, kind, on=True):
        """Refuse: what was wrong is in the recording."""
        raise ValueError("fault {}: a recording has its own".format(kind))

    def recover(self):
        """Do nothing: what followed is in the recording."""

    def _transfer(self, addr, written, buf, clocked):
        if self._byte_us:
            fast.advance(clocked * self._byte_us)
        track = self._tracks.get(addr)
        entry = track.take(_I2C, written, len(buf)) if track else None
        if entry is None:
            if sources.over and not len(buf):
                return  # parts are left quiet at the end, which no recording has
            raise OSError(_ENODEV)
        self._timeline.reach(entry.us)
        if entry.errno:
            raise OSError(entry.errno)
        buf[:] = entry.read

    def scan(self):
        """Return the addresses that the recording has."""
        return sorted(self._tracks)

    def writeto(self, addr, buf, stop=True):
        """Write to a part; return the number of bytes."""
        self._transfer(addr, bytes(buf), bytearray(0), 1 + len(buf))
        return len(buf)

    def writevto(self, addr, vector, stop=True):
        """Write several buffers as one."""
        return self.writeto(addr, b"".join([bytes(part) for part in vector]))

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        """Write to registers from a pointer on."""
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf))

    def readfrom_into(self, addr, buf, stop=True):
        """Fill the buffer from a part."""
        self._transfer(addr, b"", buf, 1 + len(buf))

    def readfrom(self, addr, nbytes, stop=True):
        """Return bytes from a part."""
        buf = bytearray(nbytes)
        self.readfrom_into(addr, buf)
        return bytes(buf)

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        """Set the register pointer and fill the buffer."""
        self._transfer(addr, memaddr.to_bytes(addrsize // 8, "big"), buf, 3 + len(buf))

    def readfrom_mem(self, addr, memaddr, nbytes, *, addrsize=8):
        """Set the register pointer and return bytes."""
        buf = bytearray(nbytes)
        self.readfrom_mem_into(addr, memaddr, buf, addrsize=addrsize)
        return bytes(buf)


class UartReplay:
    """A UART with the methods of `machine.UART`: bytes are there once their time has come."""

    def __init__(self, timeline, received, sent):
        self._timeline = timeline
        self._received = received
        self._sent = sent
        self._waiting = b""

    def fault(self, kind, on=True):
        """Refuse: what was wrong is in the recording."""
        raise ValueError("fault {}: a recording has its own".format(kind))

    def any(self):
        """Return the number of bytes that can be read."""
        track = self._received
        clock.now_us()
        while track and track.head and self._timeline.come(track.head.us, self._ahead_us()):
            self._waiting += track.head.read
            track.next()
        return len(self._waiting)

    def _ahead_us(self):
        """Return how soon a look came whose turn it was; a question comes before its answer."""
        asked = self._sent and self._sent.head
        return 0 if asked and asked.us <= self._received.head.us else _AHEAD_US

    def read(self, nbytes=None):
        """Return at most `nbytes` bytes that have come, or None."""
        n = self.any() if nbytes is None else min(nbytes, self.any())
        data = self._waiting[:n]
        self._waiting = self._waiting[n:]
        return data or None

    def readinto(self, buf, nbytes=None):
        """Read into a buffer; return the number of bytes, or None."""
        data = self.read(len(buf) if nbytes is None else min(nbytes, len(buf)))
        if data is None:
            return None
        buf[: len(data)] = data
        return len(data)

    def write(self, buf):
        """Send to the part; return the number of bytes."""
        if self._sent:
            self._sent.take(2, bytes(buf))
        else:
            self._timeline.tell("UART: {}, and the recording has none".format(_what(2, buf, 0)))
        return len(buf)


class OneWireReplay:
    """A one-wire bus with the methods of MicroPython's `onewire.OneWire`."""

    def __init__(self, timeline, track):
        from .chips.ds18b20 import crc8

        self.crc8 = crc8
        self._timeline = timeline
        self._track = track

    def fault(self, kind, on=True):
        """Refuse: what was wrong is in the recording."""
        raise ValueError("fault {}: a recording has its own".format(kind))

    def recover(self):
        """Do nothing: a reset frees the wire."""

    def _do(self, op, written=b"", size=0):
        entry = self._track.take(op, bytes(written), size) if self._track else None
        if entry is None:
            return None
        self._timeline.reach(entry.us)
        return entry.read

    def reset(self, required=False):
        """Return whether a part is there."""
        return (self._do(_RESET, b"", 1) or b"\x00")[0] == 1

    def readbit(self):
        """Return a bit."""
        return (self._do(_BIT_IN, b"", 1) or b"\x01")[0]

    def writebit(self, value):
        """Write a bit."""
        self._do(_BIT_OUT, (value & 1,))

    def readbyte(self):
        """Return a byte."""
        return (self._do(_IN, b"", 1) or b"\xff")[0]

    def readinto(self, buf):
        """Fill a buffer."""
        data = self._do(_IN, b"", len(buf))
        for i in range(len(buf)):
            buf[i] = data[i] if data else 0xFF

    def write(self, buf):
        """Write the bytes of a buffer."""
        self._do(_OUT, buf)

    def writebyte(self, value):
        """Write a byte."""
        self.write((value,))

    def select_rom(self, rom):
        """Address one part."""
        self.reset()
        self.writebyte(0x55)
        self.write(rom)

    def scan(self):
        """Return the ROM codes on the wire."""
        track = self._track
        size = track.head.size if track and track.head and track.head.op == _FOUND else 0
        data = self._do(_FOUND, b"", size) or b""
        return [bytearray(data[at : at + 8]) for at in range(0, len(data), 8)]


def setup(tracks, buses, into):
    """Put the buses of a recording into a table by name; return the timeline."""
    timeline = Timeline()
    by_bus = {name: {} for name in buses}
    for bus, part, path in tracks:
        shown = "0x{:02x}".format(int(part)) if part.isdigit() else part
        track = Track("{} {}".format(bus, shown), path, timeline)
        timeline.tracks.append(track)
        by_bus[bus][int(part) if part.isdigit() else part] = track
    for name in buses:
        kind, hz = buses[name]
        found = by_bus[name]
        if kind == "i2c":
            into[name] = I2CReplay(timeline, found, hz)
        elif kind == "onewire":
            into[name] = OneWireReplay(timeline, found.get("wire"))
        else:
            into[name] = UartReplay(timeline, found.get("rx"), found.get("tx"))
    return timeline

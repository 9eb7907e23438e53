"""A board in step with its world: the supervisor grants it time, it reports what it wrote.

    supervisor -> board   end_ms:u32 size:u32, then size bytes of input records:
                          at_ms:u32 length:u16 data; length 0xFFFF: the rest is the credit
                          with which the grant lasts until at_ms
    board -> supervisor   size:u32 now_ms:u32, then size bytes of records; size 0xFFFFFFFF: none,
                          nor is what was printed to be heard yet
                          kind:u8 at_ms:u32 length:u16 data
                          kind 'o' bytes that left on the line from at_ms on, 't' a line of text,
                          'c' the credit
                          size | 0x80000000: that many bytes of text that is told ahead of the
                          report; the board goes on

A report is made when what the board wrote is to be heard: when its line falls idle, or
`_LINGER_MS` after the first byte, so that the many frames of a packet cost few reports. Where a
grant ends makes no difference: a report that it forces leaves out what is not to be heard yet.
Both are events of the clock like any other: time stands still in them.

A credit is all that the board has to say to an ack, and the host has no answer to it: it waits in
the board until there is more to report. Without it the host would have to ask again, at the end
of the grant.

Text: run WHO | prompt | intr N | hello | watchdog MS | reset {...} | left N | done N
"""

import struct
import sys

from micropython import const

from . import board, clock, control

_LINGER_MS = const(100)
_QUIET_MS = const(2)
_RING_BYTES = const(260)  # ports/esp32: what the UART's interrupt handler can keep
_OUT_BYTES = const(4096)
_HEAD_BYTES = const(8)
_RECORD_BYTES = const(7)
_CREDIT = const(0xFFFF)
_LATER = const(0xFFFFFFFF)
_AHEAD = const(0x80000000)
_CTRL_C = const(3)
_RESERVE_BYTES = const(1024)

cut = False
rx = bytearray(0)  # what the program has not read yet
dropped = 0
_stream = None
_out = bytearray(_OUT_BYTES)
_have = _HEAD_BYTES
_head = bytearray(_HEAD_BYTES)
_due = []  # (at_ms, bytes) under way to the board
_first_ms = -1  # when the first bytes of this report were written
_soon_ms = 0  # when it is made
_credit = b""  # that the host waits for, if nothing is on the line before it
_credited_ms = 0  # when the grant ends with it
_running = False
_intr = _CTRL_C


def setup():
    """Take the control channel over; the clock's time is now what is granted."""
    global _stream
    _stream = control.stream
    control.say = control.call = note
    control.halt = halt
    clock.look = clock.alive = clock.hold = _nothing
    clock.granted = True


def begin():
    """Wait for the first grant."""
    _take_grant()


def _nothing(_ms=0):
    return 0


def note(text):
    """Tell the supervisor one line, with the next report."""
    global _running, _intr
    word = text.split(" ")[0]
    if word == "intr":
        _intr = int(text[5:])
    elif word in ("run", "prompt"):
        _running = word == "run"
        _intr = _CTRL_C
    elif word in ("serial", "fault", "i", "alive"):
        return
    if word == "watchdog":  # a program that never reports again would leave it untold
        data = text.encode()
        struct.pack_into("<II", _head, 0, _AHEAD | len(data), clock.now_ms())
        _stream.write(_head)
        _stream.write(data)
        return
    _record(0x74, text.encode())


def ready(_ms=0):
    """Tell whether something has come."""
    return rx


def halt():
    """Report the last words; the supervisor ends this process."""
    _send()
    while _stream.read(1):
        pass
    sys.exit()


def _record(kind, data):
    global _have
    n = len(data)
    if _have + _RECORD_BYTES + n > _OUT_BYTES:
        _report()
    struct.pack_into("<BIH", _out, _have, kind, clock.now_ms(), n)
    _have += _RECORD_BYTES
    _out[_have : _have + n] = data
    _have += n


def wrote(data, free_ms):
    """Send bytes out on the line, which is idle again in free_ms."""
    global _credit
    if _first_ms < 0 and data == _credit:
        _credit = b""
        _record(0x63, data)
        clock.cancel(_end)
        clock.at(_credited_ms, _end)
        return
    _record(0x6F, data)
    touch(free_ms)


def touch(free_ms):
    """Have a report made soon: something was written, and the line is busy for free_ms."""
    global _first_ms, _soon_ms
    now = clock.now_ms()
    first = _first_ms < 0
    if first:
        _first_ms = now
    _soon_ms = min(now + free_ms + _QUIET_MS, _first_ms + _LINGER_MS)
    if first:
        clock.at(_soon_ms, _soon)


def _soon():
    if _soon_ms > clock.now_ms():
        clock.at(_soon_ms, _soon)
    else:
        _report()


def _send():
    global _have, _first_ms
    struct.pack_into("<II", _out, 0, _have - _HEAD_BYTES, clock.now_ms())
    _stream.write(memoryview(_out)[:_have])
    _have = _HEAD_BYTES
    _first_ms = -1


def _report():
    """Report, and wait for what is granted next."""
    clock.cancel(_end)
    clock.cancel(_soon)
    _send()
    _take_grant()


def _end():
    """Report that the grant is used up."""
    if _first_ms < 0:
        _report()
        return
    clock.cancel(_end)
    struct.pack_into("<II", _head, 0, _LATER, clock.now_ms())
    _stream.write(_head)
    _take_grant()


def _take_grant():
    global _credit, _credited_ms
    if _stream.readinto(_head) != _HEAD_BYTES:
        sys.exit()
    end_ms, size = struct.unpack("<II", _head)
    clock.at(end_ms, _end)
    _credit = b""
    if size:
        pressed = board.reserve is not None
        board.reserve = None
        data = _stream.read(size)
        at = 0
        while at < size:
            at_ms, n = struct.unpack_from("<IH", data, at)
            if n == _CREDIT:
                _credit = data[at + 6 :]
                _credited_ms = at_ms
                break
            _due.append((at_ms, data[at + 6 : at + 6 + n]))
            clock.at(at_ms, _feed)
            at += 6 + n
        if pressed:
            data = None
            board.reserve = bytearray(_RESERVE_BYTES)


def _feed():
    """Put into the ring what has arrived; the interrupt key never gets there."""
    data = _due.pop(0)[1]
    key = data.find(bytes((_intr,))) if _running and 0 <= _intr < 256 else -1
    behind = b""
    if key >= 0:
        behind = data[key + 1 :].replace(bytes((_intr,)), b"")
        data = data[:key]
    _ring(data)
    _ring(behind)
    if key >= 0:
        control.ask()


def _ring(data):
    global dropped, rx
    fits = min(len(data), _RING_BYTES - len(rx))
    dropped += len(data) - fits
    rx += data[:fits]


def take(n):
    """Return at most n bytes of what has come."""
    global rx
    data = bytes(rx[:n])
    rx = rx[n:]
    return data


class Stdin:
    """What an event loop waits for when it waits for the line."""


stdin = Stdin()


class Poll:
    """`select.poll` of a board in step: only the line can become ready."""

    def __init__(self):
        self._wants = False
        self._found = [(stdin, 1)]

    def register(self, obj, mask=1):
        """As on a board."""
        if obj is stdin:
            self._wants = bool(mask & 1)

    def unregister(self, obj):
        """As on a board."""
        if obj is stdin:
            self._wants = False

    def modify(self, obj, mask):
        """As on a board."""
        self.register(obj, mask)

    def _ready(self, _ms=0):
        return self._wants and rx

    def poll(self, timeout=-1):
        """As on a board."""
        return list(self.ipoll(timeout))

    def ipoll(self, timeout=-1, flags=0):
        """As on a board."""
        return self._found if self.wait(timeout) else ()

    def wait(self, ms):
        """Wait for input; tell whether there is some."""
        if ms and not (self._wants and rx):
            clock.idle(ms, self._ready)
        return self._wants and rx

"""The serial line that the board's firmware shares with its prompt.

Output is charged what the line takes at its baud rate, beyond the 128 bytes of the ESP32's
transmit FIFO. Input comes through the supervisor, which models the 260 bytes of the board's ring.

Under a virtual clock the line decides when time stands still: until the first frame of a host;
while a packet that was sent is not acknowledged, so that a busy host never makes a queue overflow
(each 2 s of real time let 1.5 s of the board's pass, for its own timeouts); and when the host has
been silent for 8 s of the board's time (before the firmware gives it up after 10), until it is
back. A host that is there says so every 3 s of real time, in which hours of the board's may pass:
each 4 s of the board's time the supervisor is asked to say it again for a host that it has heard
lately. While a fault cuts the line, nothing is held and nothing repeated.
"""

import uselect
from micropython import const
from ubinascii import crc32

from . import clock, control

_FIFO_BYTES = const(128)
_PACKET_HOLD_MS = const(2000)
_REPLY_HOLD_MS = const(300)
_SILENCE_MS = const(8000)
_IDLE_MS = const(60000)  # no line is busy for so long with what it was given
_KEEP_MS = const(4000)
_WINDOW = const(8)  # at least as many packets as are under way at once
_CREEP_MS = const(1500)
_NEXT_MS = const(10)
_ACK_BYTES = const(20)
_CTRL_C = const(3)
_HEAD_BYTES = const(40)  # of a host's frame: an ack is shorter

stdin = open(0, "rb")
stdout = open(1, "wb")
cut = False
_serving = False  # a program has the line
_started = False  # a host's first frame was seen
_hold_ms = 0
_heard_ms = 0
_released_ms = 0
_sent = -1  # number of the last packet sent to its end, -1 for none
_acked = -1
_head = bytearray(_HEAD_BYTES)  # of the frame that comes in, its stuffing taken out
_have = 0
_flip = 0
_behind = b""  # read from the supervisor's pipe, not by the program


def setup():
    """Let the clock ask this line."""
    global _heard_ms
    _heard_ms = clock.now_ms()
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
    if _unacked() and clock.now_ms() - _released_ms > _CREEP_MS:
        return _PACKET_HOLD_MS
    return -1 if clock.now_ms() - _heard_ms > _SILENCE_MS else 0


def _keep_alive():
    """Have the supervisor say for a host that is there that it is; not amid a frame of its own.

    Only a host that has acked all that was sent: one whose `hello` was damaged gets nothing yet.
    """
    if _serving:
        clock.at(clock.now_ms() + _KEEP_MS, _keep_alive)
        if _sent >= 0 and not (cut or _have or _unacked()):
            control.call("alive")


def released():
    """Go on for a little without a host that did not answer in time."""
    global _hold_ms, _released_ms
    _hold_ms = 0
    _released_ms = clock.now_ms()


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


def _unacked():
    """Tell whether a packet was sent that is not acknowledged."""
    return _sent >= 0 and (_acked < 0 or _later(_sent, _acked))


def _later(number, than):
    """Tell whether a packet's number, of 8 bits, is new: not the same, nor of the window before.

    It may have moved on by any other amount: a queue that overflows drops what it must.
    """
    return 0 < (number - than) & 0xFF < 0x100 - _WINDOW


def _listen(b):
    """Take a byte from the host; note the number that an ack carries."""
    global _have, _flip
    if not b:
        _note_ack()
        _have = _flip = 0
    elif b == 0x7D:
        _flip = 0x20
    else:
        if _have < _HEAD_BYTES:
            _head[_have] = b ^ _flip
        _have += 1
        _flip = 0


def _note_ack():
    """Note the number of an ack that came whole: `M` id 0 0 | `a` generation epoch:4 seq:4..."""
    global _acked
    if not _ACK_BYTES < _have <= _HEAD_BYTES:
        return
    payload = bytearray(_HEAD_BYTES + 1)
    n = at = 0
    while at < _have:
        code = _head[at]
        for i in range(at + 1, min(at + code, _have)):
            payload[n] = _head[i]
            n += 1
        n += 1
        at += code or 1
    n -= 5  # the zero after the last block, and the CRC
    if payload[0] != 0x4D or payload[4] != 0x61 or payload[2] | payload[3]:
        return
    crc = int.from_bytes(payload[n : n + 4], "little")
    if crc32(payload[:n]) == crc and (_acked < 0 or _later(payload[10], _acked)):
        _acked = payload[10]


def _read(buf):
    """Read into buf, to a Ctrl-C at most: what lies behind it may be the prompt's."""
    global _behind
    if _behind:
        data = _unread(len(buf))
        n = len(data)
        buf[:n] = data
    else:
        n = stdin.readinto(buf)
    if n:
        for i in range(n):
            if buf[i] == _CTRL_C:
                _behind = bytes(buf[i + 1 : n]) + _behind
                return i + 1
    return n


def _unread(n):
    """Return at most n bytes of what was left behind a Ctrl-C."""
    global _behind
    data = _behind[:n]
    _behind = _behind[n:]
    return data


class Serial:
    """The line as the firmware sees it: `readinto` is awaited, `write` blocks as on a board."""

    def __init__(self, baud):
        global _serving, _sent, _acked
        _sent = _acked = -1
        self._byte_us = 10000000 // baud  # start, eight data, stop
        self._free_us = clock.ticks_us()
        self._wrote_ms = clock.now_ms()
        _serving = True
        if clock.virtual:
            clock.cancel(_keep_alive)
            clock.at(clock.now_ms() + _KEEP_MS, _keep_alive)
        control.call("serial")

    def readinto(self, buf):
        """Await input; return how many bytes were put into buf, at least 1."""
        global _started, _hold_ms, _heard_ms
        from asyncio import core

        while True:
            n = _read(buf)
            if n:
                break
            if n is not None:
                control.halt()
            yield core._io_queue.queue_read(stdin)
        _heard_ms = clock.now_ms()
        _hold_ms = 0
        for i in range(n):
            _listen(buf[i])
            if not (_started or buf[i]):  # the end of a frame: no keystroke is zero
                _started = True
                control.say("hello")
        return n

    def take(self):
        """Return the next byte, -1 if none is on its way."""
        if _behind:
            b = _unread(1)
            _listen(b[0])
            return b[0]
        p = uselect.poll()
        p.register(stdin, uselect.POLLIN)
        for _ in p.ipoll(_NEXT_MS):  # real time: the supervisor says first what lies behind
            b = stdin.read(1)
            if b:
                _listen(b[0])
                return b[0]
        return -1

    def write(self, buf):
        """Send all of buf; return once all but the FIFO's 128 bytes are on the line."""
        global _hold_ms, _sent
        if clock.virtual and _started:
            head = _payload_starts(buf)
            if head and head[2] == head[3] and head[0] in b"PM":
                _hold_ms = _PACKET_HOLD_MS if head[0] == 0x50 else _REPLY_HOLD_MS
                if head[0] == 0x50 and (_sent < 0 or _later(head[1], _sent)):
                    _sent = head[1]
        stdout.write(buf)
        now = clock.ticks_us()
        idle = clock.now_ms() - self._wrote_ms > _IDLE_MS  # longer than ticks can be compared
        if idle or clock.ticks_diff(self._free_us, now) < 0:
            self._free_us = now
        self._wrote_ms = clock.now_ms()
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
        b = _unread(1) or stdin.read(1)
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

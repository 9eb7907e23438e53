"""PMS5003: particulate matter by laser scattering, mass and counts, over a UART.

Maker: Plantower (CN)
Bus: UART 9600 8N1
Source: PMS5003 series data manual V2.3, Appendices I and II
Rates: as the part decides, every 0.2 to 2.3 s; on request in passive mode
Unverified: lengths of the variants' frames (from public drivers), by which they are refused; that
    a fan running up has zeros for the version, too: published frames of nothing but zeros have one

Frames come when the part likes, among whatever else is on the line: a window over the bytes moves
on by one until header, length and sum agree, so garbage costs no frame that came whole. What comes
in the first `warmup_s` after waking, and a payload of nothing but zeros, is the fan running up and
not air: a sample is made of it, so that the part is seen to be alive, but marked invalid.
"""

import time
from array import array

from motefw.compat import const
from motefw.crc import sum16
from motefw.driver import Driver

_FRAME_BYTES = const(32)
_HEAD_BYTES = const(4)
_LENGTH = const(28)  # what the head of a frame with a sample says
_SUM_OF_ZEROS = const(0xAB)  # of such a frame in which all but the head is zero
_WORDS = const(12)
_CF1 = const(4)  # where the masses are in a frame; a sample has those second
_AIR = const(10)  # and those of what is in the air first
_COUNTS = const(16)
_VARIANTS = {0x14: "PMS3003", 0x24: "PMS5003ST"}  # length field: part
_ACK = const(4)  # length field of the answer to a command
_LONGEST = const(40)
_QUEUE = const(4)
_READS = const(16)  # at most, in one go
_SILENCE_MS = const(10000)

_ACTIVE = const(b"\x42\x4d\xe1\x00\x01\x01\x71")
_PASSIVE = const(b"\x42\x4d\xe1\x00\x00\x01\x70")
_READ = const(b"\x42\x4d\xe2\x00\x00\x01\x71")
_SLEEP = const(b"\x42\x4d\xe4\x00\x00\x01\x73")
_WAKE = const(b"\x42\x4d\xe4\x00\x01\x01\x74")


class PMS5003(Driver):
    """Streams mass in ug/m3 (ambient, then "CF=1") and counts above a diameter per 0.1 litre."""

    BUS = "uart"
    CHANNELS = (
        ("pm1_0", "ug/m3", 1, 0),
        ("pm2_5", "ug/m3", 1, 0),
        ("pm10", "ug/m3", 1, 0),
        ("pm1_0_cf1", "ug/m3", 1, 0),
        ("pm2_5_cf1", "ug/m3", 1, 0),
        ("pm10_cf1", "ug/m3", 1, 0),
        ("count_0_3", "/dL", 1, 0),
        ("count_0_5", "/dL", 1, 0),
        ("count_1_0", "/dL", 1, 0),
        ("count_2_5", "/dL", 1, 0),
        ("count_5_0", "/dL", 1, 0),
        ("count_10", "/dL", 1, 0),
    )
    CODE = "H"
    OPTIONS = (
        ("mode", "active", ("active", "passive")),
        ("period_s", 1, range(1, 3601)),
        ("warmup_s", 30, range(601)),
    )
    STREAMING = True
    TIMED = True
    FIFO = _QUEUE

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self._chunk = bytearray(_FRAME_BYTES)
        self._window = bytearray(_LONGEST)
        self._summed = memoryview(self._window)[: _FRAME_BYTES - 2]
        self._have = 0
        self._queue = array("H", bytes(2 * _WORDS * _QUEUE))
        self._waiting = 0
        self._given = 0  # of those that wait
        self._good = 0  # bit i: sample i of the queue is valid
        self._passive = False
        self._warm = False
        self._woken_ms = self._heard_ms = self._asked_ms = 0
        self._warmup_ms = self._period_ms = 0

    def configure(self, mode, period_s, warmup_s):
        """Wake the part and set its mode; `period_s` is the pace of the passive mode."""
        self._have = self._waiting = self._given = self._good = 0
        self._passive = mode == "passive"
        self._warm = False
        self._warmup_ms = 1000 * warmup_s
        self._period_ms = 1000 * period_s if self._passive else 1000
        self.period_us = 1000 * self._period_ms
        self.bus.write(_WAKE)
        self.bus.write(_PASSIVE if self._passive else _ACTIVE)
        self._woken_ms = self._heard_ms = self._asked_ms = time.ticks_ms()

    def pending(self):
        """Take what the line brought; return how many samples wait.

        SensorError after 10 s without a frame.
        """
        now = time.ticks_ms()
        if not self._warm:
            self._warm = time.ticks_diff(now, self._woken_ms) >= self._warmup_ms
        if self._passive and time.ticks_diff(now, self._asked_ms) >= self._period_ms:
            self._asked_ms = now
            self.bus.write(_READ)
        for _ in range(_READS):
            if self._waiting > _QUEUE - 2 or not self.bus.any():
                break
            self._take(now)
        if time.ticks_diff(now, self._heard_ms) > _SILENCE_MS + self._period_ms:
            self._heard_ms = now
            raise self.error("no frame for 10 s (5 V supply, wiring, 9600 baud?)")
        return self._waiting - self._given

    def drain(self, block, n):
        """Append n of the samples that wait."""
        queue = self._queue
        for _ in range(n):
            sample = self._given
            i = block.count
            at = sample * _WORDS
            for column in block.columns:
                column[i] = queue[at]
                at += 1
            if not self._good >> sample & 1:
                for channel in range(_WORDS):
                    block.mark_invalid(channel, i)
            block.count = i + 1  # an interrupt finds both done, or neither
            self._given = sample + 1
        if self._given == self._waiting:
            self._waiting = self._given = self._good = 0

    def stop(self):
        """Put the part to sleep: fan and laser off."""
        self.bus.write(_SLEEP)

    def _take(self, now):
        """Read what is missing of a frame, and see what that makes."""
        window = self._window
        have = self._have
        if have:
            missing = _FRAME_BYTES if have < _HEAD_BYTES else window[3] + _HEAD_BYTES
            got = self.bus.readinto(self._chunk, missing - have) or 0
            for i in range(got):
                window[have + i] = self._chunk[i]
        else:
            got = self.bus.readinto(window, _FRAME_BYTES) or 0
        self._have = have + got
        while self._have:
            verdict = self._judge()
            if not verdict:
                break
            if verdict > 0:
                self._heard_ms = now
                self._keep()
                self._drop(verdict)
            else:
                self._drop(1)

    def _judge(self):
        """Return the bytes of a whole frame, 0 while one may still come, -1 when none can."""
        window = self._window
        have = self._have
        if window[0] != 0x42 or (have > 1 and window[1] != 0x4D):
            return -1
        if have < _HEAD_BYTES:
            return 0
        length = window[2] << 8 | window[3]
        if length != _LENGTH and length != _ACK and length not in _VARIANTS:
            self.bad += 1
            return -1
        size = length + _HEAD_BYTES
        if have < size:
            return 0
        total = sum(self._summed) if length == _LENGTH else sum16(window, 0, size - 2)
        if total != window[size - 2] << 8 | window[size - 1]:
            self.bad += 1
            return -1
        return size

    def _keep(self):
        """Queue the sample of the frame in the window, unless it is an answer to a command."""
        window = self._window
        length = window[3]
        if length in _VARIANTS:
            self._have = 0
            raise self.error(f"its frames are those of a {_VARIANTS[length]}")
        if length == _ACK:
            return
        good = self._warm and window[30] << 8 | window[31] != _SUM_OF_ZEROS
        base = self._waiting * _WORDS
        at = _AIR
        for i in range(base, base + _WORDS):
            self._queue[i] = window[at] << 8 | window[at + 1]
            at += 2
            if at == _COUNTS:
                at = _CF1
            elif at == _AIR:
                at = _COUNTS
        # Together, so that an interrupt makes no second sample of what is in the window.
        self._good |= good << self._waiting
        self._waiting += 1
        window[0] = 0

    def _drop(self, n):
        """Move the window on by n bytes."""
        window = self._window
        self._have -= n
        for i in range(self._have):
            window[i] = window[n + i]


DRIVER = PMS5003

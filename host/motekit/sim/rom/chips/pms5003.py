"""Model of the PMS5003: frames, commands, sleep, and a fan that takes its time to run up.

Source: PMS5003 series data manual V2.3, Appendices I (frames) and II (commands).

Waking the part, even one that is awake, starts the warm-up: until its end every payload is zero,
and nothing is asked of the source. (Real parts warm up after sleep; what one does that
was awake is unverified.)
"""

import struct
from array import array

from ..fast import const, micropython, ptr8, ptr16
from . import Faults

_VERSION = const(0x97)
_QUEUE_BYTES = const(512)
_BATCH = const(32)  # samples that are asked for at once
_ZEROS = bytes(26)


def frame(payload):
    """Return a frame around a payload: header, length, payload, sum."""
    head = struct.pack(">2sH", b"BM", len(payload) + 2) + payload
    return head + struct.pack(">H", sum(head) & 0xFFFF)


def words(values):
    """Return the payload of a sample: six masses and six counts, or three masses alone.

    The frame has the masses of "CF=1" first, a sample those of what is in the air.
    """
    if len(values) == 3:  # the same in both columns, and no counts
        values = tuple(values) * 2 + (0,) * 6
    clipped = [round(v) if 0 <= v <= 65535 else (0 if v < 0 else 65535) for v in values]
    return struct.pack(">13H", *clipped[3:6], *clipped[:3], *clipped[6:], _VERSION << 8)


@micropython.viper
def fill(data, rows, at: int, width: int):
    """Put sample `at` of rows of `width` words, as in `words`, into a frame, and its sum."""
    d = ptr8(data)
    r = ptr16(rows)
    at *= width
    masses = 6 if width > 3 else 3
    i = 0
    while i < 12:
        value = 0
        if i < 6:
            value = r[at + (i + 3) % masses]
        elif width > 6:
            value = r[at + i]
        d[4 + 2 * i] = value >> 8
        d[5 + 2 * i] = value & 0xFF
        i += 1
    total = 0
    i = 0
    while i < 30:
        total += d[i]
        i += 1
    d[30] = total >> 8
    d[31] = total & 0xFF


class Pms5003(Faults):
    """A PMS5003 on a UART.

    Faults: `silent` (says nothing), `bad_sum` (sums are wrong), `garbage` (noise before each
    frame), `wrong_id` (speaks like a PMS3003).
    """

    BAUD = 9600
    RATES = (1,)
    FAULTS = ("silent", "bad_sum", "garbage", "wrong_id")

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ...) raw values: six masses, six counts."""
        return ((0, 65535),) * 12

    def __init__(self, source, clock_us, options=None, interval_us=1000000):
        super().__init__()
        self._source = source
        self._clock_us = clock_us
        self._interval_us = interval_us
        self._warmup_us = 1000000 * (options or {}).get("warmup_s", 30)
        self._index = 0
        self._frame = bytearray(frame(words((0,) * 12)))
        self._rows = None  # from sample `_first` on
        if getattr(source, "batches", False):
            source.prepare(1, _BATCH)
            self._rows = array("H", bytes(2 * source.width * _BATCH))
        self._first = self._held = 0
        self._noise = 1
        self._command = bytearray(0)
        self._out = bytearray(0)
        self._asleep = False
        self._passive = False
        self._wake()

    def _wake(self):
        now = self._clock_us()
        self._asleep = False
        self._warm_us = now + self._warmup_us
        self._next_us = now + self._interval_us
        self.due_us = 0

    def write(self, data):
        """Take what the host's line carried: commands of 7 bytes, resynchronised like frames."""
        for byte in data:
            self._command.append(byte)
            while self._command and not self._plausible():
                self._command = self._command[1:]
            if len(self._command) == 7:
                _, _, code, _, value, _, _ = self._command
                self._command = bytearray(0)
                self._obey(code, value)

    def poll(self, now_us):
        """Return the bytes sent since the last call."""
        while now_us >= self._next_us and not self._asleep:
            if not self._passive:
                self._report(self._next_us)
            self._next_us += self._interval_us
        self.due_us = self._next_us
        if not self._out:
            return b""
        out = self._out
        self._out = bytearray(0)
        return out

    def _plausible(self):
        command = self._command
        if command[0] != 0x42 or (len(command) > 1 and command[1] != 0x4D):
            return False
        return len(command) < 7 or sum(command[:5]) == command[5] << 8 | command[6]

    def _obey(self, code, value):
        if code == 0xE4 and value:
            self._wake()
        elif self._asleep:
            return
        elif code == 0xE4:
            self._send(frame(bytes((code, value))))
            self._asleep = True
        elif code == 0xE1:
            self._passive = not value
            self._send(frame(bytes((code, value))))
        elif code == 0xE2 and self._passive:
            self._report(self._clock_us())

    def _report(self, at_us):
        if "silent" in self.faults:
            return
        data = frame(_ZEROS)
        if at_us > self._warm_us:
            data = self._sampled()
            if data is None:
                return
            self._index += 1
        if self.faults:
            self._spoil(data)
        else:
            self._send(data)

    def _sampled(self):
        """Return the frame of the next sample, None if there is none."""
        source = self._source
        if self._rows is None:
            values = source.sample(self._index)
            return None if values is None else frame(words(values))
        at = self._index - self._first
        if at >= self._held:
            self._first = self._index
            self._held = source.rows(self._first, _BATCH, self._rows, 0, 65535)
            at = 0
        if source.over() or not self._held:
            return None
        source.took(1)
        fill(self._frame, self._rows, at, source.width)
        return self._frame

    def _spoil(self, data):
        """Send a frame with what is wrong with the part."""
        data = bytearray(frame(data[4:22]) if "wrong_id" in self.faults else data)
        if "bad_sum" in self.faults:
            data[-1] ^= 0x01
        if "garbage" in self.faults:
            self._send(self._garbage())
        self._send(data)

    def _garbage(self):
        """Return noise with a false header in it."""
        noise = bytearray(12)
        for i in range(len(noise)):
            self._noise = (self._noise * 75 + 74) % 65537
            noise[i] = self._noise & 0xFF
        noise[4:8] = b"\x42\x4d\x00\x1c"
        return noise

    def _send(self, data):
        if len(self._out) + len(data) <= _QUEUE_BYTES:
            self._out += data
            self.due_us = 0


CHIP = Pms5003

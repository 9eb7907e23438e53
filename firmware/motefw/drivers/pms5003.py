"""PMS5003: particulate matter by laser scattering, mass and counts, over a UART.

Maker: Plantower (CN)
Bus: UART 9600 8N1
Source: PMS5003 series data manual V2.3, Appendices I and II
Rates: as the part decides, every 0.2 to 2.3 s; on request in passive mode
Unverified: lengths of the variants' frames (from public drivers), by which they are refused

Frames come when the part likes, among whatever else is on the line: a window over the bytes moves
on by one until header, length and sum agree, so garbage costs no frame that came whole. What comes
in the first `warmup_s` after waking, and a payload of nothing but zeros, is the fan running up and
not air: a sample is made of it, so that the part is seen to be alive, but marked invalid.
"""

import time

from motefw.compat import const
from motefw.crc import sum16
from motefw.uart_part import UartPart

_FRAME_BYTES = const(32)
_VARIANTS = {0x14: "PMS3003", 0x24: "PMS5003ST"}  # length field: part
_ACK = const(4)  # length field of the answer to a command

_ACTIVE = const(b"\x42\x4d\xe1\x00\x01\x01\x71")
_PASSIVE = const(b"\x42\x4d\xe1\x00\x00\x01\x70")
_READ = const(b"\x42\x4d\xe2\x00\x00\x01\x71")
_SLEEP = const(b"\x42\x4d\xe4\x00\x00\x01\x73")
_WAKE = const(b"\x42\x4d\xe4\x00\x01\x01\x74")


class PMS5003(UartPart):
    """Streams mass in ug/m3 (ambient, then "CF=1") and counts above a diameter per 0.1 litre."""

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
    OPTIONS = (
        ("mode", "active", ("active", "passive")),
        ("period_s", 1, range(1, 3601)),
        ("warmup_s", 30, range(601)),
    )
    STREAMING = True
    TIMED = True
    LONGEST = 40

    _pace_ms = 0  # of the passive mode
    _asked_ms = 0

    def configure(self, mode, period_s, warmup_s):
        """Wake the part and set its mode; `period_s` is the pace of the passive mode."""
        passive = mode == "passive"
        self.bus.write(_WAKE)
        self.bus.write(_PASSIVE if passive else _ACTIVE)
        self.begin(period_s if passive else 1, warmup_s)
        self._pace_ms = 1000 * period_s if passive else 0
        self._asked_ms = time.ticks_ms()

    def pending(self):
        """Ask in passive mode; take what the line brought, return 1 when a sample waits."""
        now = time.ticks_ms()
        if self._pace_ms and time.ticks_diff(now, self._asked_ms) >= self._pace_ms:
            self._asked_ms = now
            self.bus.write(_READ)
        return super().pending()

    def stop(self):
        """Put the part to sleep: fan and laser off."""
        self.bus.write(_SLEEP)

    def size(self, have):
        """Return what a frame of the length in its head takes."""
        frame = self.frame
        if frame[0] != 0x42 or (have > 1 and frame[1] != 0x4D):
            return 0
        if have < 4:
            return 4
        length = frame[2] << 8 | frame[3]
        if length == _FRAME_BYTES - 4 or length == _ACK or length in _VARIANTS:
            return length + 4
        self.bad += 1
        return 0

    def sound(self, size):
        """Tell whether the sum is right."""
        frame = self.frame
        return sum16(frame, 0, size - 2) == frame[size - 2] << 8 | frame[size - 1]

    def is_sample(self):
        """Tell it from an answer; SensorError for a variant's, whose columns are others."""
        length = self.frame[3]
        if length in _VARIANTS:
            self._forget()
            raise self.error(f"its frames are those of a {_VARIANTS[length]}")
        return length != _ACK

    def values(self, block, i):
        """Write masses and counts; the frame has "CF=1" first, a sample what is in the air."""
        frame = self.frame
        for c in range(12):
            at = 4 + 2 * ((c + 3) % 6 if c < 6 else c)
            block.columns[c][i] = frame[at] << 8 | frame[at + 1]
        return sum16(frame, 4, _FRAME_BYTES - 2) != 0


DRIVER = PMS5003

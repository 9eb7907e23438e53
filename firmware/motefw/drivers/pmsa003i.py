"""PMSA003I: particulate matter by laser scattering, mass and counts: a PMS5003's frames over I2C.

Maker: Plantower (CN)
Bus: I2C 0x12, at most 100 kHz
Source: PMSA003I series data manual V2.6, "I2C protocol"
Rates: on demand; the part measures every 0.2 to 2.3 s
Unverified: that it does not acknowledge until it is up; that a fan running up has zeros for the
    version, too

Each reading is the part's latest frame. What is read in the first `warmup_s` after the start, and
a payload of nothing but zeros, is the fan running up and not air: marked invalid.
"""

import time

from motefw.compat import const
from motefw.crc import sum16
from motefw.driver import Driver

_FRAME_BYTES = const(32)
_HEAD = const(b"\x42\x4d\x00\x1c")


class PMSA003I(Driver):
    """Reads mass in ug/m3 (ambient, then "CF=1") and counts above a diameter per 0.1 litre."""

    ADDRESSES = (0x12,)
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
    OPTIONS = (("warmup_s", 30, range(601)),)

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self._frame = bytearray(_FRAME_BYTES)
        self._warm_ms = None  # when it is warm; None: it is

    def identify(self):
        """Read a frame: its head tells the part."""
        self._fetch()

    def configure(self, warmup_s):
        """Begin to warm up; the part takes no commands over I2C."""
        self._warm_ms = time.ticks_add(time.ticks_ms(), 1000 * warmup_s)
        self.period_us = 1000000

    def read(self, block):
        """Append the latest frame's sample; nothing is appended when it raises."""
        self._fetch()
        frame = self._frame
        if self._warm_ms is not None and time.ticks_diff(self._warm_ms, time.ticks_ms()) <= 0:
            self._warm_ms = None
        valid = self._warm_ms is None and sum16(frame, 4, _FRAME_BYTES - 2)
        i = block.count
        for c in range(12):
            # The frame has "CF=1" first, a sample what is in the air.
            at = 4 + 2 * ((c + 3) % 6 if c < 6 else c)
            block.columns[c][i] = frame[at] << 8 | frame[at + 1]
            if not valid:
                block.mark_invalid(c, i)
        block.count = i + 1

    def _fetch(self):
        frame = self._frame
        self.bus.readfrom_into(self.address, frame)
        for i in range(4):
            if frame[i] != _HEAD[i]:
                raise self.error("no frame of 32 bytes is what it says (another part?)")
        if sum16(frame, 0, _FRAME_BYTES - 2) != frame[30] << 8 | frame[31]:
            self.bad += 1
            raise self.error("the sum of its frame is wrong")


DRIVER = PMSA003I

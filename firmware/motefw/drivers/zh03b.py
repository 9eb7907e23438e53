"""ZH03B, ZH06: particulate matter, PM1.0, PM2.5 and PM10 by laser scattering, over a UART.

Maker: Winsen (CN)
Bus: UART 9600 8N1
Source: ZH03B user's manual, "Communication protocol", question and answer mode
Rates: on demand; the part measures once a second, its reply is there within 0.1 s
Unverified: the reply's time; 30 s of warm-up; zeros in all three as "not measured"

The part is asked, since its unasked reports are those of several other parts. Without power it
forgets that it should be: replies then fail to come, and the next start tells it again.
"""

from motefw.compat import const
from motefw.crc import sum16
from motefw.drivers.mhz19c import MHZ19C

_ASKED = const(b"\xff\x01\x78\x41\x00\x00\x00\x00\x46")
_RUN = const(b"\xff\x01\xa7\x00\x00\x00\x00\x00\x58")
_REST = const(b"\xff\x01\xa7\x01\x00\x00\x00\x00\x57")


class ZH03B(MHZ19C):
    """Measures (PM1.0, PM2.5, PM10) when asked, in frames like those of its maker's MH-Z19C."""

    CHANNELS = (("pm1_0", "ug/m3", 1, 0), ("pm2_5", "ug/m3", 1, 0), ("pm10", "ug/m3", 1, 0))
    OPTIONS = (("warmup_s", 30, range(601)),)

    def configure(self, warmup_s):
        """Wake the part and have it wait to be asked."""
        self.bus.write(_RUN)
        self.bus.write(_ASKED)
        self.begin(1, warmup_s)

    def stop(self):
        """Put the part to sleep: fan and laser off."""
        self.bus.write(_REST)

    def values(self, block, i):
        """Write the masses, which come as PM2.5, PM10, PM1.0."""
        frame = self.frame
        for c in range(3):
            at = (6, 2, 4)[c]
            block.columns[c][i] = frame[at] << 8 | frame[at + 1]
        return sum16(frame, 2, 8) != 0


DRIVER = ZH03B

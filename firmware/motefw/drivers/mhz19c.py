"""MH-Z19B, MH-Z19C: carbon dioxide by infrared absorption, over a UART.

Maker: Winsen (CN)
Bus: UART 9600 8N1
Source: MH-Z19C user's manual, "Communication commands"
Rates: on demand; the reply is there within 0.1 s
Unverified: the reply's time; that the part keeps the self-calibration setting without power;
    a warm-up of 60 s (the B's manual says 3 minutes)

Self-calibration takes the lowest reading of a day for fresh air (400 ppm): "off" where a room
never has that. It is set after the first reply, once a start. What the manual does not describe,
among it a temperature, is not read. A reading of zero is none.
"""

from motefw.compat import const
from motefw.crc import sum16
from motefw.uart_asked import UartAsked

_FRAME_BYTES = const(9)
_CALIBRATION = {
    "on": b"\xff\x01\x79\xa0\x00\x00\x00\x00\xe6",
    "off": b"\xff\x01\x79\x00\x00\x00\x00\x00\x86",
}


class MHZ19C(UartAsked):
    """Measures CO2 when asked."""

    CHANNELS = (("co2", "ppm", 1, 0),)
    OPTIONS = (("self_calibration", "on", ("on", "off")), ("warmup_s", 60, range(601)))
    REQUEST = b"\xff\x01\x86\x00\x00\x00\x00\x00\x79"

    _setting = None  # still to be sent

    def configure(self, self_calibration, warmup_s):
        """Keep the setting until the part is heard."""
        self._setting = _CALIBRATION[self_calibration]
        self.begin(1, warmup_s)

    def size(self):
        """Return what a reply takes."""
        return _FRAME_BYTES if self.frame[0] == 0xFF and self.frame[1] == 0x86 else 0

    def sound(self, size):
        """Tell whether the sum of all bytes but the first is zero."""
        return not sum16(self.frame, 1, size) & 0xFF

    def values(self, block, i):
        """Write the concentration."""
        if self._setting:
            self.bus.write(self._setting)
            self._setting = None
        block.columns[0][i] = ppm = self.frame[2] << 8 | self.frame[3]
        return ppm != 0


DRIVER = MHZ19C

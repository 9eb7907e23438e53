"""SDS011: particulate matter, PM2.5 and PM10 by laser scattering, over a UART.

Maker: Nova Fitness (CN)
Bus: UART 9600 8N1
Source: Laser Dust Sensor Control Protocol V1.3
Rates: 1 Hz; with `work_period_min` once a period, fan and laser resting in between
Unverified: 30 s of warm-up; zeros in both as "not measured" (public drivers drop them)

The laser lives for about 8000 hours: a work period of n minutes has it run for 30 s of each. The
part keeps reporting mode and work period in its flash: they are asked for, and set only where they
differ. Reports alone are enough where only its TX is wired.
"""

from motefw.compat import const
from motefw.crc import sum16
from motefw.uart_part import UartPart

_FRAME_BYTES = const(10)
_REPORT = const(0xC0)
_ANSWER = const(0xC5)
_MODE = const(2)
_WORK = const(6)
_PERIOD = const(8)


def command(code, write, value):
    """Return a command to whichever part is there."""
    data = bytearray(b"\xaa\xb4" + bytes(13) + b"\xff\xff\x00\xab")
    data[2:5] = bytes((code, write, value))
    data[17] = sum16(data, 2, 17) & 0xFF
    return data


class SDS011(UartPart):
    """Streams (PM2.5, PM10) in 0.1 ug/m3."""

    CHANNELS = (("pm2_5", "ug/m3", 0.1, 0), ("pm10", "ug/m3", 0.1, 0))
    OPTIONS = (("work_period_min", 0, range(31)), ("warmup_s", 30, range(601)))

    _minutes = 0

    def configure(self, work_period_min, warmup_s):
        """Wake the part; ask for its settings, which `is_sample` corrects."""
        self._minutes = work_period_min
        self.bus.write(command(_WORK, 1, 1))
        self.bus.write(command(_MODE, 0, 0))
        self.bus.write(command(_PERIOD, 0, 0))
        self.begin(60 * work_period_min or 1, 0 if work_period_min else warmup_s)

    def stop(self):
        """Put the part to sleep: fan and laser off."""
        self.bus.write(command(_WORK, 1, 0))

    def size(self):
        """Return what a report or an answer takes."""
        head = self.frame[0] == 0xAA and self.frame[1] in (_REPORT, _ANSWER)
        return _FRAME_BYTES if head else 0

    def sound(self, _size):
        """Tell whether sum and tail are right."""
        frame = self.frame
        return sum16(frame, 2, 8) & 0xFF == frame[8] and frame[9] == 0xAB

    def is_sample(self):
        """Tell a report from an answer; set what an answer says is set otherwise."""
        frame = self.frame
        if frame[1] == _REPORT:
            return True
        if frame[2] == _MODE and frame[3] == 0 and frame[4]:
            self.bus.write(command(_MODE, 1, 0))
        if frame[2] == _PERIOD and frame[3] == 0 and frame[4] != self._minutes:
            self.bus.write(command(_PERIOD, 1, self._minutes))
        return False

    def values(self, block, i):
        """Write a report's values."""
        frame = self.frame
        block.columns[0][i] = frame[2] | frame[3] << 8
        block.columns[1][i] = frame[4] | frame[5] << 8
        return sum16(frame, 2, 6) != 0


DRIVER = SDS011

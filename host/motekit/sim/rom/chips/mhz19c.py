"""Model of the MH-Z19C: questions and answers, calibration, a lamp that takes its time.

Source: MH-Z19C user's manual, "Communication commands".

Until it is warm it says 400 ppm, and nothing is asked of the source. (What real parts say
meanwhile differs: unverified.)
"""

from . import _winsen as winsen
from ._talker import Talker
from ._words import clipped


class Mhz19c(Talker):
    """An MH-Z19C on a UART."""

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ) raw values of CO2."""
        return ((0, 10000),)

    def __init__(self, source, clock_us, options=None):
        self._warmup_us = 1000000 * (options or {}).get("warmup_s", 60)
        self.self_calibration = True
        self.range_ppm = 5000
        self.calibrated = []  # points that were set: 0, or ppm of the span
        super().__init__(source, clock_us)

    def reset(self):
        """Be as after power-on; settings are kept."""
        self._warm_us = self.clock_us() + self._warmup_us

    def size(self, command):
        """Return the bytes of a command that begins so, 0 for none."""
        return winsen.size(command)

    def obey(self, command):
        """Do what a command says."""
        if not winsen.sound(command):
            return False
        code = command[2]
        if code == 0x86:
            self._answer(self.clock_us())
        elif code == 0x79:
            self.self_calibration = command[3] == 0xA0
        elif code == 0x87:
            self.calibrated.append(0)
        elif code == 0x88:
            self.calibrated.append(command[3] << 8 | command[4])
        elif code == 0x99:
            self.range_ppm = command[6] << 8 | command[7]
        return True

    def _answer(self, now):
        ppm = 400
        if now >= self._warm_us:
            values = self.source.at(now)
            if values is None:
                return
            ppm = clipped(values[0], *self.limits(None)[0])
        self.report(winsen.frame((0xFF, 0x86, ppm >> 8, ppm & 0xFF, 0x40)), now + self.REPLY_US)


CHIP = Mhz19c

"""Model of the ZH03B: asked or unasked, asleep or awake, a fan that takes its time to run up.

Source: ZH03B user's manual, "Communication protocol".

Waking it starts the warm-up: until its end all is zero, and nothing is asked of the source.
(Whether real parts say zeros is unverified, as is their place in the unasked report.)
"""

from . import _winsen as winsen
from ._talker import Talker
from ._words import clipped
from .pms5003 import frame

_PERIOD_US = 1000000


class Zh03b(Talker):
    """A ZH03B on a UART."""

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ...) raw values of PM1.0, PM2.5 and PM10."""
        return ((0, 1000),) * 3

    def __init__(self, source, clock_us, options=None):
        self._warmup_us = 1000000 * (options or {}).get("warmup_s", 30)
        super().__init__(source, clock_us)

    def reset(self):
        """Be awake and report unasked."""
        self.asked = False
        self._wake()

    def _wake(self):
        now = self.clock_us()
        self.asleep = False
        self._warm_us = now + self._warmup_us
        self._next_us = now + _PERIOD_US

    def size(self, command):
        """Return the bytes of a command that begins so, 0 for none."""
        return winsen.size(command)

    def obey(self, command):
        """Do what a command says."""
        if not winsen.sound(command):
            return False
        now = self.clock_us()
        code, value = command[2], command[3]
        if code == 0xA7:
            if value:
                self.asleep = True
            else:
                self._wake()
            self.say(winsen.frame((0xFF, 0xA7, 0x01)), now + self.REPLY_US)
        elif self.asleep:
            return True
        elif code == 0x78:
            self.asked = value == 0x41
        elif code == 0x86 and self.asked:
            values = self._values(now)
            if values:
                pm1, pm2_5, pm10 = values
                words = [part for v in (pm2_5, pm10, pm1) for part in (v >> 8, v & 0xFF)]
                self.report(winsen.frame([0xFF, 0x86] + words), now + self.REPLY_US)
        return True

    def tick(self, now_us):
        """Report once a second, unless asked."""
        while now_us >= self._next_us:
            at_us = self._next_us
            self._next_us += _PERIOD_US
            values = None if self.asked or self.asleep else self._values(at_us)
            if values:
                words = (0, 0, 0) + values + (0, 0, 0)
                self.say(frame(b"".join([bytes((w >> 8, w & 0xFF)) for w in words])), at_us)

    def _values(self, at_us):
        if at_us < self._warm_us:
            return (0, 0, 0)
        values = self.source.at(at_us)
        return values and tuple([clipped(v, *self.limits(None)[0]) for v in values])


CHIP = Zh03b

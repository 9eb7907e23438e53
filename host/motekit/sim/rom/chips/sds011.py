"""Model of the SDS011: reports, answers, sleep, and settings that it keeps without power.

Source: Laser Dust Sensor Control Protocol V1.3.

With a work period of n minutes it runs for the first 30 s of each and reports at their end. Waking
starts the warm-up: until its end both values are zero, and nothing is asked of the source.
(Whether real parts say zeros is unverified.)
"""

from ._talker import Talker
from ._words import clipped

_PERIOD_US = 1000000
_RUN_US = 30000000
_ID = b"\xa1\x60"


def _sum(data):
    return sum(data) & 0xFF


class Sds011(Talker):
    """An SDS011 on a UART."""

    RATES = (1,)
    HEAD = b"\xaa\xc0"
    SUM_AT = 8

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ...) raw values of PM2.5 and PM10: 999.9 ug/m3."""
        return ((0, 9999),) * 2

    def __init__(self, source, clock_us, options=None, query=False, minutes=0):
        self._warmup_us = 1000000 * (options or {}).get("warmup_s", 30)
        self.query = query
        self.minutes = minutes
        self.kept = 0  # writes to its flash
        self._index = 0
        super().__init__(source, clock_us)

    def reset(self):
        """Be awake, with the settings that were kept."""
        self.asleep = False
        self._wake()

    def _wake(self):
        now = self.clock_us()
        self.asleep = False
        self._warm_us = now + self._warmup_us
        self._next_us = now + (_RUN_US if self.minutes else _PERIOD_US)

    def size(self, command):
        """Return the bytes of a command that begins so, 0 for none."""
        return 19 if bytes(command[:2]) == b"\xaa\xb4"[: len(command)] else 0

    def obey(self, command):
        """Do what a command says."""
        if command[18] != 0xAB or command[17] != _sum(command[2:17]):
            return False
        if command[15:17] not in (b"\xff\xff", _ID):
            return True
        code, write, value = command[2], command[3], command[4]
        now = self.clock_us()
        if self.asleep and not (code == 6 and write and value):
            return True
        if code == 4:
            self._report(now + self.REPLY_US)
            return True
        if write:
            self._set(code, value)
        held = {2: self.query, 6: not self.asleep, 8: self.minutes}
        if code not in held:
            return True
        data = bytes((code, write, value if write else int(held[code]), 0)) + _ID
        self.say(b"\xaa\xc5" + data + bytes((_sum(data), 0xAB)), now + self.REPLY_US)
        return True

    def _set(self, code, value):
        if code == 2:
            self.query = bool(value)
            self.kept += 1
        elif code == 6 and value:
            self._wake()
        elif code == 6:
            self.asleep = True
        elif code == 8:
            self.minutes = value
            self.kept += 1
            self._wake()

    def tick(self, now_us):
        """Report at the part's own pace."""
        while now_us >= self._next_us:
            at_us = self._next_us
            self._next_us += 60000000 * self.minutes or _PERIOD_US
            if not self.asleep and not self.query:
                self._report(at_us)

    def _report(self, at_us):
        values = (0, 0)
        if self.minutes or at_us > self._warm_us:
            values = self.source.sample(self._index)
            if values is None:
                return
            self._index += 1
        if not self.source.raw:
            values = tuple([10 * value for value in values])
        pm2_5, pm10 = [clipped(value, 0, 9999) for value in values]
        data = bytes((pm2_5 & 0xFF, pm2_5 >> 8, pm10 & 0xFF, pm10 >> 8)) + _ID
        self.report(self.HEAD + data + bytes((_sum(data), 0xAB)), at_us)


CHIP = Sds011

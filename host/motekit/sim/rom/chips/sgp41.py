"""Model of the SGP41: commands, their times, conditioning, checksums.

Source: SGP41 datasheet v1.0, Tables 9 (times) and 10 (commands).

Conditioning goes on from its command to the next one, and would harm the part after 10 s.
"""

from ._words import Words, clipped

_MEASURE_US = 50000


class Sgp41(Words):
    """An SGP41 on I2C.

    Faults: `nack` (does not answer), `bad_crc` (the last CRC is wrong), `wrong_id` (says zeros),
    `brownout` (its heater goes off).
    """

    ADDRESSES = (0x59,)
    RATES = ()

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ...) raw values of VOC and NOx."""
        return ((0, 65535),) * 2

    def __init__(self, source, clock_us, _options=None, serial=0x0000021B5A3C):
        self._serial = serial
        self.compensation = None  # humidity and temperature as last told
        self.conditioned_us = 0  # the longest without a break
        super().__init__(source, clock_us)

    def reset(self):
        """Be idle, heater off."""
        self.heating = False
        self._conditioning_us = None  # since when

    def obey(self, code, arguments):
        """Do what a command says."""
        now = self.clock_us()
        if self._conditioning_us is not None:
            self.conditioned_us = max(self.conditioned_us, now - self._conditioning_us)
        if code in (0x2612, 0x2619):
            if len(arguments) != 2:
                return None
            return self._measure(now, code == 0x2612, arguments)
        self._conditioning_us = None
        if code == 0x3682:
            self.words = tuple([self._serial >> shift & 0xFFFF for shift in (32, 16, 0)])
            return 1000
        if code == 0x280E:
            self.words = (0xD400,)
            return 320000
        if code == 0x3615:
            self.heating = False
            return 1000
        return None

    def _measure(self, now, conditioning, arguments):
        self.compensation = tuple(arguments)
        self.heating = True
        if not conditioning:
            self._conditioning_us = None
        elif self._conditioning_us is None:
            self._conditioning_us = now
        values = self.source.at(now)
        if values is None:
            return None
        words = tuple([clipped(value, 0, 65535) for value in values])
        self.words = words[:1] if conditioning else words
        return _MEASURE_US


CHIP = Sgp41

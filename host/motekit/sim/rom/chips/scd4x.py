"""Model of the SCD40/41/43: commands, their times, modes, checksums.

Source: SCD4x datasheet v1.7, Table 9 (commands), sections 3.5 to 3.10.

While it measures it takes only what reads, what stops and the ambient pressure. A measurement can
be read once; unread, it is replaced by the next.
"""

from ._words import Words, clipped

_PERIODS_US = {0x21B1: 5000000, 0x21AC: 30000000}
_SETTINGS = {  # read: (write, factory's value)
    0x2318: (0x241D, 1498),  # temperature offset: 4 Cel
    0x2322: (0x2427, 0),  # altitude, m
    0x2313: (0x2416, 1),  # automatic self-calibration
    0x233F: (0x243A, 400),  # its target, ppm
    0x2340: (0x2445, 44),  # its initial period, h
    0x234B: (0x244E, 156),  # its standard period, h
}
_PERSIST = 0x3615
_EXECUTION_US = 1000
_STOP_US = 500000


class Scd4x(Words):
    """An SCD4x on I2C.

    Faults: `nack` (does not answer), `bad_crc` (the last CRC is wrong), `wrong_id` (says zeros),
    `brownout` (forgets what was not kept, and that it should measure).
    """

    ADDRESSES = (0x62,)
    RATES = ()
    POWER_UP_US = 30000

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ...) raw values of CO2, temperature and humidity."""
        return ((0, 40000), (0, 65535), (0, 65535))

    def __init__(self, source, clock_us, _options=None, serial=0xF8969F073BBE, variant=1):
        self._serial = serial
        self._variant = variant
        self.kept = {}
        self.persisted = 0  # writes to its EEPROM
        super().__init__(source, clock_us)

    def reset(self):
        """Be idle, with the settings that were kept."""
        self.settings = {read: self.kept.get(read, _SETTINGS[read][1]) for read in _SETTINGS}
        self.pressure = 0
        self.period_us = 0  # 0: idle
        self._next_us = 0
        self._ready = None  # the measurement that waits

    def obey(self, code, arguments):
        """Do what a command says."""
        self._advance()
        if code == 0xE4B8:
            self.words = (0x8006 if self._ready else 0x8000,)
        elif code == 0xEC05:
            if not self._ready:
                return None
            self.words, self._ready = self._ready, None
        elif code == 0xE000:
            if arguments:
                self.pressure = arguments[0]
            else:
                self.words = (self.pressure,)
        elif code == 0x3F86:
            self.period_us = 0
            return _STOP_US
        elif self.period_us:
            return None
        else:
            return self._idle(code, arguments)
        return _EXECUTION_US

    def _idle(self, code, arguments):
        """Do what only an idle part does."""
        if code in _PERIODS_US:
            self.period_us = _PERIODS_US[code]
            self._next_us = self.clock_us() + self.period_us
            self._ready = None
            return 0
        if code in self.settings:
            self.words = (self.settings[code],)
        elif code == 0x3682:
            self.words = tuple([self._serial >> shift & 0xFFFF for shift in (32, 16, 0)])
        elif code == 0x202F:
            self.words = (self._variant << 12,)
        elif code == _PERSIST:
            self.kept = dict(self.settings)
            self.persisted += 1
            return 800000
        elif code == 0x3646:
            self.reset()
            return 30000
        elif code == 0x3639:
            self.words = (0,)
            return 10000000
        else:
            read = [each for each in _SETTINGS if _SETTINGS[each][0] == code]
            if not read or len(arguments) != 1:
                return None
            self.settings[read[0]] = arguments[0]
        return _EXECUTION_US

    def _advance(self):
        """Take the measurements that are due."""
        now = self.clock_us()
        while self.period_us and now >= self._next_us:
            values = self.source.at(self._next_us)
            self._next_us += self.period_us
            if values is None:
                return
            if not self.source.raw:
                ppm, temperature, humidity = values
                values = (ppm, (temperature + 45) * 65535 / 175, humidity * 65535 / 100)
            limits = self.limits(None)
            self._ready = tuple([clipped(values[c], *limits[c]) for c in range(3)])


CHIP = Scd4x

"""Model of the SEN50/54/55: commands, their times, what is not known yet, checksums.

Source: SEN5x datasheet v2, section 6.1 (commands), Table 1.

The latest measurement can be read over and over; what the part does not have or does not know yet
is 0xFFFF, 0x7FFF in signed words.
"""

from ._words import Words, clipped

_SCALES = (10, 10, 10, 10, 100, 200, 10, 10)  # counts a unit
_CHANNELS = {"SEN50": range(4), "SEN54": range(7), "SEN55": range(8)}
_PARTICLES = 4
_NOX = 7
_PERIOD_US = 1000000
_NOX_US = 11000000  # after power-on or reset


class Sen55(Words):
    """A SEN5x on I2C, `name` says which.

    Faults: `nack` (does not answer), `bad_crc` (the last CRC is wrong), `wrong_id` (says zeros),
    `brownout` (stops measuring).
    """

    ADDRESSES = (0x69,)
    RATES = ()
    POWER_UP_US = 50000
    WARMUP_S = 12

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ...) raw values, the unknown ones left out."""
        return ((0, 0xFFFE),) * 4 + ((0, 0x7FFE), (-0x8000, 0x7FFE), (0, 0x7FFE), (0, 0x7FFE))

    def __init__(self, source, clock_us, _options=None, name="SEN55", serial="A1B2C3D4E5F60718"):
        self.name = name
        self._serial = serial
        super().__init__(source, clock_us)

    def reset(self):
        """Be idle."""
        self.mode = None  # the command that began the measurement
        self._began_us = 0
        self._known_us = self.clock_us() + _NOX_US
        self._taken = 0  # seconds since then, at the latest measurement
        self._latest = None

    def obey(self, code, arguments):
        """Do what a command says."""
        if code in (0x0021, 0x0037):
            if not self.mode:
                self._began_us = self.clock_us()
                self._taken = 0
            self.mode = code
            return 50000
        if code == 0x0104:
            self.mode = self._latest = None
            return 200000
        if code == 0xD304:
            self.reset()
            return 100000
        if code == 0x0202:
            self.words = (1 if self._fresh() else 0,)
        elif code == 0x03C4:
            self._take()
            self.words = self._values()
        elif code in (0xD014, 0xD033):
            self.words = self._text(self.name if code == 0xD014 else self._serial)
        elif code == 0xD206:
            self.words = (0, 0)
        else:
            return None
        return 20000

    def _fresh(self):
        seconds = (self.clock_us() - self._began_us) // _PERIOD_US
        return bool(self.mode) and seconds > self._taken

    def _take(self):
        """Take the latest measurement, if there is one since the last."""
        if not self._fresh():
            return
        self._taken = (self.clock_us() - self._began_us) // _PERIOD_US
        values = self.source.at(self.clock_us())
        if values is None:
            return
        if not self.source.raw:
            values = tuple([values[c] * _SCALES[c] for c in range(8)])
        limits = self.limits(None)
        self._latest = tuple([clipped(values[c], *limits[c]) for c in range(8)])

    def _values(self):
        words = []
        for c in range(8):
            known = self._latest is not None and c in _CHANNELS[self.name]
            if c < _PARTICLES and self.mode == 0x0037:
                known = False
            if c == _NOX and self.clock_us() < self._known_us:
                known = False
            unknown = 0xFFFF if c < _PARTICLES else 0x7FFF
            words.append(self._latest[c] & 0xFFFF if known else unknown)
        return tuple(words)

    def _text(self, text):
        data = text.encode() + bytes(32 - len(text))
        return tuple([data[i] << 8 | data[i + 1] for i in range(0, 32, 2)])


CHIP = Sen55

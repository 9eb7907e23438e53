"""Model of the CHT8305: registers of 16 bits, a measurement by writing a pointer, a heater.

Source: CHT8305 datasheet, "Register map", "Configuration register", "Timing".

Writing the pointer 0 or 1 begins a measurement (of both, or the one that is pointed at); until it
is done reads are not acknowledged. The data are left-justified: at 14 bits the lowest two are 0.
"""

from . import Faults

_NACK = 19  # ENODEV, as the ESP32's I2C says it
_CONFIG = 2
_CONFIG_AFTER_RESET = 0x1004
_RESET_BIT = 0x8000
_HEATER_BIT = 0x2000
_BOTH_BIT = 0x1000
_LOW_TEMPERATURE_BIT = 0x0400
_RESET_US = 5000
_SHORT_US = {14: 6500, 11: 3850, 8: 2500}
_SLOW_US = 23000


class Cht8305(Faults):
    """A CHT8305 on I2C.

    Faults: `nack` (does not answer), `wrong_id` (is an HDC1080), `slow` (takes as long as public
    drivers wait for a CHT8305C), `brownout` (forgets its configuration, at once).
    """

    ADDRESSES = (0x40, 0x41, 0x42, 0x43)
    RATES = ()
    FAULTS = ("nack", "wrong_id", "slow", "brownout")

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ...) raw values: 14 bits."""
        return ((0, 16383),) * 2

    def __init__(self, source, clock_us, _options=None):
        super().__init__()
        self._source = source
        self._clock_us = clock_us
        self._ended = False
        self.heated = 0  # times the heater was put on
        self._reset(0)

    def fault(self, kind, on=True):
        """Begin or end a fault; a brownout is over at once."""
        super().fault(kind, on)
        if kind == "brownout" and on:
            self.faults.discard(kind)
            self._reset(_RESET_US)

    @property
    def heating(self):
        """True while the heater is on."""
        return self._config & _HEATER_BIT != 0

    @property
    def config(self):
        """The configuration register."""
        return self._config

    def _reset(self, wait_us):
        self._ready_us = self._clock_us() + wait_us
        self._config = _CONFIG_AFTER_RESET
        self._pointer = 0
        self._words = [0, 0]

    def write(self, data):
        """Take a pointer, or a pointer and a word for the register there."""
        now = self._clock_us()
        if "nack" in self.faults or now < self._ready_us:
            raise OSError(_NACK)
        if not data:
            return
        self._pointer = data[0]
        if len(data) == 1 and data[0] < 2:
            self._measure(now)
        elif len(data) == 3 and data[0] == _CONFIG:
            self._configure(data[1] << 8 | data[2])
        elif len(data) == 2 or (len(data) > 1 and data[0] != 3):
            raise OSError(_NACK)

    def _configure(self, value):
        if value & _RESET_BIT:
            self._reset(_RESET_US)
            return
        self.heated += bool(value & ~self._config & _HEATER_BIT)
        self._config = value

    def read_into(self, buf):
        """Give registers from the pointer on, high byte first."""
        if "nack" in self.faults or self._clock_us() < self._ready_us:
            raise OSError(_NACK)
        for i in range(len(buf)):
            word = self._word(self._pointer + i // 2)
            buf[i] = word & 0xFF if i & 1 else word >> 8

    def _word(self, register):
        if register < 2:
            return self._words[register]
        if register == _CONFIG:
            return self._config
        if "wrong_id" in self.faults:
            return {0xFE: 0x5449, 0xFF: 0x1050}.get(register, 0)
        return {0xFE: 0x5959, 0xFF: 0x8305}.get(register, 0)

    def _measure(self, now):
        values = None if self._ended else self._source.at(now)
        if values is None:
            self._ended = True
            raise OSError(_NACK)
        if self._source.raw:
            words = [value << 2 for value in values]
        else:
            words = [round((values[0] + 40) * 65535 / 165), round(values[1] * 65535 / 100)]
        bits = (self._temperature_bits(), (14, 11, 8, 8)[self._config >> 8 & 3])
        first, last = (0, 2) if self._config & _BOTH_BIT else (self._pointer, self._pointer + 1)
        self._ready_us = now
        for i in range(first, last):
            word = max(0, min(65535, words[i]))
            self._words[i] = word >> 16 - bits[i] << 16 - bits[i]
            self._ready_us += _SHORT_US[bits[i]]
        if "slow" in self.faults:
            self._ready_us = now + _SLOW_US

    def _temperature_bits(self):
        return 11 if self._config & _LOW_TEMPERATURE_BIT else 14


CHIP = Cht8305

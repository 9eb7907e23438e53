"""Model of the SHT30/31/35: commands, timing, checksums, status, periodic mode and heater.

Source: SHT3x-DIS datasheet v5, Table 4 (timing), sections 4.3 to 4.12.

While it measures it acknowledges nothing. In periodic mode it takes only "fetch" and "break". A
result can be read once; a read that no command prepared is not acknowledged. Clock stretching is
not modelled: those commands work like the others. Not modelled: alerts, ART.
"""

from . import Faults
from .sht4x import with_crc

_NACK = 19  # ENODEV, as the ESP32's I2C says it
_BREAK = 0x3093
_RESET = 0x30A2
_HEATER_ON = 0x306D
_HEATER_OFF = 0x3066
_STATUS = 0xF32D
_CLEAR = 0x3041
_FETCH = 0xE000
_POWER_UP_US = 1500
_COMMAND_US = 1000
_HIGH_US, _MEDIUM_US, _LOW_US = 15500, 6500, 4500
_SHOT_US = {
    0x2400: _HIGH_US,
    0x240B: _MEDIUM_US,
    0x2416: _LOW_US,
    0x2C06: _HIGH_US,
    0x2C0D: _MEDIUM_US,
    0x2C10: _LOW_US,
}
_PERIODIC = {  # high byte: period, and the low bytes for high, medium, low repeatability
    0x20: (2000000, b"\x32\x24\x2f"),
    0x21: (1000000, b"\x30\x26\x2d"),
    0x22: (500000, b"\x36\x20\x2b"),
    0x23: (250000, b"\x34\x22\x29"),
    0x27: (100000, b"\x37\x21\x2a"),
}
_ALERT_BIT = 0x8000
_HEATER_BIT = 0x2000
_RESET_BIT = 0x0010
_REFUSED_BIT = 0x0002


class Sht3x(Faults):
    """An SHT3x on I2C.

    Faults: `nack` (does not answer), `bad_crc` (the last CRC is wrong), `wrong_id` (says zeros),
    `hot` (its heater stays on), `brownout` (starts anew, at once).
    """

    ADDRESSES = (0x44, 0x45)
    RATES = ()
    FAULTS = ("nack", "bad_crc", "wrong_id", "hot", "brownout")

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ...) raw values of temperature and humidity."""
        return ((0, 65535),) * 2

    def __init__(self, source, clock_us, _options=None):
        super().__init__()
        self._source = source
        self._clock_us = clock_us
        self._ended = False
        self.heated = 0  # times the heater was put on
        self._reset()

    def fault(self, kind, on=True):
        """Begin or end a fault; a brownout is over at once."""
        super().fault(kind, on)
        if kind == "brownout" and on:
            self.faults.discard(kind)
            self._reset()

    @property
    def heating(self):
        """True while the heater is on."""
        return self._status & _HEATER_BIT != 0

    @property
    def periodic(self):
        """True while it measures by itself."""
        return self._period_us != 0

    def _reset(self):
        self._ready_us = self._clock_us() + _POWER_UP_US
        self._words = None
        self._period_us = 0
        self._status = _ALERT_BIT | _RESET_BIT

    def write(self, data):
        """Take one command of two bytes; a probe is acknowledged when the part is idle."""
        now = self._clock_us()
        if "nack" in self.faults or now < self._ready_us:
            raise OSError(_NACK)
        if not data:
            return
        if len(data) != 2:
            raise OSError(_NACK)
        command = data[0] << 8 | data[1]
        self._words = None
        if self._period_us and command not in (_FETCH, _BREAK):
            raise OSError(_NACK)
        if command in _SHOT_US:
            self._ready_us = now + _SHOT_US[command]
            self._words = self._measure(now)
        elif data[0] in _PERIODIC and data[1] in _PERIODIC[data[0]][1]:
            self._period_us = _PERIODIC[data[0]][0]
            self._next_us = now + self._period_us
        elif command == _FETCH and self._period_us:
            self._fetch(now)
        else:
            self._ready_us = now + _COMMAND_US
            self._obey(command)

    def _obey(self, command):
        """Do what takes no measurement."""
        if command == _BREAK:
            self._period_us = 0
        elif command == _RESET:
            self._reset()
        elif command == _HEATER_ON:
            self._status |= _HEATER_BIT
            self.heated += 1
        elif command == _HEATER_OFF and "hot" not in self.faults:
            self._status &= ~_HEATER_BIT
        elif command == _CLEAR:
            self._status &= ~(_ALERT_BIT | _RESET_BIT)
        elif command == _STATUS:
            self._words = (self._status,)
            self._ready_us -= _COMMAND_US  # to be had at once
        elif command != _HEATER_OFF:
            self._status |= _REFUSED_BIT
            raise OSError(_NACK)

    def read_into(self, buf):
        """Give the words with their CRCs, as far as the buffer goes."""
        now = self._clock_us()
        if "nack" in self.faults or now < self._ready_us or self._words is None:
            raise OSError(_NACK)
        wrong = "wrong_id" in self.faults
        reply = bytearray(0)
        for word in self._words:
            reply += bytes(3) if wrong else with_crc(word)
        if "bad_crc" in self.faults:
            reply[-1] ^= 0x01
        for i in range(len(buf)):
            buf[i] = reply[i] if i < len(reply) else 0xFF
        self._words = None

    def _fetch(self, now):
        if now < self._next_us:
            raise OSError(_NACK)
        missed = (now - self._next_us) // self._period_us
        self._words = self._measure(self._next_us + missed * self._period_us)
        self._next_us += (missed + 1) * self._period_us

    def _measure(self, now):
        values = None if self._ended else self._source.at(now)
        if values is None:
            self._ended = True
            raise OSError(_NACK)
        if not self._source.raw:
            values = ((values[0] + 45) * 65535 / 175, values[1] * 65535 / 100)
        return tuple(max(0, min(65535, round(v))) for v in values)


CHIP = Sht3x

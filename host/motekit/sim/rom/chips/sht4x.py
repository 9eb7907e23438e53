"""Model of the SHT40/41/45: commands, timing, checksums, and a heater that can be left on.

Source: SHT4x datasheet v7.1, Table 5 (timing), Table 8 (commands), sections 4.4 and 4.6.

While it measures or heats it acknowledges nothing but a soft reset, which ends both. A result can
be read once; a read that no command prepared is not acknowledged.
"""

from ..fast import const, put_word
from . import Faults

_NACK = const(19)  # ENODEV, as the ESP32's I2C says it
_RESET = const(0x94)
_SERIAL = const(0x89)
_RESET_US = const(1000)
_MEASURE_US = {0xFD: 8300, 0xF6: 4500, 0xE0: 1600}
_HEAT_US = {0x39: 1000000, 0x2F: 1000000, 0x1E: 1000000, 0x32: 100000, 0x24: 100000, 0x15: 100000}


def with_crc(word):
    """Return the two bytes of a word, the high one first, and their CRC."""
    data = bytearray(3)
    put_word(data, 0, word)
    return bytes(data)


class Sht4x(Faults):
    """An SHT4x on I2C.

    Faults: `nack` (does not answer), `bad_crc` (the last CRC is wrong), `wrong_id` (says zeros).
    """

    ADDRESSES = (0x44, 0x45, 0x46)
    RATES = ()
    FAULTS = ("nack", "bad_crc", "wrong_id")

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ...) raw values of temperature and humidity."""
        return ((0, 65535),) * 2

    def __init__(self, source, clock_us, _options=None, serial=0x0F4A2C11):
        super().__init__()
        self._source = source
        self._clock_us = clock_us
        self._serial = serial
        self._ended = False
        self._reply = bytearray(6)
        self._heat_end_us = 0
        self.heated_us = 0  # heater time asked for since power-on
        self._reset()

    @property
    def heating(self):
        """True while the heater is on."""
        return self._clock_us() < self._heat_end_us

    def _reset(self):
        self._ready_us = self._clock_us() + _RESET_US
        self._replies = False  # there is something to be read
        self._heat_end_us = 0

    def write(self, data):
        """Take one command byte; a probe without a byte is acknowledged when the part is idle."""
        now = self._clock_us()
        command = data[0] if data else None
        if command == _RESET and "nack" not in self.faults:
            self._reset()
            return
        if "nack" in self.faults or now < self._ready_us:
            raise OSError(_NACK)
        if command is None:
            return
        if command == _SERIAL:
            self._say(self._serial >> 16, self._serial & 0xFFFF)
        elif command in _MEASURE_US:
            self._measure(now, _MEASURE_US[command])
        elif command in _HEAT_US:
            pulse = _HEAT_US[command]
            self._measure(now, pulse + _MEASURE_US[0xFD])
            self._heat_end_us = now + pulse
            self.heated_us += pulse
        else:
            self._replies = False
            raise OSError(_NACK)

    def read_into(self, buf):
        """Give the two words with their CRCs, as far as the buffer goes."""
        if self._clock_us() < self._ready_us or not self._replies or "nack" in self.faults:
            raise OSError(_NACK)
        reply = self._reply
        if self.faults:
            reply = bytearray(6 if "wrong_id" in self.faults else reply)
            reply[5] ^= 0x01 if "bad_crc" in self.faults else 0
        n = len(buf)
        if n == 6:
            buf[:] = reply
        else:
            buf[:] = reply[:n] if n < 6 else reply + b"\xff" * (n - 6)
        self._replies = False

    def _say(self, first, second):
        """Have two words to be read."""
        put_word(self._reply, 0, first)
        put_word(self._reply, 3, second)
        self._replies = True

    def _measure(self, now, duration_us):
        self._replies = False
        values = None if self._ended else self._source.at(now)
        if values is None:
            self._ended = True
            raise OSError(_NACK)
        temperature, humidity = values[0], values[1]
        if not self._source.raw:
            temperature = (temperature + 45) * 65535 / 175
            humidity = (humidity + 6) * 65535 / 125
        self._say(max(0, min(65535, round(temperature))), max(0, min(65535, round(humidity))))
        self._ready_us = now + duration_us


CHIP = Sht4x

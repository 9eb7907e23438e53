"""Model of the AHT20: status, calibration, 80 ms of measuring, CRC.

Source: AHT20 datasheet V1.0, sections 5.3 (commands) and 5.4 (process); DHT20 datasheet V1.0.

It can always be read: while it measures the status says busy, and the data are those before. After
power-up it is not calibrated until told to initialise (true of some batches only; a driver must
serve both).
"""

from .. import fast
from . import Faults

_NACK = 19  # ENODEV, as the ESP32's I2C says it
_POWER_UP_US = 20000
_RESET_US = 20000
_INITIALISE_US = 10000
_MEASURE_US = 80000
_BUSY = 0x80
_CALIBRATED = 0x08
_IDLE = 0x10  # a reserved bit, as parts show it


class Aht20(Faults):
    """An AHT20 on I2C, powered for long enough when it is made.

    Faults: `nack` (does not answer), `bad_crc`, `wrong_id` (a part that says zeros), `slow`
    (never finishes measuring), `brownout` (starts anew, at once).
    """

    ADDRESSES = (0x38,)
    RATES = ()
    FAULTS = ("nack", "bad_crc", "wrong_id", "slow", "brownout")

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ...) raw values: the upper 16 of 20 bits."""
        return ((0, 65535),) * 2

    def __init__(self, source, clock_us, _options=None):
        super().__init__()
        self._source = source
        self._clock_us = clock_us
        self._ended = False
        self._calibrated = False
        self._reset(0)

    def fault(self, kind, on=True):
        """Begin or end a fault; a brownout is over at once."""
        super().fault(kind, on)
        if kind == "brownout" and on:
            self.faults.discard(kind)
            self._calibrated = False
            self._reset(_POWER_UP_US)

    def _reset(self, wait_us):
        self._deaf_us = self._clock_us() + wait_us
        self._busy_us = 0
        self._data = self._next = bytes(5)

    def write(self, data):
        """Take a command; one that comes while it measures is not acknowledged."""
        now = self._clock_us()
        self._answer(now)
        if not data or data[0] == 0x71:
            return
        if data[0] == 0xBA:
            self._reset(_RESET_US)
            return
        if now < self._busy_us:
            raise OSError(_NACK)
        if bytes(data) == b"\xbe\x08\x00":
            self._busy_us = now + _INITIALISE_US
            self._calibrated = "wrong_id" not in self.faults
        elif bytes(data) == b"\xac\x33\x00":
            self._measure(now)
        else:
            raise OSError(_NACK)

    def read_into(self, buf):
        """Give the status, 20 bits of humidity, 20 of temperature and the CRC."""
        now = self._clock_us()
        self._answer(now)
        busy = now < self._busy_us or ("slow" in self.faults and self._busy_us)
        if not busy:
            self._data = self._next
        status = _IDLE | (_BUSY if busy else 0) | (_CALIBRATED if self._calibrated else 0)
        reply = bytearray(bytes((status,)) + self._data)
        reply.append(fast.crc8(reply, len(reply)) ^ ("bad_crc" in self.faults))
        if "wrong_id" in self.faults:
            reply = bytes(7)
        for i in range(len(buf)):
            buf[i] = reply[i] if i < 7 else 0xFF

    def _answer(self, now):
        if "nack" in self.faults or now < self._deaf_us:
            raise OSError(_NACK)

    def _measure(self, now):
        values = None if self._ended else self._source.at(now)
        if values is None:
            self._ended = True
            raise OSError(_NACK)
        if self._source.raw:
            wide = [value << 4 for value in values]
        else:
            wide = [round((values[0] + 50) * 1048576 / 200), round(values[1] * 1048576 / 100)]
        temperature, humidity = (max(0, min(0xFFFFF, value)) for value in wide)
        bits = humidity << 20 | temperature
        self._next = bytes([bits >> shift & 0xFF for shift in (32, 24, 16, 8, 0)])
        self._busy_us = now + _MEASURE_US


CHIP = Aht20

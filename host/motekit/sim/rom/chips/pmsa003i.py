"""Model of the PMSA003I: a PMS5003's frames, read over I2C.

Source: PMSA003I series data manual V2.6, "I2C protocol".

A read gives the latest frame from its beginning; there is a new one every 0.8 s. Until the first,
and until the fan has run up, every payload is zero, and nothing is asked of the source.
"""

from . import Faults
from .pms5003 import frame, words

_NACK = 19  # ENODEV, as the ESP32's I2C says it
_PERIOD_US = 800000


class Pmsa003i(Faults):
    """A PMSA003I on I2C.

    Faults: `nack` (does not answer), `bad_sum` (sums are wrong), `wrong_id` (frames of a
    PMS3003), `brownout` (the fan runs up again).
    """

    ADDRESSES = (0x12,)
    RATES = ()
    FAULTS = ("nack", "bad_sum", "wrong_id", "brownout")
    POWER_UP_US = 50000

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ...) raw values: six masses, six counts."""
        return ((0, 65535),) * 12

    def __init__(self, source, clock_us, options=None):
        super().__init__()
        self._source = source
        self._clock_us = clock_us
        self._warmup_us = 1000000 * (options or {}).get("warmup_s", 30)
        self.power_cycle()

    def power_cycle(self):
        """Run up again."""
        self._up_us = self._clock_us() + self.POWER_UP_US
        self._warm_us = self._clock_us() + self._warmup_us
        self._next_us = self._up_us + _PERIOD_US
        self._payload = bytes(26)

    def fault(self, kind, on=True):
        """Begin or end a fault; a brownout is over at once."""
        super().fault(kind, on)
        if kind == "brownout" and on:
            self.faults.discard(kind)
            self.power_cycle()

    def write(self, data):
        """Acknowledge; the part takes no commands over I2C."""
        self._answer()

    def read_into(self, buf):
        """Give the latest frame, as far as the buffer goes."""
        self._answer()
        now = self._clock_us()
        if now >= self._next_us:
            self._next_us = now + _PERIOD_US
            values = self._source.at(now) if now >= self._warm_us else None
            if values is not None:
                self._payload = words(values)
        data = bytearray(frame(self._payload[:18] if "wrong_id" in self.faults else self._payload))
        if "bad_sum" in self.faults:
            data[-1] ^= 0x01
        for i in range(len(buf)):
            buf[i] = data[i] if i < len(data) else 0xFF

    def _answer(self):
        if "nack" in self.faults or self._clock_us() < self._up_us:
            raise OSError(_NACK)


CHIP = Pmsa003i

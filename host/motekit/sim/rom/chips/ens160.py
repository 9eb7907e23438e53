"""Model of the ENS160: registers, modes, the flags that say how far the output is to be trusted.

Source: ENS160 datasheet v0.95, section 16 (registers), Table 3 (warm-up).

In its standard mode it has new data every second. Until it is warm it says so, and nothing is
asked of the source.
"""

from . import Faults

_NACK = 19  # ENODEV, as the ESP32's I2C says it
_OPMODE = 0x10
_COMMAND = 0x12
_TEMP_IN = 0x13
_RH_IN = 0x15
_STATUS = 0x20
_AQI = 0x21
_ECO2 = 0x24
_DATA_T = 0x30
_GPR_READ = 0x48
_SIZE = 0x50
_STANDARD = 0x02
_RESET = 0xF0
_MODES = (0x00, 0x01, _STANDARD)
_PERIOD_US = 1000000


class Ens160(Faults):
    """An ENS160 on I2C.

    Faults: `nack` (does not answer), `wrong_id` (another part's number), `silent` (answers, but
    has nothing new), `brownout` (forgets its settings).
    """

    ADDRESSES = (0x52, 0x53)
    RATES = (1,)
    FAULTS = ("nack", "wrong_id", "silent", "brownout")
    POWER_UP_US = 10000
    WARMUP_S = 180

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ...) raw values of index, TVOC and equivalent CO2."""
        return ((1, 5), (0, 65000), (400, 65000))

    def __init__(self, source, clock_us, _options=None, part_id=0x0160, startup_s=0):
        super().__init__()
        self._source = source
        self._clock_us = clock_us
        self._id = part_id
        self._startup_us = 1000000 * startup_s  # of its first hour still to come
        self._index = 0
        self.power_cycle()

    def power_cycle(self):
        """Forget everything, as after an interruption of the supply."""
        self._up_us = self._clock_us() + self.POWER_UP_US
        self._reset()

    def fault(self, kind, on=True):
        """Begin or end a fault; a brownout is over at once."""
        super().fault(kind, on)
        if kind == "brownout" and on:
            self.faults.discard(kind)
            self.power_cycle()

    def _reset(self):
        self.registers = bytearray(_SIZE)
        self.registers[_DATA_T : _DATA_T + 4] = b"\x8a\x4a\x00\x64"
        self._pointer = 0
        self._began_us = self._next_us = None
        self._new = 0

    def write(self, data):
        """Take one write transaction: the register pointer, then values from there on."""
        self._answer()
        if not data:
            return
        self._advance()
        self._pointer = data[0]
        for i in range(1, len(data)):
            self._set(self._pointer, data[i])
            self._pointer += 1

    def read_into(self, buf):
        """Give one read transaction, from the register pointer on; reading clears the flags."""
        self._answer()
        self._advance()
        self._show()
        for i in range(len(buf)):
            register = self._pointer
            buf[i] = self.registers[register] if register < _SIZE else 0
            if _AQI <= register <= _ECO2 + 1:
                self._new &= ~0x02
            elif register >= _GPR_READ:
                self._new &= ~0x01
            self._pointer += 1

    def _answer(self):
        if "nack" in self.faults or self._clock_us() < self._up_us:
            raise OSError(_NACK)

    def _set(self, register, value):
        if not (0x10 <= register < 0x17 or 0x40 <= register < 0x48):
            return
        before = self.registers[register]
        self.registers[register] = value
        if register == _TEMP_IN + 1:
            self.registers[_DATA_T : _DATA_T + 2] = self.registers[_TEMP_IN : _TEMP_IN + 2]
        elif register == _RH_IN + 1:
            self.registers[_DATA_T + 2 : _DATA_T + 4] = self.registers[_RH_IN : _RH_IN + 2]
        elif register == _COMMAND and value == 0x0E and self.registers[_OPMODE] == 0x01:
            self.registers[_GPR_READ + 4 : _GPR_READ + 7] = b"\x05\x04\x06"
        elif register == _OPMODE:
            self._set_mode(before, value)

    def _set_mode(self, before, value):
        if value == _RESET:
            self._reset()
        elif value != before:
            now = self._clock_us()
            running = value == _STANDARD
            self._began_us = now if running else None
            self._next_us = now + _PERIOD_US if running else None

    def _validity(self, at_us):
        if at_us - self._began_us < 1000000 * self.WARMUP_S:
            return 1
        return 2 if at_us - self._began_us < self._startup_us else 0

    def _advance(self):
        """Take the samples that are due."""
        now = self._clock_us()
        while self._next_us is not None and now >= self._next_us:
            at_us = self._next_us
            self._next_us += _PERIOD_US
            if "silent" in self.faults:
                continue
            values = (1, 0, 400)
            if not self._validity(at_us):
                values = self._source.sample(self._index)
                if values is None:
                    continue
                self._index += 1
            limits = self.limits(None)
            aqi, tvoc, eco2 = [
                max(limits[c][0], min(limits[c][1], round(values[c]))) for c in range(3)
            ]
            self.registers[_AQI : _ECO2 + 2] = bytes(
                (aqi, tvoc & 0xFF, tvoc >> 8, eco2 & 0xFF, eco2 >> 8)
            )
            self._new |= 0x02

    def _show(self):
        """Put what a read sees now into the registers."""
        part = 0xE5 if "wrong_id" in self.faults else self._id
        self.registers[0], self.registers[1] = part & 0xFF, part >> 8
        mode = self.registers[_OPMODE]
        status = self._new
        if self._began_us is not None:
            status |= 0x80 | self._validity(self._clock_us()) << 2
        elif mode not in _MODES:
            status |= 0x40
        self.registers[_STATUS] = status


CHIP = Ens160

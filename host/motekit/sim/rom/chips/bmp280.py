"""Model of the BMP280: registers, modes, timing, trimming, and a converter run backwards.

Source: BMP280 datasheet Rev. 1.14, 3.3 (data path), 3.6 (modes), 3.8.1 (time), 4 (registers);
8.1 (compensation in double precision), 3.12 (the trimming values).

What the source sees is turned into what the converter would say, by Newton's method on the
compensation formula; it is as fine as the oversampling makes it. Writes are pairs of register and
value, as the datasheet has them; the pointer moves on only in reads. Until 2 ms after a reset the
trimming values are not there. Not modelled: IIR filter, SPI.
"""

import struct

from . import Faults

_NACK = 19  # ENODEV, as the ESP32's I2C says it
_ID = 0xD0
_RESET = 0xE0
_STATUS = 0xF3
_CONTROL = 0xF4
_CONFIG = 0xF5
_DATA = 0xF7
_TRIM = 0x88
_DEAF_US = 1000
_COPY_US = 2000
_STANDBY_US = (500, 62500, 125000, 250000, 500000, 1000000, 2000000, 4000000)
_TIMES = (0, 1, 2, 4, 8, 16, 16, 16)  # oversampling by its code
TRIM = (27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)


def solve(function, target, x):
    """Return x at which an almost linear function is the target; x begins near it."""
    for _ in range(8):
        value = function(x)
        off = target - value
        if -1e-6 < off < 1e-6:
            break
        x += off * 4096 / (function(x + 4096) - value)
    return x


class Bmp280(Faults):
    """A BMP280 on I2C, powered for long enough when it is made.

    Faults: `nack` (does not answer), `wrong_id` (is a BME280, or a BMP280 in its place), `slow`
    (never finishes measuring), `untrimmed` (trimming values are 0), `brownout` (starts anew, at
    once). `adc`, if set, is what the converter says: (temperature, pressure, humidity).
    """

    ADDRESSES = (0x76, 0x77)
    RATES = ()
    FAULTS = ("nack", "wrong_id", "slow", "untrimmed", "brownout")
    IDENTITY = 0x58
    OTHER = 0x60

    @staticmethod
    def limits(_options):
        """Return ((lowest, highest), ...) raw values: -40..85 Cel / 100, 300..1100 hPa / 200."""
        return ((-4000, 8500), (60000, 220000))

    def __init__(self, source, clock_us, _options=None):
        super().__init__()
        self._source = source
        self._clock_us = clock_us
        self._ended = False
        self.adc = None
        self.trim(TRIM)
        self._reset(-_COPY_US)

    def trim(self, values):
        """Set the trimming values, T1 to P9."""
        self._trim = values

    def fault(self, kind, on=True):
        """Begin or end a fault; a brownout is over at once."""
        super().fault(kind, on)
        if kind == "brownout" and on:
            self.faults.discard(kind)
            self._reset()

    def _reset(self, ago_us=0):
        self._reset_us = self._clock_us() + ago_us
        self._registers = bytearray(256)
        self._set_data(0x80000, 0x80000, 0x8000)
        self._pointer = 0
        self._busy_us = 0
        self.oversampled = 0  # the humidity's, as taken over by the last write of the control

    def write(self, data):
        """Take a pointer, or pairs of register and value."""
        self._answer()
        if not data:
            return
        self._advance()
        self._pointer = data[0]
        for i in range(0, len(data) - 1, 2):
            self._set(data[i], data[i + 1])

    def read_into(self, buf):
        """Give registers from the pointer on."""
        self._answer()
        self._advance()
        self._show()
        for i in range(len(buf)):
            buf[i] = self._registers[self._pointer]
            self._pointer = (self._pointer + 1) & 0xFF

    def _answer(self):
        if "nack" in self.faults or self._clock_us() - self._reset_us < _DEAF_US:
            raise OSError(_NACK)

    def _set(self, register, value):
        if register == _RESET:
            if value == 0xB6:
                self._reset()
        elif register == _CONTROL:
            self._registers[register] = value
            self.oversampled = self._registers[0xF2]
            if value & 3:
                self._busy_us = self._clock_us() + self.duration_us()
                self._convert(self._clock_us())
        elif register == _CONFIG or (register == 0xF2 and self.IDENTITY == 0x60):
            self._registers[register] = value

    def duration_us(self):
        """Return the longest time of a measurement."""
        control = self._registers[_CONTROL]
        pressure = _TIMES[control >> 2 & 7]
        us = 1250 + 2300 * (_TIMES[control >> 5] + pressure)
        return us + 575 if pressure else us

    def _advance(self):
        """Finish what is due; in normal mode, begin anew as often."""
        if not self._busy_us or "slow" in self.faults or self._clock_us() < self._busy_us:
            return
        if self._registers[_CONTROL] & 3 == 3:
            cycle = self.duration_us() + _STANDBY_US[self._registers[_CONFIG] >> 5]
            late = (self._clock_us() - self._busy_us) // cycle
            if late:
                self._convert(self._busy_us + late * cycle)
            self._set_data(*self._next)
            self._busy_us += (late + 1) * cycle
        else:
            self._registers[_CONTROL] &= ~3
            self._busy_us = 0
            self._set_data(*self._next)

    def _show(self):
        """Put what a read sees now into the registers."""
        registers = self._registers
        copying = self._clock_us() - self._reset_us < _COPY_US
        forced = self._busy_us and registers[_CONTROL] & 3 != 3
        registers[_ID] = self.OTHER if "wrong_id" in self.faults else self.IDENTITY
        registers[_STATUS] = (0x08 if forced else 0) | (0x01 if copying else 0)
        blank = copying or "untrimmed" in self.faults
        for at, data in self.trim_bytes():
            registers[at : at + len(data)] = bytes(len(data)) if blank else data

    def trim_bytes(self):
        """Return (register, bytes) of the trimming values."""
        return ((_TRIM, struct.pack("<HhhHhhhhhhhh", *self._trim)),)

    def _set_data(self, temperature, pressure, humidity):
        values = pressure << 44 | temperature << 20 | humidity
        data = [values >> shift & 0xFF for shift in (56, 48, 40, 32, 24, 16, 8, 0)]
        self._registers[_DATA : _DATA + 8] = bytes(data)

    def _convert(self, now):
        """Work out what the converter will say of what there is now."""
        values = None if self._ended and not self.adc else self._source.at(now)
        if values is None and not self.adc:
            self._ended = True
            raise OSError(_NACK)
        self._next = self.adc or self._counts(values)

    def _counts(self, values):
        values = list(values)
        if self._source.raw:
            for i in range(len(values)):
                values[i] *= (0.01, 0.5, 0.01)[i]
        control = self._registers[_CONTROL]
        celsius = max(-40.0, min(85.0, values[0]))
        t = _counted(solve(self._fine, 5120 * celsius, 524288), 20, control >> 5)
        fine = self._fine(t)
        pascal = max(30000.0, min(110000.0, values[1]))
        p = solve(lambda x: self._pascal(fine, x), pascal, 400000)
        return t, _counted(p, 20, control >> 2 & 7), self.humidity_counts(fine, values)

    def humidity_counts(self, _fine, _values):
        """Return what the converter says of the humidity, which this part does not measure."""
        return 0x8000

    def _fine(self, adc):
        t1, t2, t3 = self._trim[:3]
        first = (adc / 16384 - t1 / 1024) * t2
        return first + (adc / 131072 - t1 / 8192) ** 2 * t3

    def _pascal(self, fine, adc):
        p1, p2, p3, p4, p5, p6, p7, p8, p9 = self._trim[3:]
        v1 = fine / 2 - 64000
        v2 = v1 * v1 * p6 / 32768 + v1 * p5 * 2
        v2 = v2 / 4 + p4 * 65536
        v1 = (p3 * v1 * v1 / 524288 + p2 * v1) / 524288
        p = (1048576 - adc - v2 / 4096) * 6250 / ((1 + v1 / 32768) * p1)
        return p + (p9 * p * p / 2147483648 + p * p8 / 32768 + p7) / 16


def _counted(x, bits, code):
    """Return counts of the resolution that an oversampling gives without the filter."""
    if not code:
        return 0x80000  # skipped
    coarse = max(0, 5 - min(code, 5))
    return max(0, min((1 << bits) - 1, round(x / (1 << coarse)) << coarse))


CHIP = Bmp280

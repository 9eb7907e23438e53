"""Model of the BME280: a BMP280 and humidity.

Source: BME280 datasheet Rev. 1.23, 4.2.2 (trimming values), 4.2.3 and 8.1 (compensation), 5.4
(registers), 9.1 (time). The humidity's trimming values are those of a common part.
"""

from .bmp280 import Bmp280, solve

_TRIM_H = (75, 360, 0, 316, 50, 30)


class Bme280(Bmp280):
    """A BME280 on I2C; faults as the BMP280."""

    IDENTITY = 0x60
    OTHER = 0x58

    @staticmethod
    def limits(options):
        """Return ((lowest, highest), ...) raw values: the BMP280's, and 0..100 %RH / 100."""
        temperature, pressure = Bmp280.limits(options)
        return temperature, pressure, (0, 10000)

    def __init__(self, source, clock_us, options=None):
        self.trim_humidity(_TRIM_H)
        super().__init__(source, clock_us, options)

    def trim_humidity(self, values):
        """Set the trimming values, H1 to H6."""
        self.trim_h = values

    def duration_us(self):
        """Return the longest time of a measurement."""
        us = super().duration_us()
        times = (0, 1, 2, 4, 8, 16, 16, 16)[self.oversampled & 7]
        return us + 2300 * times + 575 if times else us

    def trim_bytes(self):
        """Return (register, bytes) of the trimming values."""
        h1, h2, h3, h4, h5, h6 = self.trim_h
        shared = h4 & 0x0F | (h5 & 0x0F) << 4
        more = (h2 & 0xFF, h2 >> 8 & 0xFF, h3, h4 >> 4 & 0xFF, shared, h5 >> 4 & 0xFF, h6 & 0xFF)
        (common,) = super().trim_bytes()
        return common, (0xA1, bytes((h1,))), (0xE1, bytes(more))

    def humidity_counts(self, fine, values):
        """Return what the converter says of the humidity."""
        if not self.oversampled & 7:
            return 0x8000  # skipped
        wanted = max(0.0, min(100.0, values[2]))
        counts = solve(lambda x: self.percent(fine, x), wanted, 30000)
        return max(0, min(0xFFFF, round(counts)))

    def percent(self, fine, adc):
        """Return the humidity of counts, before it is cut."""
        h1, h2, h3, h4, h5, h6 = self.trim_h
        v = fine - 76800
        slope = h2 / 65536 * (1 + h6 / 67108864 * v * (1 + h3 / 67108864 * v))
        h = (adc - (h4 * 64 + h5 / 16384 * v)) * slope
        return h * (1 - h1 * h / 524288)


CHIP = Bme280

"""BME280: temperature, barometric pressure and relative humidity, compensated on the board.

Maker: Bosch Sensortec (DE)
Bus: I2C 0x76, 0x77
Source: BME280 datasheet Rev. 1.23, 4.2 (compensation), 5 (registers), 9.1 (time)
Rates: on demand; one measurement takes 46.1 ms at most

A BMP280 and humidity; see there for how, and how exactly. Humidity is the datasheet's formula in
double precision to 0.001 %RH before rounding, cut to 0..100 %RH as the datasheet does.
"""

import struct

from motefw.compat import const
from motefw.drivers.bmp280 import BMP280, product16

_TRIM_H1 = const(0xA1)
_TRIM_H2 = const(0xE1)
_HUMIDITY_X1 = const(b"\xf2\x01")  # takes effect with the next measurement that is asked for


class BME280(BMP280):
    """Measures when asked."""

    ID = (0xD0, 0x60)
    CHANNELS = (
        ("temperature", "Cel", 0.01, 0),
        ("pressure", "Pa", 0.5, 0),
        ("humidity", "%RH", 0.01, 0),
    )
    WAIT_MS = 47
    BURST = 12

    def configure(self):
        """Reset the part, fetch its trimming values, have it measure humidity."""
        super().configure()
        h1 = self.bus.readfrom_mem(self.address, _TRIM_H1, 1)[0]
        data = self.bus.readfrom_mem(self.address, _TRIM_H2, 7)
        h2, h3, h4, low, h5, h6 = struct.unpack("<hBbBbb", data)
        self.humid = (h1, h2, h3, h4 << 4 | low & 0x0F, h5 << 4 | low >> 4, h6)
        self.bus.writeto(self.address, _HUMIDITY_X1)

    def fill(self, block, i):
        """Put the values of the burst into row i; return the fine temperature, Cel / 5120."""
        fine = super().fill(block, i)
        block.columns[2][i] = self.humidity(fine - 76800)
        return fine

    def humidity(self, v):
        """Return the humidity in 0.01 %RH; v is the fine temperature less 15 Cel."""
        data = self.data
        h1, h2, h3, h4, h5, h6 = self.humid
        offset = product16(v, h5 << 5) + (h4 << 9)  # 1/8 count
        slope = product16(v * h6 >> 6, (v * h3 >> 11) + 32768) + 524288
        slope = (slope >> 2) * h2 >> 6
        h = product16(((data[10] << 8 | data[11]) << 3) - offset, slope)  # %RH / 16384
        sixteenth = h >> 4
        h -= product16(sixteenth, sixteenth) * h1 >> 9
        return max(0, min(10000, h * 100 + 8192 >> 14))


DRIVER = BME280

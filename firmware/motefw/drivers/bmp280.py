"""BMP280: temperature and barometric pressure, compensated on the board in integers.

Maker: Bosch Sensortec (DE)
Bus: I2C 0x76, 0x77
Source: BMP280 datasheet Rev. 1.14, 3.8.1 (time), 3.12 (example), 4 (registers), 8 (formulas)
Rates: on demand; one measurement takes 43.2 ms at most

What the converter gives means nothing without the part's trimming values, and no scale and offset
turn it into Pa: so it is compensated here. Temperature is the datasheet's 32-bit formula. Pressure
is the one that the datasheet gives in double precision, in steps that stay within the 31 bits of a
small integer while the part is within its range: it differs from that by less than 0.2 Pa, the
part's own noise is 1.3 Pa. Pressure is oversampled 16 times, temperature twice, as the datasheet
has it for the highest resolution; the part's filter stays off, so that samples are independent.
"""

import struct
import time

from motefw.compat import const
from motefw.driver import Driver

_TRIM = const(0x88)
_STATUS = const(0xF3)
_RESET = const(b"\xe0\xb6")
_MARK = const(b"\xf5\x20")  # a standby time, unused in forced mode: gone after a loss of supply
_FORCED = const(b"\xf4\x55")  # osrs_t[7:5] x2, osrs_p[4:2] x16, mode[1:0] forced
_MEASURING = const(0x08)
_COPYING = const(0x01)
_MODE = const(0x03)
_TRIES = const(5)
_LONG_DIVISION = (25, 40, 40, 20)


def product16(a, b):
    """Return a * b >> 16; exact, with intermediates 8 bits shorter than a * b."""
    return a * (b >> 8) + (a * (b & 0xFF) >> 8) >> 8


class BMP280(Driver):
    """Measures when asked."""

    ADDRESSES = (0x76, 0x77)
    ID = (0xD0, 0x58)
    CHANNELS = (("temperature", "Cel", 0.01, 0), ("pressure", "Pa", 0.5, 0))
    WAIT_MS = 44
    BURST = 10  # bytes from the status on: status, control, configuration, a hole, values

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self.data = bytearray(self.BURST)
        self.trim: tuple = ()

    def configure(self):
        """Reset the part and fetch its trimming values."""
        self.bus.writeto(self.address, _RESET)
        for _ in range(_TRIES):
            time.sleep_ms(2)
            if not self.bus.readfrom_mem(self.address, _STATUS, 1)[0] & _COPYING:
                break
        self.trim = struct.unpack("<H2hH8h", self.bus.readfrom_mem(self.address, _TRIM, 24))
        if not self.trim[0] or not self.trim[3]:
            raise self.error("its trimming values are missing")
        self.bus.writeto(self.address, _MARK)
        self.period_us = 1000000

    def measure(self):
        """Begin one measurement; return the milliseconds it takes."""
        self.bus.writeto(self.address, _FORCED)
        return self.WAIT_MS

    def read(self, block):
        """Append one sample; nothing is appended when it raises."""
        data = self.data
        for _ in range(_TRIES):
            self.bus.readfrom_mem_into(self.address, _STATUS, data)
            if not (data[0] & _MEASURING or data[1] & _MODE):
                break
            time.sleep_ms(2)
        else:
            raise self.error("it still measures")
        if data[2] != _MARK[1]:
            raise self.error("it has lost its settings (supply interrupted?)")
        i = block.count
        self.fill(block, i)
        block.count = i + 1

    def fill(self, block, i):
        """Put the values of the burst into row i; return the fine temperature, Cel / 5120."""
        data = self.data
        t1 = self.trim[0]
        adc = data[7] << 12 | data[8] << 4 | data[9] >> 4
        fine = ((adc >> 3) - (t1 << 1)) * self.trim[1] >> 11
        adc = (adc >> 4) - t1
        fine += (adc * adc >> 12) * self.trim[2] >> 14
        block.columns[0][i] = fine * 5 + 128 >> 8
        block.columns[1][i] = self.pressure(fine)
        return fine

    def pressure(self, fine):
        """Return the pressure in 0.5 Pa."""
        data = self.data
        _, _, _, p1, p2, p3, p4, p5, p6, p7, p8, p9 = self.trim
        v = (fine >> 1) - 64000
        square = product16(v, v)
        divisor = product16(square, p3 << 1) + product16(v, p2 << 4)  # correction of p1, 2^-22
        divisor = (p1 << 6) + product16(p1, divisor)
        rest = (1048576 << 4) - (data[4] << 16 | data[5] << 8 | data[6])
        rest -= product16(square, p6 << 7) + product16(v, p5 << 7) + (p4 << 8)
        p = 0  # rest * 800000 // divisor in four steps: Pa / 32
        for factor in _LONG_DIVISION:
            rest *= factor
            p = p * factor + rest // divisor
            rest %= divisor
        half = p >> 4
        p += product16(product16(half, half), p9) + (product16(p, p8) >> 3) + (p7 << 1)
        return p + 8 >> 4


DRIVER = BMP280

"""QMI8658A, QMI8658C: acceleration, and rotation where wanted, 16 bits out of a FIFO of 128.

Maker: QST (CN)
Bus: I2C 0x6B, 0x6A
Source: QMI8658A datasheet 13-52-25 Rev. A, chapters 5 "UI Sensor Configuration", 7.4, 8 "FIFO"
Rates: 31, 62, 125, 250 Hz; with the gyroscope its clock paces both, 10.3 % slower
Unverified: CTRL1 bit 5, 0 for low byte first; that a FIFO may be given back before it is empty

While its FIFO is read the part discards new samples (chapter 8.7). So eight samples at a time are
read, right after a new one has come; the part's own count of samples tells whether one was missed
all the same: a gap. Beyond 250 Hz there is no time for it. `gyro_dps` is the gyroscope's range; 0
leaves it off and its channels out. 31 Hz are 31.25, 62 Hz are 62.5.
"""

import time

from motefw.accelerometer import Fifo
from motefw.compat import const

_CTRL1 = const(0x02)
_CTRL2 = const(0x03)
_CTRL3 = const(0x04)
_CTRL5 = const(0x06)
_CTRL7 = const(0x08)
_CTRL8 = const(0x09)
_CTRL9 = const(0x0A)
_FIFO_CTRL = const(0x14)
_FIFO_COUNT = const(0x15)
_FIFO_DATA = const(0x17)
_STATUSINT = const(0x2D)
_TIMESTAMP = const(0x30)
_RESET = const(0x60)
_RESET_DONE = const(0x4D)
_DONE = const(0x80)
_STREAM_128 = const(0x0E)
_AT_ONCE = const(8)
_RATES = {250: 5, 125: 6, 62: 7, 31: 8}  # Hz: code
_RANGES = (2, 4, 8, 16)
_DPS = (0, 16, 32, 64, 128, 256, 512, 1024)


class QMI8658(Fifo):
    """Streams (x, y, z) of acceleration, then of rotation."""

    ADDRESSES = (0x6B, 0x6A)
    ID = (0x00, 0x05)
    OPTIONS = (
        ("rate_hz", 125, tuple(sorted(_RATES))),
        ("range_g", 4, _RANGES),
        ("gyro_dps", 0, _DPS),
    )
    FIFO = 128
    DATA = _FIFO_DATA
    RUNS = (_CTRL7, 0x01)

    def __init__(self, bus, address=None):
        super().__init__(bus, address)
        self._count = bytearray(2)

    def configure(self, rate_hz, range_g, gyro_dps):
        """Reset the part, empty the FIFO and begin."""
        self.put(_RESET, 0xB0)
        for _ in range(40):  # 15 ms at most, 150 ms after power-on
            time.sleep_ms(5)
            if self.get(_RESET_DONE) == 0x80:
                break
        else:
            raise self.error("its reset does not end")
        code = _RATES[rate_hz]
        self.put(_CTRL1, 0x40)  # addresses count up, low byte first
        self.put(_CTRL2, _RANGES.index(range_g) << 4 | code)
        self.put(_CTRL3, max(_DPS.index(gyro_dps) - 1, 0) << 4 | code)
        self.put(_CTRL5, 0x77 if gyro_dps else 0x07)  # low-pass filters at 13.37 % of the rate
        self.put(_CTRL8, 0x80)  # STATUSINT tells of commands done
        self._command(0x04)  # empty the FIFO
        self.put(_FIFO_CTRL, _STREAM_128)
        self.put(_CTRL7, 0x03 if gyro_dps else 0x01)
        self.data = bytearray(12 if gyro_dps else 6)
        self.period_us = (156250 << code) // 1121 if gyro_dps else 125 << code

    def waiting(self):
        """Return how many samples wait; the part counts words of two bytes."""
        self.fetch(self.address, _FIFO_COUNT, self._count)
        return 2 * (self._count[0] | (self._count[1] & 3) << 8) // len(self.data)

    def pending(self):
        """See Fifo; but for less than eight samples it is not worth it."""
        waiting = super().pending()
        return waiting - waiting % _AT_ONCE

    def drain(self, block, n):
        """See Fifo; after a sample was missed nothing is given until the gap has been seen."""
        waiting = self.waiting()
        if self.ran_over(waiting) or waiting < n:
            return
        while n > 0 and not self.gap:
            self._take(block, min(n, _AT_ONCE))
            n -= _AT_ONCE

    def _take(self, block, n):
        """Read n samples out of the FIFO before the next new one comes."""
        newest = self._await_sample()
        self._command(0x05)
        try:
            self.take(block, n)
        finally:
            self.put(_FIFO_CTRL, _STREAM_128)
        self.gap = self.get(_TIMESTAMP) != newest

    def _await_sample(self):
        """Wait for a new sample; return the low byte of its number."""
        before = self.get(_TIMESTAMP)
        for _ in range(self.period_us // 100 + 10):
            newest = self.get(_TIMESTAMP)
            if newest != before:
                return newest
            time.sleep_us(100)
        return before  # it has fallen silent: what waits can be taken

    def stop(self):
        """Switch both sensors off."""
        self.put(_CTRL7, 0)

    def _command(self, code):
        """Have a command carried out, and acknowledge it."""
        self._shake(code, _DONE)
        self._shake(0, 0)

    def _shake(self, code, done):
        self.put(_CTRL9, code)
        for _ in range(100):
            if self.get(_STATUSINT) & _DONE == done:
                return
            time.sleep_us(100)
        raise self.error(f"command 0x{code:02x} does not end")


DRIVER = QMI8658

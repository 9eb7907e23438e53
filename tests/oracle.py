"""What Adafruit's drivers need to read our chip models: a busio I2C and UART, and a clock."""

import os

from motefw import drivers

os.environ.setdefault("BLINKA_SKIP_DEPENDENCY_CHECK", "1")


def physical(driver, row):
    """Return a row of raw values in the units of the driver's channels."""
    channels = drivers.load(driver).CHANNELS
    return tuple(
        raw * scale + offset for raw, (_, _, scale, offset) in zip(row, channels, strict=True)
    )


class Clock:
    """Time that passes when somebody sleeps; stands in for the module `time`."""

    def __init__(self):
        self.now_us = 1000

    def clock_us(self):
        return self.now_us

    def sleep(self, seconds):
        self.now_us += round(1e6 * seconds)

    def monotonic(self):
        return self.now_us / 1e6


class Rows:
    """A source over rows, raw or physical, that begins again at its end."""

    def __init__(self, rows, raw=True):
        self.rows, self.raw, self.next = rows, raw, 0

    def sample(self, i):
        return tuple(self.rows[i % len(self.rows)])

    def at(self, _t_us):
        self.next += 1
        return self.sample(self.next - 1)


class BusioI2C:
    """busio.I2C over our bus; `flip` (byte, mask) changes what is read."""

    def __init__(self, bus):
        self._bus = bus
        self.flip = None

    def try_lock(self):
        return True

    def unlock(self):
        pass

    def writeto(self, address, buffer, *, start=0, end=None):
        self._bus.writeto(address, bytes(buffer[start:end]))

    def readfrom_into(self, address, buffer, *, start=0, end=None):
        data = bytearray(len(buffer[start:end]))
        self._bus.readfrom_into(address, data)
        if self.flip:
            at, mask = self.flip
            data[at] ^= mask
        buffer[start : start + len(data)] = data

    def writeto_then_readfrom(
        self, address, out, into, *, out_start=0, out_end=None, in_start=0, in_end=None
    ):
        self.writeto(address, out, start=out_start, end=out_end)
        self.readfrom_into(address, into, start=in_start, end=in_end)


class BusioUart:
    """busio.UART over fixed bytes."""

    def __init__(self, data):
        self._data = data

    def read(self, n):
        data, self._data = self._data[:n], self._data[n:]
        return data or None

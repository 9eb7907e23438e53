"""Hardware at the port's boundary, for the real firmware on the real VM: clock, line, buses."""

import asyncio
import errno
import os
import random
import time


class Ticks:
    """A clock that moves when told; wraps where the ESP32's does on a 32-bit build."""

    def __init__(self, start_us=0):
        self._us = time.ticks_add(start_us, 0)
        self._ms = 0
        self._rest = 0

    def ticks_us(self):
        return self._us

    def ticks_ms(self):
        return self._ms

    def pass_us(self, us):
        while us > 0:
            part = min(us, 100_000_000)
            us -= part
            self._us = time.ticks_add(self._us, part)
            self._rest += part
            self._ms = time.ticks_add(self._ms, self._rest // 1000)
            self._rest %= 1000

    def pass_ms(self, ms):
        self.pass_us(1000 * ms)


class Line:
    """A serial line: `out` collects what the board writes, `send` gives it bytes."""

    def __init__(self):
        self.out = bytearray()
        self._in = bytearray()
        self._event = asyncio.Event()

    def write(self, data):
        self.out.extend(data)
        return len(data)

    def send(self, data):
        self._in += data
        self._event.set()

    def take(self):
        """Return the next byte that waits, -1 if none does."""
        if not self._in:
            return -1
        b = self._in[0]
        self._in = self._in[1:]
        return b

    async def readinto(self, buf):
        while not self._in:
            self._event.clear()
            await self._event.wait()
        n = min(len(buf), len(self._in))
        buf[:n] = self._in[:n]
        self._in = self._in[n:]
        return n


class Port:
    """A board under real time whose files are in a folder."""

    def __init__(self, root, devices=None, wrap=True):
        self.root = root + "/"
        self.serial = Line()
        self.devices = devices or {}
        self.fed = 0
        self.held = 0
        self.resets = 0
        self.recovered = []
        self.stopper = None
        start = (
            time.ticks_add(0, -2_000_000) if wrap else 0
        )  # the ticks wrap two seconds after the start
        self._start = time.ticks_diff(start, time.ticks_us())
        self.ticks_diff = time.ticks_diff

    def unique_id(self):
        return b"\x24\x0a\xc4\x00\x01\x02"

    def ticks_us(self):
        return time.ticks_add(time.ticks_us(), self._start)

    def ticks_ms(self):
        return time.ticks_ms()

    def reset_cause(self):
        return "power_on"

    def reset(self):
        self.resets += 1

    def random(self, n):
        return os.urandom(n)

    def heap(self):
        import gc

        return gc.mem_free()

    def on_stop(self, callback):
        self.stopper = callback

    def i2c(self, spec):
        return Bus(self.devices)

    def uart(self, spec):
        return self.devices["uart"]

    def recover(self, name):
        self.recovered.append(name)

    def watchdog(self, timeout_ms):
        return self

    def feed(self):
        self.fed += 1

    def hold(self, minutes):
        self.held += minutes


class Bus:
    """I2C: devices by address, each with `write(data)` and `read_into(buf)`."""

    def __init__(self, devices):
        self.devices = devices
        self._one = bytearray(1)

    def _device(self, address):
        if address not in self.devices:
            raise OSError(errno.ENODEV)
        return self.devices[address]

    def readfrom_mem_into(self, address, register, buf):
        device = self._device(address)
        self._one[0] = register
        device.write(self._one)
        device.read_into(buf)

    def readfrom_mem(self, address, register, n):
        buf = bytearray(n)
        self.readfrom_mem_into(address, register, buf)
        return bytes(buf)

    def writeto_mem(self, address, register, data):
        self._device(address).write(bytes((register,)) + bytes(data))

    def writeto(self, address, data):
        self._device(address).write(data)

    def readfrom_into(self, address, buf):
        self._device(address).read_into(buf)


class Silent:
    """A UART on which nothing is connected."""

    def any(self):
        return 0

    def write(self, data):
        return len(data)


def seed(n):
    """Make `random` repeatable."""
    random.seed(n)

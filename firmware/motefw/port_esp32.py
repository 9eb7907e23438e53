"""The hardware of an ESP32 of any kind under stock MicroPython; nothing else imports `machine`.

Ref: MicroPython documentation, "Quick reference for the ESP32", `machine`, `select`.
"""

import asyncio
import gc
import os
import select
import sys
import time

import machine

from .compat import const

_CTRL_C = const(3)
_NEXT_MS = const(5)
_RXBUF_BYTES = const(1024)
_TXBUF_BYTES = const(256)
_I2C_TIMEOUT_US = const(50000)
_HALF_CLOCK_US = const(5)  # 100 kHz, which every part can follow
_FEED_MS = const(5000)
_HOLD_TIMER = const(0)
_WATCHDOG_MS = const(30000)
_RESETS = (
    ("PWRON_RESET", "power_on"),  # brownouts report themselves as this one, too
    ("HARD_RESET", "hard"),
    ("WDT_RESET", "watchdog"),
    ("DEEPSLEEP_RESET", "deep_sleep"),
    ("SOFT_RESET", "soft"),
)


class Serial:
    """The line of the prompt: UART0 or USB, as this board's MicroPython has it.

    It is read as bytes, one at a time: the text layer waits for the rest of a UTF-8 character, and
    a read of more bytes than are there blocks.
    """

    def __init__(self):
        self._in = sys.stdin.buffer
        self._reader = asyncio.StreamReader(self._in)
        self._poller = select.poll()
        self._poller.register(self._in, select.POLLIN)
        self._one = bytearray(1)
        self.write = sys.stdout.buffer.write

    async def readinto(self, buf):
        """Wait for input; return how many bytes were put into buf, at least 1.

        Where Ctrl-C comes as a byte it is the last one: what lies behind it may be the prompt's.
        """
        n = 0
        while n < len(buf):
            if n and not self._ready():
                break
            if n:
                self._in.readinto(self._one)
            else:
                await self._reader.readinto(self._one)
            buf[n] = self._one[0]
            n += 1
            if self._one[0] == _CTRL_C:
                break
        return n

    def take(self):
        """Return the next byte, -1 if none comes within a few bytes' time."""
        if not self._ready(_NEXT_MS):
            return -1
        self._in.readinto(self._one)
        return self._one[0]

    def _ready(self, wait_ms=0):
        for _ in self._poller.ipoll(wait_ms):
            return True
        return False


class Port:
    """What `app.run` is handed; see the methods. The radio is off unless asked for."""

    root = "/"

    def __init__(self):
        self._i2c = {}
        self._serial = None
        self._feeds = 0
        self.ticks_ms = time.ticks_ms
        self.ticks_us = time.ticks_us
        self.ticks_diff = time.ticks_diff

    @property
    def serial(self):
        """The line of the prompt."""
        if self._serial is None:
            self._serial = Serial()
        return self._serial

    def unique_id(self):
        """Return the six bytes of the chip's base MAC address."""
        return machine.unique_id()

    def reset_cause(self):
        """Return why the board booted, as a word."""
        cause = machine.reset_cause()
        for name, word in _RESETS:
            if cause == getattr(machine, name, None):
                return word
        return "unknown"

    def reset(self):
        """Boot again, as if power had come."""
        machine.reset()

    def random(self, n):
        """Return n random bytes; truly random only while a radio runs, else pseudo-random."""
        return os.urandom(n)

    def heap(self):
        """Return the bytes free for Python, with what could still be taken from IDF."""
        return gc.mem_free()

    def on_stop(self, callback):
        """Nothing ends a board but its power."""

    def i2c(self, spec):
        """Return the I2C bus of a configuration's entry, which knows its own name."""
        self._i2c[spec["name"]] = spec
        return self._open_i2c(spec)

    def _open_i2c(self, spec):
        return machine.I2C(
            spec["id"],
            scl=machine.Pin(spec["scl"]),
            sda=machine.Pin(spec["sda"]),
            freq=spec["hz"],
            timeout=_I2C_TIMEOUT_US,
        )

    def uart(self, spec):
        """Return the UART of a configuration's entry; reads return at once with what is there."""
        return machine.UART(
            spec["id"],
            baudrate=spec["baud"],
            tx=machine.Pin(spec["tx"]),
            rx=machine.Pin(spec["rx"]),
            rxbuf=_RXBUF_BYTES,
            txbuf=_TXBUF_BYTES,
            timeout=0,
        )

    def onewire(self, spec):
        """Return the one-wire bus of a configuration's entry; it needs a pull-up of 4.7 kOhm."""
        import onewire

        return onewire.OneWire(machine.Pin(spec["data"]))

    def wlan(self):
        """Return the radio as a station in a network; it is off until it is made active."""
        import network

        return network.WLAN(network.WLAN.IF_STA)

    def recover(self, name):
        """Free an I2C bus whose SDA a part holds low after a transfer that was cut short.

        Nine clocks let it shift its byte out; START and STOP end what it thinks goes on (NXP
        UM10204, 3.1.16). Then the peripheral is set up again on the same pins.
        """
        spec = self._i2c.get(name)
        if spec is None:
            return
        scl = machine.Pin(spec["scl"], machine.Pin.OPEN_DRAIN, value=1)
        sda = machine.Pin(spec["sda"], machine.Pin.OPEN_DRAIN, value=1)
        for _ in range(9):
            scl(0)
            time.sleep_us(_HALF_CLOCK_US)
            scl(1)
            time.sleep_us(_HALF_CLOCK_US)
        for pin, level in ((sda, 0), (scl, 0), (scl, 1), (sda, 1)):
            pin(level)
            time.sleep_us(_HALF_CLOCK_US)
        self._open_i2c(spec)

    def watchdog(self, timeout_ms):
        """Start the watchdog, which nothing can stop, and return it; a hold ends."""
        machine.Timer(_HOLD_TIMER).deinit()
        return machine.WDT(timeout=timeout_ms)

    def hold(self, minutes):
        """Feed the watchdog from a timer for so long; after that it resets the board."""
        watchdog = self.watchdog(_WATCHDOG_MS)
        self._feeds = minutes * 60000 // _FEED_MS

        def feed(timer):
            self._feeds -= 1
            if self._feeds > 0:
                watchdog.feed()
            else:
                timer.deinit()

        watchdog.feed()
        timer = machine.Timer(_HOLD_TIMER)
        timer.init(period=_FEED_MS, mode=machine.Timer.PERIODIC, callback=feed)


def hold_after_soft_reset(minutes):
    """Keep a board whose watchdog runs alive at a prompt that a soft reset led to.

    A soft reset ends timers, not the watchdog, and a tool may have asked for one that skips
    main.py.
    """
    port = Port()
    if port.reset_cause() == "soft":
        port.hold(minutes)

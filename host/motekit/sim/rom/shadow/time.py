"""`time` of a virtual board: its clock, real or virtual, since 2000 as on the ESP32."""

import utime as _time
from rom import clock as _clock

ticks_ms = _clock.ticks_ms
ticks_us = _clock.ticks_us
ticks_cpu = _clock.ticks_us
ticks_diff = _clock.ticks_diff
ticks_add = _clock.ticks_add
sleep_us = _clock.sleep_us
_EPOCH_2000_S = 946684800
_base_s = 0


def sleep_ms(ms):
    """As on a board."""
    sleep_us(ms * 1000)


def sleep(s):
    """As on a board."""
    sleep_us(int(s * 1000000))


def time():
    """Return whole seconds since 2000."""
    return _base_s + _clock.now_us() // 1000000


def time_ns():
    """Return nanoseconds since 2000."""
    return _base_s * 1000000000 + _clock.now_us() * 1000


def gmtime(s=None):
    """As on a board."""
    return _time.gmtime((time() if s is None else int(s)) + _EPOCH_2000_S)[:8]


localtime = gmtime


def mktime(t):
    """As on a board."""
    return int(_time.mktime(tuple(t)[:8] + (0,))) - _EPOCH_2000_S

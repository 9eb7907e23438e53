"""The one clock of a virtual board: real, or virtual (sleeping costs nothing).

Scenario time is kept as `now_ms` and `sub_us`; ticks wrap at 2^30 on every build, as on the
ESP32. All arithmetic stays within 31-bit small integers, so that reading the clock allocates
nothing.

In virtual mode a read of the clock is charged a few microseconds, otherwise busy waits would
never end, and time moves on only when the program sleeps or waits for input that is not there.
The serial line may ask for real time first (`hold`), so that a host's answer arrives at a
reproducible moment.
"""

import utime
from micropython import const

_MASK = const(0x3FFFFFFF)
MASK = _MASK
_HALF = const(0x20000000)
_READ_US = const(4)
_READS_A_LOOK = const(64)
_SLICE_MS = const(1000)  # the longest real wait before events and the supervisor are looked after
_BEAT_MS = const(500)

virtual = False
now_ms = 0
sub_us = 0
_ticks_ms = 0
_ticks_us = 0
_last_us = 0
_reads = 0
_beaten_ms = 0
_events = []  # (at_ms, callback), earliest first
_next_ms = _MASK
look = None  # look(real_ms): receive what the supervisor says; set by `control`
beat = None  # beat(): tell the supervisor that the board lives; set by `control`
hold = None  # hold(): real milliseconds to wait for the host, -1 for ever; set by `line`
released = None  # released(): the host did not answer within `hold`; set by `line`


def setup(is_virtual, start_ms, ticks_ms):
    """Begin at scenario time start_ms, with ticks_ms() at the given value."""
    global virtual, now_ms, _ticks_ms, _last_us
    virtual = is_virtual
    now_ms = start_ms
    _ticks_ms = ticks_ms & _MASK
    _last_us = utime.ticks_us()


def _wrapped(x, d):
    room = _MASK - x
    return d - room - 1 if d > room else x + d


def advance(us):
    """Move time on by 0 <= us < 2^29; run no events."""
    global now_ms, sub_us, _ticks_ms, _ticks_us
    _ticks_us = _wrapped(_ticks_us, us)
    sub_us += us
    if sub_us >= 1000:
        ms = sub_us // 1000
        sub_us -= ms * 1000
        now_ms += ms
        _ticks_ms = _wrapped(_ticks_ms, ms)


def _sync():
    global _last_us
    t = utime.ticks_us()
    advance(utime.ticks_diff(t, _last_us))
    _last_us = t


def _read():
    global _reads
    if virtual:
        advance(_READ_US)
    else:
        _sync()
    if now_ms >= _next_ms:
        _fire()
    _reads += 1
    if _reads >= _READS_A_LOOK:
        _reads = 0
        alive()
        look(0)


def alive():
    """Tell the supervisor now and then, in real time, that the VM is not stuck."""
    global _beaten_ms
    t = utime.ticks_ms()
    if utime.ticks_diff(t, _beaten_ms) >= _BEAT_MS:
        _beaten_ms = t
        beat()


def at(at_ms, callback):
    """Call callback() at a safe point once scenario time reaches at_ms."""
    global _next_ms
    i = 0
    while i < len(_events) and _events[i][0] <= at_ms:
        i += 1
    _events.insert(i, (at_ms, callback))
    _next_ms = _events[0][0]


def cancel(callback):
    """Forget what `at` was asked to call."""
    global _next_ms
    _events[:] = [e for e in _events if e[1] != callback]
    _next_ms = _events[0][0] if _events else now_ms | _MASK


def _fire():
    global _next_ms
    while _events and _events[0][0] <= now_ms:
        _events.pop(0)[1]()
    _next_ms = _events[0][0] if _events else now_ms | _MASK


def ticks_ms():
    """As time.ticks_ms(), with a wrap at 2^30."""
    _read()
    return _ticks_ms


def ticks_us():
    """As time.ticks_us(), with a wrap at 2^30."""
    _read()
    return _ticks_us


def ticks_diff(a, b):
    """As time.ticks_diff()."""
    return ((a - b + _HALF) & _MASK) - _HALF


def ticks_add(a, d):
    """As time.ticks_add()."""
    return (a + d) & _MASK


if utime.ticks_add(0, -1) == _MASK:  # a 32-bit build wraps where the ESP32 does, in C
    ticks_diff = utime.ticks_diff
    ticks_add = utime.ticks_add


def now_us():
    """Return scenario time in microseconds, uncharged; what chip models measure by."""
    if not virtual:
        _sync()
    return now_ms * 1000 + sub_us


def sleep_us(us):
    """Let us microseconds pass: at once in virtual time; the supervisor is heard meanwhile."""
    while us > 0:
        part = us if us < 1000000 else 1000000
        us -= part
        if virtual:
            _skip(part)
        else:
            end = _wrapped(_ticks_us, part)
            while True:
                _sync()
                if now_ms >= _next_ms:
                    _fire()
                left = ticks_diff(end, _ticks_us)
                if left <= 0:
                    break
                alive()
                if left >= 2000:
                    look(min(left // 1000 - 1, _SLICE_MS))
                else:
                    utime.sleep_us(left)
    look(0)
    alive()


def _skip(us):
    """Move virtual time on, stopping at each event on the way."""
    while us > 0:
        part = (_next_ms - now_ms) * 1000 - sub_us if _next_ms - now_ms < 1000 else us
        part = max(part, 0)
        part = min(part, us)
        advance(part)
        us -= part
        if now_ms >= _next_ms:
            _fire()


def idle(ms, ready):
    """Wait until ready(real_ms) finds input or ms (-1: no limit) of the board's time passed."""
    if ready(0):
        return
    alive()
    if virtual:
        _idle_virtual(ms, ready)
    else:
        _idle_real(ms, ready)


def _idle_virtual(ms, ready):
    while True:
        wait_ms = hold()
        while wait_ms:
            alive()
            part = _SLICE_MS if wait_ms < 0 else min(wait_ms, _SLICE_MS)
            if ready(part):
                return
            if wait_ms > 0:
                wait_ms -= part
                if not wait_ms:
                    released()
            wait_ms = hold() if wait_ms < 0 else wait_ms
        if ms < 0 and not _events:
            alive()
            if ready(_SLICE_MS):
                return
            continue
        part = _next_ms - now_ms
        if 0 <= ms < part:
            advance_ms(ms)
            return
        advance_ms(part)
        ms -= part if ms > 0 else 0
        _fire()
        if not ms or ready(0):
            return


def advance_ms(ms):
    """Move time on to the start of a millisecond, ms later."""
    while ms > 0:
        part = min(ms, 500000)
        ms -= part
        advance(part * 1000 - sub_us)


def _idle_real(ms, ready):
    _sync()
    end = now_ms + ms
    while True:
        if now_ms >= _next_ms:
            _fire()
        left = _next_ms - now_ms
        if ms >= 0:
            left = min(left, end - now_ms)
            if left <= 0 and now_ms >= end:
                return
        alive()
        if ready(max(0, min(left, _SLICE_MS))):
            return
        _sync()


def shift(ms, us):
    """Have the counters jump by 0 <= ms, us <= MASK, while scenario time stands still."""
    global _ticks_ms, _ticks_us
    _ticks_ms = _wrapped(_ticks_ms, ms)
    _ticks_us = _wrapped(_ticks_us, us)


_shifted_us = 0


def shift_us(us):
    """Have both counters jump by a few microseconds, forth or back."""
    global _shifted_us
    _shifted_us += us
    ms = _shifted_us // 1000
    _shifted_us -= ms * 1000
    shift(ms & MASK, us & MASK)

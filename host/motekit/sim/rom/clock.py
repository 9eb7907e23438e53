"""The one clock of a virtual board: real, or virtual (sleeping costs nothing).

Ticks wrap at 2^30 on every build, as on the ESP32. What is read often stays within 31-bit small
integers, so that reading the clock allocates nothing; scenario time grows beyond them in 12 days.

In virtual mode a read of the clock is charged a few microseconds, otherwise busy waits would
never end, and time moves on only when the program sleeps or waits for input that is not there.
The serial line may ask for real time first (`hold`), so that a host's answer arrives at a
reproducible moment.
"""

import utime
from micropython import const

from . import fast
from .fast import TIME, advance

_MASK = const(0x3FFFFFFF)
_HALF = const(0x20000000)
_READS_A_LOOK = const(64)
_SLICE_MS = const(1000)  # the longest real wait before events and the supervisor are looked after
_BEAT_MS = const(500)
_LATE_US = const(20000)  # how late a wait may end, and how long the program takes for its work
_OWED_MOST_US = const(60000000)  # of the time that the process has waited for a processor

virtual = False
granted = False  # time is what the supervisor grants, and waits for nobody else; set by `lockstep`
_last_us = 0
_beaten_ms = 0
_owed_us = 0
_waited_us = 0
waits = None  # file of Linux that tells how long this process has waited for a processor
_events = []  # (at_ms, callback), earliest first
look = None  # look(real_ms): receive what the supervisor says; set by `control`
beat = None  # beat(): tell the supervisor that the board lives; set by `control`
hold = None  # hold(): real milliseconds to wait for the host, -1 for ever; set by `line`
released = None  # released(): the host did not answer within `hold`; set by `line`


def setup(is_virtual, start_ms, start_ticks_ms):
    """Begin at scenario time start_ms, with ticks_ms() at start_ticks_ms.

    To be called before others take `ticks_ms`, `ticks_us` and `now_us` from here.
    """
    global virtual, _last_us, now_us, ticks_ms, ticks_us, waits
    virtual = is_virtual
    if is_virtual:
        now_us = _virtual_now_us
        ticks_ms = fast.virtual_ms
        ticks_us = fast.virtual_us
    else:
        try:
            waits = open("/proc/self/schedstat", "rb")
        except OSError:
            pass  # another system
    fast.late = _late
    TIME[1] = start_ticks_ms & _MASK
    TIME[3] = start_ms & _MASK
    TIME[4] = start_ms >> 30
    _last_us = utime.ticks_us()
    _set_next()


def now_ms():
    """Return scenario time in milliseconds."""
    return TIME[3] + (TIME[4] << 30) if TIME[4] else TIME[3]


def _sync(asked_us=0):
    """Have as much time passed as really has, since before a wait of asked_us at most.

    But no board has to wait for its processor, while its sensors' buffers run over: for what a
    busy machine lets this process wait time stands still, and goes a quarter faster afterwards.
    """
    global _last_us, _owed_us
    t = utime.ticks_us()
    us = utime.ticks_diff(t, _last_us)
    _last_us = t
    late_us = us - asked_us - _LATE_US
    if late_us > 0 and waits:
        stolen_us = min(_waited(), late_us)
        _owed_us += stolen_us
        us -= stolen_us
    if _owed_us:
        more_us = _owed_us if _owed_us > _OWED_MOST_US else min(_owed_us, us >> 2)
        _owed_us -= more_us
        us += more_us
    advance(us)


def _waited():
    """Return for how many us this process has waited for a processor, since the last call."""
    global _waited_us
    before_us = _waited_us
    waits.seek(0)
    _waited_us = int(waits.read(64).split()[1]) // 1000
    return _waited_us - before_us


def pause():
    """Have no time pass until `go_on`: the board does not wait, its supervisor does something."""
    if not virtual:
        _sync()


def go_on():
    """Have time pass again, and what has passed since `pause` later."""
    global _last_us, _owed_us
    if not virtual:
        t = utime.ticks_us()
        _owed_us += utime.ticks_diff(t, _last_us)
        _last_us = t


def _late():
    """Look after what is due: events, and now and then the supervisor."""
    _fire()
    if TIME[6] >= _READS_A_LOOK:
        TIME[6] = 0
        alive()
        look(0)


def _read():
    _sync()
    TIME[6] += 1
    if fast.read(0) or TIME[6] >= _READS_A_LOOK:
        _late()


def alive():
    """Tell the supervisor now and then, in real time, that the VM is not stuck."""
    global _beaten_ms
    t = utime.ticks_ms()
    if utime.ticks_diff(t, _beaten_ms) >= _BEAT_MS:
        _beaten_ms = t
        beat()


def at(at_ms, callback):
    """Call callback() at a safe point once scenario time reaches at_ms."""
    i = 0
    while i < len(_events) and _events[i][0] <= at_ms:
        i += 1
    _events.insert(i, (at_ms, callback))
    if not i:
        _set_next()


def cancel(callback):
    """Forget what `at` was asked to call."""
    i = len(_events)
    while i:
        i -= 1
        if _events[i][1] == callback:
            del _events[i]
            if not i:
                _set_next()


def _fire():
    if fast.read(0):
        now = now_ms()
        while _events and _events[0][0] <= now:
            _events.pop(0)[1]()
            now = now_ms()
        _set_next()


def _set_next():
    """Have the clock look at the events at the first one, and at least every six days."""
    left = _HALF - 1
    if _events:
        first = _events[0][0] - now_ms()
        if first < left:
            left = first if first > 0 else 0
    TIME[5] = TIME[3] + left & _MASK


def _left():
    """Return the milliseconds until the clock looks at the events."""
    left = TIME[5] - TIME[3] & _MASK
    return 0 if left >= _HALF else left


def _real_ms():
    """As time.ticks_ms(), with a wrap at 2^30."""
    _read()
    return TIME[1]


def _real_us():
    """As time.ticks_us(), with a wrap at 2^30."""
    _read()
    return TIME[0]


ticks_ms = _real_ms
ticks_us = _real_us


ticks_diff = fast.ticks_diff
ticks_add = fast.ticks_add
if utime.ticks_add(0, -1) == _MASK:  # a 32-bit build wraps where the ESP32 does, in C
    ticks_diff = utime.ticks_diff
    ticks_add = utime.ticks_add


def _real_now_us():
    _sync()
    return _virtual_now_us()


def _virtual_now_us():
    return ((TIME[4] << 30) + TIME[3]) * 1000 + TIME[2]


now_us = _real_now_us  # scenario time in microseconds, uncharged; what chip models measure by


def sleep_us(us):
    """Let us microseconds pass: at once in virtual time; the supervisor is heard meanwhile."""
    while us > 0:
        part = min(us, _HALF // 2 if virtual else 1000000)
        us -= part
        if virtual:
            _skip(part)
        else:
            end = ticks_add(TIME[0], part)
            asked_us = 0
            while True:
                _sync(asked_us)
                if fast.read(0):
                    _fire()
                left = ticks_diff(end, TIME[0])
                if left <= 0:
                    break
                alive()
                asked_us = left
                if left >= 2000:
                    look(min(left // 1000 - 1, _SLICE_MS))
                else:
                    utime.sleep_us(left)
    look(0)
    alive()


def _skip(us):
    """Move virtual time on, stopping at each event on the way."""
    while us > 0:
        left = _left()
        part = min(us, max(0, left * 1000 - TIME[2])) if left <= us // 1000 + 1 else us
        us -= part
        advance(part)
        if fast.read(0):
            _fire()


def idle(ms, ready):
    """Wait until ready(real_ms) finds input or ms (-1: no limit) of the board's time passed."""
    if ready(0) or (granted and ms >= 0 and fast.skip(ms)):
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
        part = _left()
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
        advance(part * 1000 - TIME[2])


def _idle_real(ms, ready):
    _sync()
    end = now_ms() + ms
    while True:
        if fast.read(0):
            _fire()
        left = _left()
        if ms >= 0:
            left = min(left, end - now_ms())
            if left <= 0 and now_ms() >= end:
                return
        alive()
        wait_ms = max(0, min(left, _SLICE_MS))
        came = ready(wait_ms)
        _sync(wait_ms * 1000)
        if came:
            return


def shift(ms, us):
    """Have the counters jump by 0 <= ms, us < 2^30, while scenario time stands still."""
    TIME[0] = TIME[0] + us & _MASK
    TIME[1] = TIME[1] + ms & _MASK

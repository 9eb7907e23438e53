"""The FIFO of an accelerometer as a bus reads it most times: in viper, see `fast`.

Its state is an array of words, named below by their places. What is not so simple is left to the
model: faults, other modes, samples that are not prepared yet.
"""

from array import array
from builtins import len

from .fast import TIME, advance, const, micropython, ptr8, ptr16, ptr32, uint

DEPTH = const(33)  # 32, and one in the output filter
RING = const(64)  # entries of the memory that it is in
BATCH = const(128)  # samples that are prepared at once
_ENTRY_BYTES = const(6)  # an entry is 3 words of 16 bits
_MASK = const(0x3FFFFFFF)
_NOWHERE = const(0x10000000)  # where no bus has a part
_LOOK_MAX_MS = const(500)  # since samples were last counted

# The places.
SIMPLE = const(0)  # 1 if it may be read so
FIRST = const(1)
ENTRIES = const(2)
LOOKED_US = const(3)  # ticks, when it was last looked at
FULL_US = const(4)  # from then until it may be full
OVERRUN = const(5)
LOST = const(6)  # entries
READS = const(7)  # that were so simple
KEY = const(8)  # address << 8, or _NOWHERE
BYTE_US = const(9)  # on the bus; 0 if time does not tell how many samples are due
DATA = const(10)  # register
COUNT = const(11)  # register that tells the entries
EVENTS = const(12)  # register that tells, as the ADXL345 does: data, watermark, overrun
WATERMARK = const(13)
START_MS = const(14)  # when the sampling clock began: scenario time, and microseconds of it
START_US = const(15)
HALF_US = const(16)  # half microseconds between two samples; 0 if nobody knows
TAKEN = const(17)  # samples since the start
MOVED = const(18)  # pairs of samples by which the start moved on
AT = const(19)  # of the samples that are prepared: the next one
HELD = const(20)  # and how many there are
_WORDS = const(21)
_READY = const(0x80)
_AT_WATERMARK = const(0x02)
_OVERRAN = const(0x01)


def new(data, count, events):
    """Return (state, entries, prepared samples) of a FIFO with these registers."""
    state = array("i", bytes(4 * _WORDS))
    state[KEY] = _NOWHERE
    state[DATA] = data
    state[COUNT] = count
    state[EVENTS] = events
    return state, array("h", bytes(_ENTRY_BYTES * RING)), array("h", bytes(_ENTRY_BYTES * BATCH))


def attach(fifo, address, byte_us):
    """Have it read at an address (None: no longer so simply); a byte takes byte_us."""
    state = fifo[0]
    state[KEY] = _NOWHERE if address is None else address << 8
    state[BYTE_US] = byte_us


@micropython.viper
def read(fifo, key: int, buf) -> int:
    """Read a register, `key` is address << 8 | register; return 0 if it is not so simple."""
    f = ptr32(fifo[0])
    register = key - f[KEY]
    if register < 0 or f[SIMPLE] == 0:
        return 0
    size = int(uint(len(buf)))
    if register == f[DATA] and size == _ENTRY_BYTES:
        if f[ENTRIES] == 0:
            return 0
        t = ptr32(TIME)
        us = f[BYTE_US] * 9
        if (t[0] + us - f[LOOKED_US]) & _MASK >= f[FULL_US]:
            return 0
        first = f[FIRST]
        source = ptr16(fifo[1])
        at = first * 3
        # The buffer is a driver's own: it may begin anywhere.
        target = ptr8(buf)
        word = source[at]
        target[0] = word & 0xFF
        target[1] = word >> 8 & 0xFF
        word = source[at + 1]
        target[2] = word & 0xFF
        target[3] = word >> 8 & 0xFF
        word = source[at + 2]
        target[4] = word & 0xFF
        target[5] = word >> 8 & 0xFF
        f[FIRST] = (first + 1) & (RING - 1)
        f[ENTRIES] = f[ENTRIES] - 1
        f[OVERRUN] = 0
        f[READS] = f[READS] + 1
        part = t[2] + us
        if part < 1000:
            t[0] = (t[0] + us) & _MASK
            t[2] = part
        else:
            advance(us)
        return 1
    if size == 1 and (register == f[COUNT] or register == f[EVENTS]):
        return int(look(fifo, register, buf))
    return 0


@micropython.viper
def look(fifo, register: int, buf) -> int:
    """Take the samples that are due by now, and tell the entries or the events."""
    f = ptr32(fifo[0])
    t = ptr32(TIME)
    us = f[BYTE_US] * 4
    half_us = f[HALF_US]
    ms = (t[3] - f[START_MS]) & _MASK
    if us == 0 or half_us == 0 or ms > _LOOK_MAX_MS or t[7]:
        return 0
    passed_us = ms * 1000 + t[2] + us - f[START_US]
    if passed_us < 0:
        return 0
    due = 2 * passed_us // half_us
    n = due - f[TAKEN]
    at = f[AT]
    if n < 0 or at + n > f[HELD]:
        return 0
    advance(us)
    f[READS] = f[READS] + 1
    if n > 0:
        push(fifo[0], fifo[1], fifo[2], at, n)
        f[AT] = at + n
    f[LOOKED_US] = t[0]
    f[FULL_US] = ((due + DEPTH + 1 - f[ENTRIES]) * half_us >> 1) - passed_us
    pairs = due >> 1
    start_us = f[START_US] + pairs * half_us
    start_ms = start_us // 1000
    f[START_MS] = (f[START_MS] + start_ms) & _MASK
    f[START_US] = start_us - start_ms * 1000
    f[TAKEN] = due & 1
    f[MOVED] = f[MOVED] + pairs
    value = entries = f[ENTRIES]
    if register == f[EVENTS]:
        value = _OVERRAN if f[OVERRUN] else 0
        if entries > 0:
            value |= _READY
        if entries >= f[WATERMARK]:
            value |= _AT_WATERMARK
    target = ptr8(buf)
    target[0] = value
    return 1


@micropython.viper
def push(state: ptr32, entries: ptr16, rows: ptr16, at: int, n: int):
    """Add n rows, from row `at` on; the oldest entries make room."""
    first = state[FIRST]
    count = state[ENTRIES]
    at *= 3
    while n > 0:
        n -= 1
        if count == DEPTH:
            first = (first + 1) & (RING - 1)
            count -= 1
            state[LOST] = state[LOST] + 1
        to = ((first + count) & (RING - 1)) * 3
        entries[to] = rows[at]
        entries[to + 1] = rows[at + 1]
        entries[to + 2] = rows[at + 2]
        at += 3
        count += 1
        if count == DEPTH:
            state[OVERRUN] = 1
    state[FIRST] = first
    state[ENTRIES] = count

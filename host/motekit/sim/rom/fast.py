"""What a virtual board does most often: small functions in viper, integers and buffers only.

Where there is no native code (CPython, a VM of another processor) the same source runs as plain
Python: `image.rom` takes the decorators out, and pointers are then the buffers themselves.
A 64-bit VM reads words unsigned and a 32-bit one signed, so what they hold is never negative.
"""

import sys
from array import array
from builtins import len  # a module's own names are found at once, a built-in one after them all

if sys.implementation.name == "micropython":
    import micropython
    from micropython import const
else:

    class micropython:
        """Stands for the VM's own."""

        @staticmethod
        def viper(function):
            """Return the function as it is."""
            return function

    def const(value):
        """Return the value."""
        return value


def _same(buffer):
    return buffer


ptr8 = ptr16 = ptr32 = uint = _same  # to viper these names are types

# The clock: [ticks_us, ticks_ms, us of the millisecond, scenario time in ms, its wraps,
# ms of the next event, reads since the last look around, 1 once the scenario's time is up].
# All but the third wrap at 2^30.
TIME = array("i", bytes(32))
_READ_US = const(4)
_READS_A_LOOK = const(64)
_SKIP_MAX_MS = const(500000)
_MASK = const(0x3FFFFFFF)
_HALF = const(0x20000000)

FLASH_NUMBER = array("i", [-1])  # of the block that is at hand
_BLOCK_BYTES = const(4096)
FLASH_WORDS = array("i", bytes(_BLOCK_BYTES))

ZERO = const(0x10000000)  # of a generator's table
_PHASE_BITS = const(30)
_FRACTION = const(0xFFF)


@micropython.viper
def advance(us: int):
    """Move time on by 0 <= us < 2^29."""
    t = ptr32(TIME)
    t[0] = (t[0] + us) & _MASK
    part = t[2] + us
    if part >= 1000:
        ms = part // 1000
        part -= ms * 1000
        t[1] = (t[1] + ms) & _MASK
        now = t[3] + ms
        if now > _MASK:
            t[4] = t[4] + 1
        t[3] = now & _MASK
    t[2] = part


@micropython.viper
def read(us: int) -> int:
    """Move time on by what a look at the clock takes; return 1 if an event is due."""
    t = ptr32(TIME)
    t[0] = (t[0] + us) & _MASK
    part = t[2] + us
    t[2] = part
    if part >= 1000:
        t[2] = part - us
        t[0] = (t[0] - us) & _MASK
        advance(us)
    return 1 if (t[3] - t[5]) & _MASK < _HALF else 0


@micropython.viper
def skip(ms: int) -> int:
    """Move on to the start of a millisecond, ms later; return 0 if an event is due before."""
    t = ptr32(TIME)
    left = (t[5] - t[3]) & _MASK
    if ms >= left or left >= _HALF or ms > _SKIP_MAX_MS:
        return 0
    if ms > 0:
        advance(ms * 1000 - t[2])
    return 1


@micropython.viper
def ticks_diff(a: int, b: int) -> int:
    """As time.ticks_diff(), with a wrap at 2^30."""
    return ((a - b + _HALF) & _MASK) - _HALF


@micropython.viper
def ticks_add(a: int, d: int) -> int:
    """As time.ticks_add(), with a wrap at 2^30."""
    return (a + d) & _MASK


def late():
    """Look after what is due; `clock` puts its own here."""


@micropython.viper
def charge():
    """Move virtual time on by what a program's look at the clock takes."""
    t = ptr32(TIME)
    part = t[2] + _READ_US
    if part < 1000:
        t[0] = (t[0] + _READ_US) & _MASK
        t[2] = part
    else:
        advance(_READ_US)
    t[6] = t[6] + 1
    if (t[3] - t[5]) & _MASK < _HALF or t[6] >= _READS_A_LOOK:
        late()


@micropython.viper
def virtual_ms() -> int:
    """As time.ticks_ms(), in virtual time."""
    t = ptr32(TIME)
    part = t[2] + _READ_US
    if part < 1000 and t[6] < _READS_A_LOOK and (t[3] - t[5]) & _MASK >= _HALF:
        t[0] = (t[0] + _READ_US) & _MASK
        t[2] = part
        t[6] = t[6] + 1
    else:
        charge()
    return t[1]


@micropython.viper
def virtual_us() -> int:
    """As time.ticks_us(), in virtual time."""
    t = ptr32(TIME)
    part = t[2] + _READ_US
    if part < 1000 and t[6] < _READS_A_LOOK and (t[3] - t[5]) & _MASK >= _HALF:
        t[0] = (t[0] + _READ_US) & _MASK
        t[2] = part
        t[6] = t[6] + 1
    else:
        charge()
    return t[0]


@micropython.viper
def add_wave(sums, at: int, step: int, n: int, table, phases):
    """Add a periodic term to n sums: `phases` is [phase, its step, entries, 1 to interpolate]."""
    s = ptr32(sums)
    values = ptr32(table)
    p = ptr32(phases)
    phase = p[0]
    on = p[1]
    entries = p[2]
    smooth = p[3]
    while n > 0:
        n -= 1
        place = (phase >> 12) * entries  # 18 bits of a turn: at most 2^12 entries
        entry = place >> 18
        value = values[entry]
        if smooth:
            value += (values[entry + 1] - value) * ((place >> 6) & _FRACTION) >> 12
        s[at] = s[at] + value - ZERO
        at += step
        phase = (phase + on) & _MASK


@micropython.viper
def add_noise(sums, at: int, step: int, n: int, state, gain: int, shift: int):
    """Add about normal noise to n sums: the sum of four uniform numbers, `gain` >> `shift`."""
    s = ptr32(sums)
    x = ptr32(state)
    seed = x[0]
    while n > 0:
        n -= 1
        total = 0
        i = 0
        while i < 4:
            seed = (seed * 1103 + 12345) & 0x7FFFF
            total += seed >> 3
            i += 1
        s[at] = s[at] + ((total - 131070) * gain >> shift)
        at += step
    x[0] = seed


@micropython.viper
def settle(sums, n: int, rows, low: int, high: int):
    """Round n sums, in sixteenths above ZERO, to whole numbers within low..high."""
    s = ptr32(sums)
    r = ptr16(rows)
    i = 0
    while i < n:
        value = ((s[i] + 8) >> 4) - (ZERO >> 4)
        if value < low:
            value = low
        if value > high:
            value = high
        r[i] = value
        i += 1


@micropython.viper
def fill(sums, n: int, value: int):
    """Set n sums."""
    s = ptr32(sums)
    i = 0
    while i < n:
        s[i] = value
        i += 1


@micropython.viper
def narrow(words, n: int, rows):
    """Copy n words of 32 bits to such of 16, whose range they keep."""
    w = ptr32(words)
    r = ptr16(rows)
    i = 0
    while i < n:
        r[i] = w[i]
        i += 1


def fetch(n):
    """Read a block of flash; `flash` puts its own here."""


@micropython.viper
def read_block(n: int, buf, offset: int):
    """Fill buf from block n of the flash on, in words: littlefs reads by the 128 bytes."""
    number = ptr32(FLASH_NUMBER)
    size = int(uint(len(buf)))
    to = int(ptr8(buf))
    while size > 0:
        if number[0] != n:
            fetch(n)
        part = _BLOCK_BYTES - offset
        if part > size:
            part = size
        source = ptr32(int(ptr8(FLASH_WORDS)) + offset)
        target = ptr32(to)
        i = 0
        while i < part >> 2:  # which is a multiple of 4: littlefs reads 32 bytes at least
            target[i] = source[i]
            target[i + 1] = source[i + 1]
            target[i + 2] = source[i + 2]
            target[i + 3] = source[i + 3]
            i += 4
        to += part
        size -= part
        offset = 0
        n += 1


@micropython.viper
def crc8(data, n: int) -> int:
    """CRC-8 over n bytes, polynomial 0x31, initial 0xFF: 0xBE 0xEF gives 0x92."""
    d = ptr8(data)
    crc = 0xFF
    i = 0
    while i < n:
        crc ^= d[i]
        i += 1
        bit = 0
        while bit < 8:
            crc <<= 1
            if crc & 0x100:
                crc ^= 0x131
            bit += 1
    return crc


@micropython.viper
def put_word(data, at: int, word: int):
    """Put a word into data[at:] as Sensirion's parts say it: high byte, low byte, their CRC."""
    d = ptr8(data)
    d[at] = word >> 8
    d[at + 1] = word & 0xFF
    crc = 0xFF
    i = 0
    while i < 2:
        crc ^= d[at + i]
        i += 1
        bit = 0
        while bit < 8:
            crc <<= 1
            if crc & 0x100:
                crc ^= 0x131
            bit += 1
    d[at + 2] = crc


@micropython.viper
def noise(state) -> int:
    """Return the sum of four uniform numbers less its mean; `state` is [seed]."""
    x = ptr32(state)
    seed = x[0]
    total = -131070
    i = 0
    while i < 4:
        seed = (seed * 1103 + 12345) & 0x7FFFF
        total += seed >> 3
        i += 1
    x[0] = seed
    return total

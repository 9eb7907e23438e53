"""Viper kernel of the encoder: `packet_plain` in machine code, the same output bit for bit.

Traps: a machine word has 32 bits here and 64 there, and `ptr32` reads without sign on 64: what
must wrap is masked, and what needs a sign gets one. RV32 up to MicroPython 1.27 miscompiles
`ptr32` indexing by one of the first three locals, so these are arguments that never index;
`packet_setup.select_kernel` checks a vector at boot all the same.

A function keeps its first locals in registers, two of them on x64: `fold` and `emit` are called
with two zeros in front, which become the variables that their loops use most.
"""

import sys

import micropython

from .compat import const

if sys.implementation.name != "micropython":
    raise ImportError("viper is MicroPython's")

_UP = const(0)
_UP_ACC = const(1)
_UP_BITS = const(2)
_LOW = const(3)
_LOW_ACC = const(4)
_LOW_BITS = const(5)
_STILL = const(7)
_MIN = const(8)
_MAX = const(9)
_OR = const(10)
_COST = const(11)
_BASE = const(12)
_COST_SPARSE = const(13)
_WIDTH = const(15)
_P = const(16)
_SPARSE_P = const(16)
_SUM = const(48)
_COEF = const(64)
_PEAK = const(81)
_LAG = const(72)
_BLOCK = const(32)
_CLIP_BITS = const(24)
_SUM_MAX = const(0x1FFFFFFF)
_NO_SUM = const(0x3FFFFFFF)
_SURVEY_MAX = const(0x7FFFF)


@micropython.viper
def burst(read, address, register, data, first: int, down: int, n: int, block):
    columns = block.columns
    wide = int(block.code == "i")
    words = ptr8(data)
    count = int(block.count)
    x = y = z = ptr16(columns[0])
    three = wide == 0 and uint(len(columns)) == uint(3)  # as most have: spare them a loop
    if three:
        y = ptr16(columns[1])
        z = ptr16(columns[2])
    while n > 0:
        read(address, register, data)
        at = first
        if three:
            x[count] = ((words[at] | words[at ^ 1] << 8) ^ 0x8000) - 0x8000 >> down
            y[count] = ((words[at + 2] | words[at + 2 ^ 1] << 8) ^ 0x8000) - 0x8000 >> down
            z[count] = ((words[at + 4] | words[at + 4 ^ 1] << 8) ^ 0x8000) - 0x8000 >> down
        else:
            for column in columns:
                value = ((words[at] | words[at ^ 1] << 8) ^ 0x8000) - 0x8000 >> down
                if wide:
                    ptr32(column)[count] = value
                else:
                    ptr16(column)[count] = value
                at += 2
        count += 1
        block.count = count
        n -= 1


@micropython.viper
def span(source: ptr32, n: int, step: int, width: int, st: ptr32):
    one = 1
    top = one << 31
    bits = 0
    low = (source[0] ^ top) - top
    high = low
    left = n
    while left > 0:
        n = width
        if left < n:
            n = left
        left -= step
        after = int(source) + 4 * step
        while n:
            x = (source[0] ^ top) - top
            source = ptr32(int(source) + 4)
            bits |= x
            if x > high:
                high = x
            elif x < low:
                low = x
            n -= 1
        source = ptr32(after)
    st[_MIN] = low
    st[_MAX] = high
    st[_OR] = bits


@micropython.viper
def widen(source: ptr16, z: ptr32, n: int, signed: int):
    # Copy values of 16 bits to z.
    flip = signed << 15
    while n > 3:
        z[0] = (source[0] ^ flip) - flip
        z[1] = (source[1] ^ flip) - flip
        z[2] = (source[2] ^ flip) - flip
        z[3] = (source[3] ^ flip) - flip
        source = ptr16(int(source) + 8)
        z = ptr32(int(z) + 16)
        n -= 4
    while n:
        z[0] = (source[0] ^ flip) - flip
        source = ptr16(int(source) + 2)
        z = ptr32(int(z) + 4)
        n -= 1


@micropython.viper
def shift(source: ptr32, z: ptr32, n: int, bits: int):
    one = 1
    top = one << 31
    for i in range(n):
        z[i] = (source[i] ^ top) - top >> bits


@micropython.viper
def survey(source: ptr32, n: int, step: int, width: int, st: ptr32) -> int:
    mask = 0xFFFF
    mask = mask << 16 | mask
    low = st[_MIN]
    spread = (st[_MAX] - low) & mask
    scale = 0
    bits = 0
    while spread:
        if spread & ~_SURVEY_MAX:
            scale += 1
        bits += 1
        spread = int(uint(spread) >> uint(1))
    st[_WIDTH] = bits
    spread = int(uint((st[_MAX] - low) & mask) >> uint(scale))
    total = 0
    s0 = 0
    s1 = 0
    s2 = 0
    still = 0
    seen = 0
    left = n - 2
    begin = int(source)
    while left > 0:
        n = width - 2
        if left < n:
            n = left
        left -= step
        seen += n
        after = int(source) + 4 * step
        x = int(uint((source[0] - low) & mask) >> uint(scale))
        b = int(uint((source[1] - low) & mask) >> uint(scale))
        d = b - x
        source = ptr32(int(source) + 8)
        while n:
            x = int(uint((source[0] - low) & mask) >> uint(scale))
            source = ptr32(int(source) + 4)
            total += x
            e = x - b
            b = x
            d = e - d
            if d < 0:
                s2 -= d
            else:
                s2 += d
            d = e
            if e > 0:
                s1 += e
            elif e:
                s1 -= e
            else:
                still += 1
            n -= 1
        source = ptr32(after)
    st[_STILL] = 1 if still * 4 > seen else 0
    if not seen:
        return 1
    mean = total // seen
    st[_BASE] = low + (mean << scale)
    if spread * (seen >> 2) >> 1 < s1:
        left = seen
        source = ptr32(begin)
        while left > 0:
            n = width - 2
            if left < n:
                n = left
            left -= n
            after = int(source) + 4 * step
            source = ptr32(int(source) + 8)
            while n:
                e = int(uint((source[0] - low) & mask) >> uint(scale)) - mean
                source = ptr32(int(source) + 4)
                if e < 0:
                    s0 -= e
                else:
                    s0 += e
                n -= 1
            source = ptr32(after)
        if s0 <= s1 and s0 <= s2:
            return 0
    return 2 if s2 < s1 else 1


@micropython.viper
def difference(source: ptr32, z: ptr32, n: int):
    i = 0
    a = source[i]
    z[i] = a
    i = 1
    while i < n:
        x = source[i]
        z[i] = x - a
        a = x
        i += 1


@micropython.viper
def fold(v: int, x: int, source: ptr32, z: ptr32, n: int, order: int, sparse: int, st: ptr32):
    one = 1
    top = one << 31
    above = top - (one << _CLIP_BITS) | top
    base = st[_BASE]
    if order:
        source = ptr32(int(source) + 4 * order)
        base = ptr32(int(source) - 4)[0]
    left = n - order
    block = _P
    last = -1
    last_sparse = -1
    cost = 0
    cost_sparse = 0
    while left > 0:
        count = _BLOCK
        if left < count:
            count = left
        left -= count
        sum = 0
        peak = 0
        n = count >> 2 if order else 0
        tail = count - (n << 2)
        while n:
            x = source[0]
            v = x - base
            if v & top:
                v += v
                sum -= v
                v ^= -1
            else:
                v += v
                sum += v
            z[0] = v
            peak |= v
            base = source[1]
            v = base - x
            if v & top:
                v += v
                sum -= v
                v ^= -1
            else:
                v += v
                sum += v
            z[1] = v
            peak |= v
            x = source[2]
            v = x - base
            if v & top:
                v += v
                sum -= v
                v ^= -1
            else:
                v += v
                sum += v
            z[2] = v
            peak |= v
            base = source[3]
            v = base - x
            if v & top:
                v += v
                sum -= v
                v ^= -1
            else:
                v += v
                sum += v
            z[3] = v
            peak |= v
            source = ptr32(int(source) + 16)
            z = ptr32(int(z) + 16)
            n -= 1
        while tail:
            x = source[0]
            v = x - base
            if order:
                base = x
            if v & top:
                v += v
                sum -= v
                v ^= -1
            else:
                v += v
                sum += v
            z[0] = v
            peak |= v
            source = ptr32(int(source) + 4)
            z = ptr32(int(z) + 4)
            tail -= 1
        st[block + _PEAK - _P] = peak
        peak &= above
        sum &= _SUM_MAX  # differences are right modulo 2^32, and so is the sum
        st[block + _SUM - _P] = _NO_SUM if peak else sum
        which = 0
        while which <= sparse:
            m = count
            before = last
            total = sum
            if which:
                before = last_sparse
                n = count
                while n:
                    z = ptr32(int(z) - 4)
                    if not z[0]:
                        m -= 1
                    n -= 1
                z = ptr32(int(z) + 4 * count)
                total = sum - m
            p = 0
            x = 0
            bits = 0
            if peak:
                while peak:
                    peak = int(uint(peak) >> uint(1))
                    p += 1
                if p > 31:
                    p = 31
                bits = m * (p + 1)
                peak = 1 << p - 1
            elif sum:
                if before > 0 and before < 26:  # none beyond is near: and x has 32 bits
                    p = before
                    bits = one << p - 1
                    x = m * bits
                if total < x - (bits << 2) or total > x + x + (x >> 2) + (bits << 3):
                    p = 1
                    x = m
                    while x + x < total - (total >> 5):
                        x += x
                        p += 1
                if total < m + m:  # few are not 0
                    x = total + (total >> 1) + m - x
                else:
                    x = total + total - x
                bits = m * p
                if x > 0:
                    bits += x >> p
                if before > p:
                    bits += (before - p << 1) + 1
                elif before >= 0:
                    bits += (p - before << 1) + 1
            if which:
                if p:
                    bits += count
                cost_sparse += bits
                last_sparse = p
                st[block + _SPARSE_P] = p
            else:
                cost += bits
                last = p
                st[block] = p
            which += 1
        block += 1
    st[_COST] = cost
    st[_COST_SPARSE] = cost_sparse


@micropython.viper
def emit(
    v: int,
    one: int,
    _source: ptr32,
    z: ptr32,
    n: int,
    order: int,
    limit: int,
    mode: int,
    st: ptr32,
    out: ptr8,
) -> int:
    one = 1
    one <<= st[_UP_BITS]
    up_acc = st[_UP_ACC]
    low_acc = st[_LOW_ACC]
    low_bits = st[_LOW_BITS]
    up = ptr8(int(out) + st[_UP])
    low = ptr8(int(out) + st[_LOW])
    left = n - order
    slot = _P
    if mode == 1:
        slot += _SPARSE_P
    block = 0
    last = 0
    while left > 0:
        n = _BLOCK
        if left < n:
            n = left
        left -= n
        k = st[slot] - 1
        room = n * k
        if mode < 2:
            slot += 1
            sum = st[_SUM + block]
            rest = n << 2
            if sum <= _SUM_MAX and sum:
                rest = sum >> k
            room += n + n + 77 + rest
        if int(low) - int(up) < (room >> 3) + 2:
            return -1
        if block and mode < 2:
            q = k - last << 1
            if q < 0:
                q = -1 - q
            while q > 7:
                up[0] = up_acc
                up = ptr8(int(up) + 1)
                up_acc = 0
                q -= 8
            one <<= q
            while one > 255:
                up[0] = up_acc
                up = ptr8(int(up) + 1)
                up_acc = 0
                one >>= 8
            up_acc |= one
            one += one
        last = k
        if k < 0:
            z = ptr32(int(z) + 4 * n)
            n = 0
        width = k
        if k > 16:
            width = 16
        rest = k - width
        mask = (1 << width) - 1
        fours = n >> 2
        if mode or k > 8 or int(uint(st[_PEAK + block]) >> uint(k + 3)):
            fours = 0
        block += 1
        n -= fours << 2
        double = k + k
        while fours:
            v = z[0]
            first = v & mask
            one <<= v >> k
            up_acc |= one
            one += one
            v = z[1]
            one <<= v >> k
            up_acc |= one
            one += one
            while one > 255:
                up[0] = up_acc
                up = ptr8(int(up) + 1)
                up_acc >>= 8
                one >>= 8
            v &= mask
            v <<= k
            v |= first
            v <<= low_bits
            low_acc |= v
            low_bits += double
            if low_bits > 15:
                low[0] = low_acc
                low_acc >>= 8
                low = ptr8(int(low) - 2)
                low[1] = low_acc
                low_acc >>= 8
                low_bits -= 16
            v = z[2]
            first = v & mask
            one <<= v >> k
            up_acc |= one
            one += one
            v = z[3]
            one <<= v >> k
            up_acc |= one
            one += one
            while one > 255:
                up[0] = up_acc
                up = ptr8(int(up) + 1)
                up_acc >>= 8
                one >>= 8
            v &= mask
            v <<= k
            v |= first
            v <<= low_bits
            low_acc |= v
            low_bits += double
            if low_bits > 15:
                low[0] = low_acc
                low_acc >>= 8
                low = ptr8(int(low) - 2)
                low[1] = low_acc
                low_acc >>= 8
                low_bits -= 16
            z = ptr32(int(z) + 16)
            fours -= 1
        while n:
            v = z[0]
            z = ptr32(int(z) + 4)
            n -= 1
            zero = 0
            if mode < 2:
                q = 0
                if mode:
                    if v:
                        v -= 1
                        q = 1
                    else:
                        zero = 1
                if not zero:
                    q += int(uint(v) >> uint(k))
                while q > 7:
                    up[0] = up_acc
                    up = ptr8(int(up) + 1)
                    up_acc = 0
                    q -= 8
                one <<= q
                while one > 255:
                    up[0] = up_acc
                    up = ptr8(int(up) + 1)
                    up_acc = 0
                    one >>= 8
                up_acc |= one
                one += one
            if zero:
                continue
            low_acc |= (v & mask) << low_bits
            low_bits += width
            while low_bits > 7:
                low[0] = low_acc
                low = ptr8(int(low) - 1)
                low_acc >>= 8
                low_bits -= 8
            if rest:
                low_acc |= (int(uint(v) >> uint(16)) & (1 << rest) - 1) << low_bits
                low_bits += rest
                while low_bits > 7:
                    low[0] = low_acc
                    low = ptr8(int(low) - 1)
                    low_acc >>= 8
                    low_bits -= 8
    while low_bits > 7:
        low[0] = low_acc
        low = ptr8(int(low) - 1)
        low_acc >>= 8
        low_bits -= 8
    bits = 0
    while one > 1:
        one >>= 1
        bits += 1
    up_at = int(up) - int(out)
    low_at = int(low) - int(out)
    used = (
        (up_at - st[_UP] + st[_LOW] - low_at << 3) + bits - st[_UP_BITS] + low_bits - st[_LOW_BITS]
    )
    if used > limit:
        return used
    st[_UP] = up_at
    st[_UP_ACC] = up_acc
    st[_UP_BITS] = bits
    st[_LOW] = low_at
    st[_LOW_ACC] = low_acc
    st[_LOW_BITS] = low_bits
    return used


@micropython.viper
def move(out: ptr8, to: int, start: int, stop: int):
    stop -= start
    source = ptr8(int(out) + start)
    out = ptr8(int(out) + to)
    while stop > 3:
        out[0] = source[0]
        out[1] = source[1]
        out[2] = source[2]
        out[3] = source[3]
        source = ptr8(int(source) + 4)
        out = ptr8(int(out) + 4)
        stop -= 4
    while stop > 0:
        out[0] = source[0]
        source = ptr8(int(source) + 1)
        out = ptr8(int(out) + 1)
        stop -= 1


@micropython.viper
def correlate(source: ptr32, z: ptr32, n: int, scale: int, st: ptr32):
    one = 1
    top = one << 31
    base = (st[_BASE] ^ top) - top
    begin = int(z)
    left = n
    while n:
        z[0] = (source[0] ^ top) - top - base >> scale
        source = ptr32(int(source) + 4)
        z = ptr32(int(z) + 4)
        n -= 1
    lag = 0
    while lag < 9:
        total = 0
        source = ptr32(begin)
        z = ptr32(begin + 4 * lag)
        n = left - lag
        while n:
            total += source[0] * z[0]
            source = ptr32(int(source) + 4)
            z = ptr32(int(z) + 4)
            n -= 1
        st[_LAG + lag] = total
        lag += 1


@micropython.viper
def predict(source: ptr32, z: ptr32, n: int, order: int, scale: int, st: ptr32):
    one = 1
    top = one << 31
    mask = 0xFFFF
    mask = mask << 16 | mask
    base = st[_BASE]
    half = one << scale >> 1
    left = n
    while n:
        z[0] = source[0] - base
        source = ptr32(int(source) + 4)
        z = ptr32(int(z) + 4)
        n -= 1
    here = z
    while left:
        left -= 1
        here = ptr32(int(here) - 4)
        z = here
        e = 0
        if left >= order:
            e = half
            source = ptr32(int(st) + 4 * _COEF)
            n = order
            while n:
                z = ptr32(int(z) - 4)
                e += source[0] * z[0]
                source = ptr32(int(source) + 4)
                n -= 1
            e = ((e & mask) ^ top) - top >> scale
        elif left:
            e = ptr32(int(here) - 4)[0]
        here[0] = here[0] - e

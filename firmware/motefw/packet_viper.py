"""Viper kernel of the encoder: `packet_plain` in machine code, the same output bit for bit.

Traps: a machine word has 32 bits here and 64 there, and `ptr32` reads without sign on 64: what must
wrap is masked and what must have a sign gets it. RV32 up to MicroPython 1.27 miscompiles
`ptr32` indexing by one of the first three locals: those are arguments that never index. `packet.select_kernel` checks a
vector at boot all the same.
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
_SEEN = const(6)
_STILL = const(7)
_MIN = const(8)
_MAX = const(9)
_OR = const(10)
_COST = const(11)
_BASE = const(12)
_DEVIATION = const(13)
_P = const(16)
_SUM = const(32)
_ZEROS = const(48)
_COEF = const(64)
_LAG = const(72)
_BLOCK = const(32)
_CLIP_BITS = const(24)
_BELOW_CLIP = const(0xFFFFFF)
_SURVEY_MAX = const(0x7FFFF)
_PACKED = const(2)


@micropython.viper
def span(z: ptr32, n: int, st: ptr32):
    one = 1
    top = one << 31
    low = (z[0] ^ top) - top
    high = low
    bits = 0
    for i in range(n):
        x = (z[i] ^ top) - top
        bits |= x
        if x > high:
            high = x
        elif x < low:
            low = x
    st[_MIN] = low
    st[_MAX] = high
    st[_OR] = bits


@micropython.viper
def shift(z: ptr32, n: int, bits: int):
    one = 1
    top = one << 31
    for i in range(n):
        z[i] = (z[i] ^ top) - top >> bits


@micropython.viper
def survey(z: ptr32, n: int, st: ptr32):
    mask = 0xFFFF
    mask = mask << 16 | mask
    low = st[_MIN]
    spread = (st[_MAX] - low) & mask
    scale = 0
    while int(uint(spread) >> uint(scale)) & ~_SURVEY_MAX:
        scale += 1
    window = 30 if n <= 64 else 8
    total = 0
    s0 = 0
    s1 = 0
    s2 = 0
    still = 0
    seen = 0
    start = 2
    while start < n:
        stop = start + window
        if stop > n:
            stop = n
        seen += stop - start
        b = int(uint((z[start - 1] - low) & mask) >> uint(scale))
        d = b - int(uint((z[start - 2] - low) & mask) >> uint(scale))
        i = start
        while i < stop:
            x = int(uint((z[i] - low) & mask) >> uint(scale))
            total += x
            e = x - b
            if e > 0:
                s1 += e
            elif e:
                s1 -= e
            else:
                still += 1
            d = e - d
            if d < 0:
                s2 -= d
            else:
                s2 += d
            d = e
            b = x
            i += 1
        start += _BLOCK
    mean = total // seen if seen else 0
    start = 2
    while start < n:
        stop = start + window
        if stop > n:
            stop = n
        i = start
        while i < stop:
            e = int(uint((z[i] - low) & mask) >> uint(scale)) - mean
            if e < 0:
                s0 -= e
            else:
                s0 += e
            i += 1
        start += _BLOCK
    st[_BASE] = low + (mean << scale)
    st[_DEVIATION] = s0
    st[_DEVIATION + 1] = s1
    st[_DEVIATION + 2] = s2
    st[_SEEN] = seen
    st[_STILL] = still


@micropython.viper
def difference(z: ptr32, n: int):
    one = 1
    a = z[0]
    i = one
    while i < n:
        x = z[i]
        z[i] = x - a
        a = x
        i += 1


@micropython.viper
def fold(z: ptr32, first: int, n: int, step: int, wide: int, st: ptr32):
    one = 1
    top = one << 31
    above = top - (one << _CLIP_BITS) | top
    base = st[_BASE]
    start = first
    if step:
        base = z[start - 1]
    block = _SUM
    while start < n:
        total = 0
        zeros = 0
        peak = 0
        stop = start + _BLOCK
        if stop > n:
            stop = n
        i = start
        while i < stop:
            x = z[i]
            v = x - base
            if step:
                base = x
            if v & top:
                v = -1 - (v << 1)
            else:
                v = v << 1
            z[i] = v
            if v & above:
                peak |= v & above
            elif v & _BELOW_CLIP:
                total += v & _BELOW_CLIP
            else:
                zeros += 1
            i += 1
        if peak:
            total = 0
            while peak:
                peak = int(uint(peak) >> uint(1))
                total -= 1
        st[block] = total
        st[block + _ZEROS - _SUM] = zeros
        block += 1
        start = stop


@micropython.viper
def choose(count: int, sparse: int, st: ptr32):
    one = 1
    top = one << 31
    cost = 0
    last = -1
    block = 0
    while count > 0:
        m = _BLOCK
        if count < m:
            m = count
        count -= m
        total = (st[_SUM + block] ^ top) - top
        best = 0
        least = 0
        if total:
            if sparse:
                cost += m
                m -= st[_ZEROS + block]
            if total < 0:
                best = -1 - total
                if best > 31:
                    best = 31
                least = m * (best + 1)
            else:
                if sparse:
                    total -= m
                k = 0
                while m << k < total - (total >> 2) - (total >> 3):
                    k += 1
                least = one << 29
                p = k + 1
                tries = 3
                while tries:
                    if p > 0:
                        bits = m * p
                        if p <= 26:
                            excess = total + total + m - (m << p - 1)
                            if excess > 0:
                                bits += excess >> p
                        if last >= 0:
                            bits += 1 + (p - last + p - last if p > last else last - p + last - p)
                        if bits < least:
                            best = p
                            least = bits
                    p = k if tries == 3 else last
                    tries -= 1
        st[_P + block] = best
        cost += least
        last = best
        block += 1
    st[_COST] = cost


@micropython.viper
def emit(z: ptr32, first: int, n: int, mode: int, st: ptr32, out: ptr8) -> int:
    up = st[_UP]
    up_acc = st[_UP_ACC]
    up_bits = st[_UP_BITS]
    low = st[_LOW]
    low_acc = st[_LOW_ACC]
    low_bits = st[_LOW_BITS]
    last = st[_P]
    p = last
    block = _P
    start = first
    while start < n:
        if mode != _PACKED:
            p = st[block]
            block += 1
            if start != first:
                up_bits += p - last + p - last if p >= last else last - p + last - p - 1
                while up_bits > 7:
                    if up > low:
                        return 0
                    out[up] = up_acc
                    up += 1
                    up_acc = 0
                    up_bits -= 8
                up_acc |= 1 << up_bits
                up_bits += 1
            last = p
        stop = start + _BLOCK
        if stop > n:
            stop = n
        i = start
        start = stop
        k = p - 1
        if k < 0:
            i = stop
        width = k
        rest = 0
        if k > 16:
            width = 16
            rest = k - 16
        mask = (1 << width) - 1
        while i < stop:
            v = z[i]
            i += 1
            if mode == 0:
                up_bits += int(uint(v) >> uint(k))
            elif mode == 1:
                if v == 0:
                    while up_bits > 7:
                        if up > low:
                            return 0
                        out[up] = up_acc
                        up += 1
                        up_acc = 0
                        up_bits -= 8
                    up_acc |= 1 << up_bits
                    up_bits += 1
                    continue
                v -= 1
                up_bits += int(uint(v) >> uint(k)) + 1
            if mode != _PACKED:
                while up_bits > 7:
                    if up > low:
                        return 0
                    out[up] = up_acc
                    up += 1
                    up_acc = 0
                    up_bits -= 8
                up_acc |= 1 << up_bits
                up_bits += 1
            low_acc |= (v & mask) << low_bits
            low_bits += width
            while low_bits > 7:
                if up > low:
                    return 0
                out[low] = low_acc
                low -= 1
                low_acc >>= 8
                low_bits -= 8
            if rest:
                low_acc |= (int(uint(v) >> uint(16)) & (1 << rest) - 1) << low_bits
                low_bits += rest
                while low_bits > 7:
                    if up > low:
                        return 0
                    out[low] = low_acc
                    low -= 1
                    low_acc >>= 8
                    low_bits -= 8
    st[_UP] = up
    st[_UP_ACC] = up_acc
    st[_UP_BITS] = up_bits
    st[_LOW] = low
    st[_LOW_ACC] = low_acc
    st[_LOW_BITS] = low_bits
    return 1


@micropython.viper
def correlate(z: ptr32, n: int, scale: int, st: ptr32):
    one = 1
    top = one << 31
    base = (st[_BASE] ^ top) - top
    for i in range(n):
        z[i] = (z[i] ^ top) - top - base >> scale
    lag = 0
    while lag < 9:
        total = 0
        i = lag
        while i < n:
            total += z[i] * z[i - lag]
            i += 1
        st[_LAG + lag] = total
        lag += 1


@micropython.viper
def predict(z: ptr32, n: int, order: int, scale: int, st: ptr32):
    one = 1
    top = one << 31
    mask = 0xFFFF
    mask = mask << 16 | mask
    base = st[_BASE]
    half = one << scale >> 1
    for i in range(n):
        z[i] = z[i] - base
    i = n - 1
    while i >= 0:
        e = 0
        if i >= order:
            e = half
            j = 0
            while j < order:
                e += st[_COEF + j] * z[i - 1 - j]
                j += 1
            e = ((e & mask) ^ top) - top >> scale
        elif i:
            e = z[i - 1]
        z[i] = z[i] - e
        i -= 1

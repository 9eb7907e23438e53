"""Plain kernel of the encoder: what `packet_viper` does, where that does not run.

A kernel is a module of these functions. They work in place on `z`, an array('i') that holds one
stream, and on `st`, an array('i') of state whose slots `packet_stream` names; the output of all
kernels is the same, bit for bit. Hot loops keep every number below 2^30 for values of up to 22
bits, so that nothing is allocated; wider ones are exact too, but cost a 32-bit board heap.

The first two arguments of `fold` and `emit`, always 0, are for `packet_viper`: see there.
"""

from .compat import const

_UP = const(0)
_UP_ACC = const(1)
_UP_BITS = const(2)
_LOW = const(3)
_LOW_ACC = const(4)
_LOW_BITS = const(5)
_BITS = const(6)
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
_LAG = const(72)
_BLOCK = const(32)
_CLIP = const(0x1000000)
_PAIR_K = const(12)
_PAIR_UNARY = const(11)
_WRAP = const(0xFFFFFFFF)
_NARROW = const(0x20000000)
_TOP = const(0x80000000)
_SURVEY_MAX = const(0x7FFFF)


def _int32(value):
    if -_NARROW < value < _NARROW:  # and nothing is allocated
        return value
    return ((value & _WRAP) ^ _TOP) - _TOP


def _wrapped(code):
    """Return the zig-zag code of the same difference modulo 2^32, 0 to 2^32 - 1."""
    e = _int32(code >> 1 ^ -(code & 1))
    return e + e if e >= 0 else -1 - e - e


def span(source, n, step, width, st):
    """Find st[_MIN], st[_MAX] and st[_OR] of the first `width` of every `step` values."""
    low = high = source[0]
    bits = 0
    start = 0
    while start < n:  # a range of a step that varies would be an object
        for i in range(start, min(start + width, n)):
            x = source[i]
            bits |= x
            if x > high:
                high = x
            elif x < low:
                low = x
        start += step
    st[_MIN] = low
    st[_MAX] = high
    st[_OR] = bits


def shift(source, z, n, bits):
    """Shift source[:n] down by `bits`, to z."""
    for i in range(n):
        z[i] = source[i] >> bits


def survey(source, n, step, width, st):
    """Return the fixed order that leaves least of the values that `span` looked at.

    st[_BASE] gets their mean, st[_STILL] whether more than a quarter are as the one before. Wide
    values are scaled to 19 bits.
    """
    low = st[_MIN]
    spread = st[_MAX] - low
    scale = 0
    while spread >> scale:
        scale += 1
    st[_WIDTH] = scale
    scale = 0
    while spread >> scale > _SURVEY_MAX:
        scale += 1
    spread >>= scale
    total = s0 = s1 = s2 = still = seen = 0
    start = 2
    while start < n:
        stop = min(start + width - 2, n)
        seen += stop - start
        b = source[start - 1] - low >> scale
        d = b - (source[start - 2] - low >> scale)
        for i in range(start, stop):
            x = source[i] - low >> scale
            total += x
            e = x - b
            b = x
            d = e - d
            s2 += d if d >= 0 else -d
            d = e
            if e > 0:
                s1 += e
            elif e:
                s1 -= e
            else:
                still += 1
        start += step
    st[_STILL] = still * 4 > seen
    if not seen:
        return 1
    mean = total // seen
    st[_BASE] = _int32(low + (mean << scale))
    if spread * (seen >> 2) >> 1 < s1:
        start = 2
        while start < n:
            for i in range(start, min(start + width - 2, n)):
                e = (source[i] - low >> scale) - mean
                s0 += e if e >= 0 else -e
            start += step
        if s0 <= s1 and s0 <= s2:
            return 0
    return 2 if s2 < s1 else 1


def difference(source, z, n):
    """Write the first differences of source[:n] to z; z[0] is source[0]."""
    a = z[0] = source[0]
    for i in range(1, n):
        x = source[i]
        z[i] = _int32(x - a)
        a = x


def fold(_0, _1, source, z, n, order, sparse, st):
    """Write to z the zig-zag codes of source[order:n] less the value before, or st[_BASE].

    For each block of 32 codes st[_P + block] gets the parameter p = k + 1 (0: all zero) and, with
    `sparse`, st[_P + 16 + block] that for sparse coding; st[_COST] and st[_COST_SPARSE] the bits
    that all are estimated to take.
    """
    base = source[order - 1] if order else st[_BASE]
    j = 0
    block = _P
    last = last_sparse = -1
    cost = cost_sparse = 0
    for start in range(order, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        m = stop - start
        total = peak = 0
        for i in range(start, stop - 1 if order else start, 2):
            x = source[i]
            e = x - base
            base = source[i + 1]
            f = base - x
            e = e + e if e >= 0 else -1 - e - e
            f = f + f if f >= 0 else -1 - f - f
            if (e | f) >= _CLIP:
                e = _wrapped(e)
                f = _wrapped(f)
                peak |= e | f
                z[j] = _int32(e)
                z[j + 1] = _int32(f)
            else:
                z[j] = e
                z[j + 1] = f
            total += e + f
            j += 2
        for i in range(start + (m & ~1 if order else 0), stop):
            e = source[i] - base
            e = e + e if e >= 0 else -1 - e - e
            if e >= _CLIP:
                e = _wrapped(e)
                peak |= e & -_CLIP
            total += e
            z[j] = _int32(e)
            j += 1
        peak &= -_CLIP
        st[block + _SUM - _P] = -1 if peak else total
        if not (total or peak):
            last = last_sparse = 0
        else:
            st[_BITS] = cost
            last = _choose(total, peak, m, last, st)
            cost = st[_BITS]
            if sparse:
                st[_BITS] = cost_sparse + m
                for i in range(j - m, j):
                    if not z[i]:
                        m -= 1
                last_sparse = _choose(total - m, peak, m, last_sparse, st)
                cost_sparse = st[_BITS]
        st[block] = last
        if sparse:
            st[block + _SPARSE_P] = last_sparse
        block += 1
    st[_COST] = cost
    st[_COST_SPARSE] = cost_sparse


def _choose(total, peak, m, last, st):
    """Return the parameter for m codes of that sum; add the bits estimated for it to st[_BITS].

    `peak` is the OR of those beyond 24 bits. The choice is among the best k for that sum, the one
    below and the one of the block before (-1: none), since a change costs bits.
    """
    if peak:
        best = 0
        while peak >> best:
            best += 1
        best = min(best, 31)
        st[_BITS] += m * (best + 1)
        return best
    k = 0
    most = total - (total >> 2) - (total >> 3)
    while m << k < most:
        k += 1
    total += total + m
    best = 0
    least = 1 << 29
    p = k + 1
    while p > 0:
        bits = m * p
        if p <= 26:
            excess = total - (m << p - 1)
            if excess > 0:
                bits += excess >> p
        if last > p:
            bits += last - p << 1
        elif last >= 0:
            bits += p - last << 1
        if bits < least:
            best = p
            least = bits
        if p > k and k:
            p = k
        elif last < k or last > k + 1:
            p = last
            k = last
        else:
            break
    st[_BITS] += least + (last >= 0)
    return best


def _room(m, k, total):
    """Return the bits that m codes of that sum may take at most.

    -1: the sum is unknown, but one code has more than 24 bits; -2: they are packed.
    """
    room = m * k + 16
    if total == -2:
        return room
    room += m + m + 77
    if total < 0:
        return room + 4 * m
    return room + (total >> k if k >= 0 else 0)


def emit(_0, _1, z, n, limit, mode, st, out):
    """Write the codes z[:n] to both sections of `out`; return the bits, -1 if the sections meet.

    More than `limit` bits, and it is as if nothing was written.

    Mode 0: Rice; 1: sparse; 2: packed, st[_P] - 1 bits each and no unary part.
    """
    up = st[_UP]
    up_acc = st[_UP_ACC]
    one = 1 << st[_UP_BITS]
    low = st[_LOW]
    low_acc = st[_LOW_ACC]
    weight = 1 << st[_LOW_BITS]
    last = block = 0
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        p = st[_P + (_SPARSE_P if mode == 1 else 0) + (block if mode < 2 else 0)]
        if low - up < _room(stop - start, p - 1, st[_SUM + block] if mode < 2 else -2) >> 3:
            return -1
        if block and mode < 2:
            one <<= p - last << 1 if p >= last else (last - p << 1) - 1
            while one > 255:
                out[up] = up_acc
                up += 1
                up_acc = 0
                one >>= 8
            up_acc |= one
            one += one
        last = p
        block += 1
        if not p:
            continue
        k = p - 1
        mask = (1 << k) - 1
        if not mode and k < _PAIR_K and st[_SUM + block - 1] >= 0:
            pair_bits = k + k
            most = _PAIR_UNARY << k
            for i in range(start, stop - 1, 2):
                v = z[i]
                w = z[i + 1]
                if v | w >= most:  # they need more bits than a small integer has
                    start = i
                    break
                one <<= v >> k
                up_acc |= one
                one += one
                one <<= w >> k
                up_acc |= one
                one += one
                while one > 255:
                    out[up] = up_acc & 0xFF
                    up += 1
                    up_acc >>= 8
                    one >>= 8
                low_acc += (v & mask | (w & mask) << k) * weight
                weight <<= pair_bits
                while weight > 255:
                    out[low] = low_acc & 0xFF
                    low -= 1
                    low_acc >>= 8
                    weight >>= 8
            else:
                start += stop - start & ~1  # one may be left
        for i in range(start, stop):
            v = z[i]
            if v < 0:
                v &= _WRAP
            if mode < 2:
                v -= mode
                q = (v >> k) + mode
                while q > 7:
                    out[up] = up_acc
                    up += 1
                    up_acc = 0
                    q -= 8
                one <<= q
                while one > 255:
                    out[up] = up_acc
                    up += 1
                    up_acc = 0
                    one >>= 8
                up_acc |= one
                one += one
                if v < 0:
                    continue
            low_acc += (v & mask) * weight
            weight <<= k
            while weight > 255:
                out[low] = low_acc & 0xFF
                low -= 1
                low_acc >>= 8
                weight >>= 8
    up_bits = _log2(one)
    low_bits = _log2(weight)
    used = 8 * (up - st[_UP] + st[_LOW] - low) + up_bits - st[_UP_BITS] + low_bits - st[_LOW_BITS]
    if used > limit:
        return used
    st[_UP] = up
    st[_UP_ACC] = up_acc
    st[_UP_BITS] = up_bits
    st[_LOW] = low
    st[_LOW_ACC] = low_acc
    st[_LOW_BITS] = low_bits
    return used


def _log2(power):
    bits = 0
    while power > 1:
        power >>= 1
        bits += 1
    return bits


def correlate(source, z, n, scale, st):
    """Sum the products of z = (source - st[_BASE]) >> scale at lags 0 to 8: st[_LAG + lag]."""
    base = st[_BASE]
    for i in range(n):
        z[i] = source[i] - base >> scale
    for lag in range(9):
        total = 0
        for i in range(lag, n):
            total += z[i] * z[i - lag]
        st[_LAG + lag] = total


def predict(source, z, n, order, scale, st):
    """Write to z what linear prediction (SPEC.md, predictor 4) leaves of source - st[_BASE]."""
    base = st[_BASE]
    half = 1 << scale >> 1
    for i in range(n):
        z[i] = _int32(source[i] - base)
    for i in range(n - 1, -1, -1):
        if i < order:
            e = z[i - 1] if i else 0
        else:
            e = half
            for j in range(order):
                e += st[_COEF + j] * z[i - 1 - j]
            e = _int32(e) >> scale
        z[i] = _int32(z[i] - e)

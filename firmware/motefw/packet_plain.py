"""Plain kernel of the encoder: what `packet_viper` does, for boards and hosts that cannot run that.

A kernel is a module of these functions. They work in place on `z`, an array('i') that holds one column,
and on `st`, an array('i') of state whose slots `packet` names; the output of all kernels is the
same, bit for bit. Hot loops keep every number below 2^30, so nothing is allocated for values of up
to 29 bits; wider ones are exact too, but cost a 32-bit board heap.
"""

from .compat import const

_UP = const(0)
_UP_ACC = const(1)
_UP_BITS = const(2)
_LOW = const(3)
_LOW_ACC = const(4)
_LOW_BITS = const(5)
_MIN = const(8)
_MAX = const(9)
_OR = const(10)
_COST = const(11)
_BASE = const(12)
_DEVIATION = const(13)
_SEEN = const(6)
_STILL = const(7)
_P = const(16)
_SUM = const(32)
_ZEROS = const(48)
_COEF = const(64)
_LAG = const(72)
_BLOCK = const(32)
_CLIP = const(0x1000000)
_WRAP = const(0xFFFFFFFF)
_TOP = const(0x80000000)
_NARROW = const(0xFFFFFFF)
_SURVEY_MAX = const(0x7FFFF)
_SPARSE = const(1)
_PACKED = const(2)


def _int32(value):
    return ((value & _WRAP) ^ _TOP) - _TOP


def span(z, n, st):
    """Find least and greatest of z[:n], and whether all are even: their OR (of 8, if that is odd)."""
    low = high = bits = z[0]
    for i in range(1, n):
        x = z[i]
        if x > high:
            high = x
        elif x < low:
            low = x
    for i in range(n):
        bits |= z[i]
        if bits & 1:
            break
    st[_MIN] = low
    st[_MAX] = high
    st[_OR] = bits


def shift(z, n, bits):
    """Shift z[:n] down by `bits`."""
    for i in range(n):
        z[i] >>= bits


def survey(z, n, st):
    """Estimate, on a quarter of z[:n] (all of up to 64), what each fixed predictor leaves.

    st[_BASE] gets the mean, st[_DEVIATION + order] the sum of absolute residuals, st[_SEEN] the count of
    values looked at and st[_STILL] that of zero first differences. Wide values are scaled to 19 bits.
    """
    low = st[_MIN]
    wide = (st[_MAX] - low) & _WRAP
    scale = 0
    while wide >> scale > _SURVEY_MAX:
        scale += 1
    window = 30 if n <= 64 else 8
    total = s0 = s1 = s2 = still = seen = 0
    for start in range(2, n, _BLOCK):
        stop = start + window
        if stop > n:
            stop = n
        seen += stop - start
        b = z[start - 1] - low >> scale
        d = b - (z[start - 2] - low >> scale)
        for i in range(start, stop):
            x = z[i] - low >> scale
            total += x
            e = x - b
            if e > 0:
                s1 += e
            elif e:
                s1 -= e
            else:
                still += 1
            d = e - d
            s2 += d if d >= 0 else -d
            d = e
            b = x
    mean = total // seen if seen else 0
    for start in range(2, n, _BLOCK):
        stop = start + window
        for i in range(start, stop if stop < n else n):
            e = (z[i] - low >> scale) - mean
            s0 += e if e >= 0 else -e
    st[_BASE] = _int32(low + (mean << scale))
    st[_DEVIATION] = s0
    st[_DEVIATION + 1] = s1
    st[_DEVIATION + 2] = s2
    st[_SEEN] = seen
    st[_STILL] = still


def difference(z, n):
    """Replace z[1:n] by its first differences."""
    a = z[0]
    for i in range(1, n):
        x = z[i]
        z[i] = _int32(x - a)
        a = x


def fold(z, first, n, step, wide, st):
    """Replace z[first:n] by the zig-zag codes of what it differs from st[_BASE], or (step) from the one before.

    Per block of 32: st[_SUM + block] gets the sum, or minus the bits of the largest if one has
    more than 24, and st[_ZEROS + block] the count of zeros. `wide` says that differences may wrap.
    """
    base = z[first - 1] if step else st[_BASE]
    block = 0
    for start in range(first, n, _BLOCK):
        total = zeros = top = 0
        stop = start + _BLOCK
        for i in range(start, stop if stop < n else n):
            x = z[i]
            e = x - base
            if step:
                base = x
            if wide:
                e = _int32(e)
            if e > 0:
                e += e
            elif e:
                e = -1 - e - e
            else:
                zeros += 1
                z[i] = 0
                continue
            if e >= _CLIP:
                top |= e
            total += e
            z[i] = e if e < _TOP else e - _WRAP - 1
        if top:
            total = 0
            while top:
                top >>= 1
                total -= 1
        st[_SUM + block] = total
        st[_ZEROS + block] = zeros
        block += 1


def choose(count, sparse, st):
    """Choose a parameter p = k + 1 (0: all zero) for each block of `count` codes, from what `fold` left.

    st[_P + block] gets p, st[_COST] the estimated bits. The choice is among the best k for that sum, the one
    below and the one of the block before, since a change costs bits.
    """
    cost = 0
    last = -1
    block = 0
    while count > 0:
        m = _BLOCK
        if count < m:
            m = count
        count -= m
        total = st[_SUM + block]
        best = least = 0
        if total:
            if sparse:
                cost += m
                m -= st[_ZEROS + block]
            if total < 0:
                best = min(-1 - total, 31)
                least = m * (best + 1)
            else:
                if sparse:
                    total -= m
                best, least = _best(total, m, last)
        st[_P + block] = best
        cost += least
        last = best
        block += 1
    st[_COST] = cost


def _best(total, m, last):
    """Return the parameter for m codes of that sum, and the bits it is estimated to take."""
    k = 0
    while m << k < total - (total >> 2) - (total >> 3):
        k += 1
    best = 0
    least = 1 << 29
    for p in (k + 1, k, last):
        if p > 0:
            bits = m * p
            if p <= 26:
                excess = total + total + m - (m << p - 1)
                if excess > 0:
                    bits += excess >> p
            if last >= 0:
                bits += 1 + 2 * abs(p - last)
            if bits < least:
                best = p
                least = bits
    return best, least


def emit(z, first, n, mode, st, out):
    """Write the codes z[first:n] to both sections of `out`; return 1, or 0 if they meet.

    Mode 0: Rice; 1: sparse, zeros apart; 2: packed, st[_P] - 1 bits each and no unary part.
    """
    up = st[_UP]
    up_acc = st[_UP_ACC]
    up_bits = st[_UP_BITS]
    low = st[_LOW]
    low_acc = st[_LOW_ACC]
    low_bits = st[_LOW_BITS]
    last = p = st[_P]
    block = _P
    for start in range(first, n, _BLOCK):
        if mode != _PACKED:
            p = st[block]
            block += 1
        if block > _P + 1:
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
        if not p:
            continue
        k = p - 1
        mask = (1 << k) - 1
        stop = start + _BLOCK
        for i in range(start, stop if stop < n else n):
            v = z[i]
            if v < 0:
                v &= _WRAP
            if mode != _PACKED:
                q = v >> k
                if mode:
                    q = v - 1 >> k
                    q += 1
                    v -= 1
                up_bits += q
                while up_bits > 7:
                    if up > low:
                        return 0
                    out[up] = up_acc
                    up += 1
                    up_acc = 0
                    up_bits -= 8
                up_acc |= 1 << up_bits
                up_bits += 1
                if v < 0:
                    continue
            low_acc |= (v & mask) << low_bits
            low_bits += k
            while low_bits > 7:
                if up > low:
                    return 0
                out[low] = low_acc & 0xFF
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


def correlate(z, n, scale, st):
    """Cut z[:n] to (z - st[_BASE]) >> scale, and sum its products at lags 0 to 8: st[_LAG + lag]."""
    base = st[_BASE]
    for i in range(n):
        z[i] = z[i] - base >> scale
    for lag in range(9):
        total = 0
        for i in range(lag, n):
            total += z[i] * z[i - lag]
        st[_LAG + lag] = total


def predict(z, n, order, scale, st):
    """Replace z[:n] by what linear prediction (SPEC.md, predictor 4) leaves of z - st[_BASE]."""
    base = st[_BASE]
    half = 1 << scale >> 1
    for i in range(n):
        z[i] = _int32(z[i] - base)
    for i in range(n - 1, -1, -1):
        if i < order:
            e = z[i - 1] if i else 0
        else:
            e = half
            for j in range(order):
                e += st[_COEF + j] * z[i - 1 - j]
            e = _int32(e) >> scale
        z[i] = _int32(z[i] - e)

"""Plain kernel of the encoder: what `packet_viper` does, where that does not run.

A kernel is a module of these functions. They work in place on `z`, an array('i') that holds one
stream, and on `st`, an array('i') of state whose slots `packet_stream` names; the output of all
kernels is the same, bit for bit. Hot loops keep every number below 2^30 for values of up to 22
bits, so that nothing is allocated; wider ones are exact too, but cost a 32-bit board heap.

The first two arguments of `fold` and `emit`, always 0, are for `packet_viper`: see there.

What a value costs: the VM takes some 85 instructions (x64) to add, shift or mask, 170 to read an
array (85 more for an index to be added up), 320 to store the low byte of a number, 150 to compare,
170 at the top of a loop, and 8 more for each local beyond the 16th. To read each value twice and
take it from the one before, to sum its rise up, look its code up, add that to both sections and
store half a byte is 2,200 already. So loops are written out for four and eight values, and what
holds for a block is worked out once.
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
_PEAK = const(81)
_FROM = const(97)
_BLOCK = const(32)
_CLIP = const(0x1000000)
_PAIR_K = const(12)
_PAIR_UNARY = const(22)
_TAME = const(16)
_TAME_UNARY = const(17)
_CALM_UNARY = const(12)
_TAME_MAX = const(119)  # with k of 4 at most, codes plus 2^k have 8 bits
_WRAP = const(0xFFFFFFFF)
_NARROW = const(0x20000000)
_TOP = const(0x80000000)
_SURVEY_MAX = const(0x7FFFF)

_tables = [bytearray()] * 5  # by k; empty until they are needed

widen = None  # nothing here needs values of 16 bits in 32


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
    x = low = high = source[0]
    y = bits = start = 0
    while start < n:  # a range of a step that varies would be an object
        stop = start + width
        if stop > n:
            stop = n
        for i in range(start + 1, stop, 2):  # in pairs: three comparisons where four would be
            x = source[i - 1]
            y = source[i]
            bits |= x | y
            if x > y:
                if x > high:
                    high = x
                if y < low:
                    low = y
            else:
                if y > high:
                    high = y
                if x < low:
                    low = x
        if stop - start & 1:
            x = source[stop - 1]
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
    x = e = b = d = total = s1 = s2 = still = 0  # the first 16 locals take the VM less
    low = st[_MIN]
    scale = 0
    spread = st[_MAX] - low
    while spread >> scale:
        scale += 1
    st[_WIDTH] = scale
    scale = 0
    while spread >> scale > _SURVEY_MAX:
        scale += 1
    spread >>= scale
    s0 = seen = 0
    start = 2
    while start < n:
        stop = start + width - 2
        if stop > n:
            stop = n
        seen += stop - start
        b = source[start - 1] - low >> scale
        d = b - (source[start - 2] - low >> scale)
        for i in range(start, stop):
            x = source[i] - low
            if scale:
                x >>= scale
            total += x
            e = x - b
            b = x
            if e > d:
                s2 += e - d
            else:
                s2 += d - e
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


def fold(x, total, source, a, n, order, sparse, st):
    """Choose parameters for the codes of source[order:n] less the value before, or st[_BASE].

    For each block of 32 codes st[_P + block] gets the parameter p = k + 1 (0: all zero) and, with
    `sparse`, st[_P + 16 + block] that for sparse coding; st[_COST] and st[_COST_SPARSE] the bits
    that all are estimated to take. st[_SUM + block] gets twice the sum of the residuals' absolute
    values, -1 if one has a code beyond 24 bits. `packet_viper` writes the codes to z, where `emit`
    finds them; here `emit` makes them anew, from what st[_FROM] says is before the first, and
    st[_PEAK + block] gets the most that eight residuals in a row may have in absolute values
    together; that is twice the most of four for order 0.
    """
    a = st[_FROM] = source[order - 1] if order else st[_BASE]
    i = most = y = stop = 0
    least = 1  # of a total for which the parameter is kept
    greatest = kept = 0
    block = _P
    last = last_sparse = -1
    cost = cost_sparse = 0
    for start in range(order, n, _BLOCK):
        before = a
        m = _BLOCK
        stop = start + _BLOCK
        if stop > n:
            stop = n
            m = n - start
            greatest = 0
        total = 0
        if order:  # what rises less what falls is known from both ends
            most = 0
            y = -a
            for i in range(start, stop - 7, 8):
                x = source[i]
                if x > a:
                    total += x - a
                a = source[i + 1]
                if a > x:
                    total += a - x
                x = source[i + 2]
                if x > a:
                    total += x - a
                a = source[i + 3]
                if a > x:
                    total += a - x
                x = source[i + 4]
                if x > a:
                    total += x - a
                a = source[i + 5]
                if a > x:
                    total += a - x
                x = source[i + 6]
                if x > a:
                    total += x - a
                a = source[i + 7]
                if a > x:
                    total += a - x
                x = total + total - a
                if x - y > most:
                    most = x - y
                y = x
            if m & 7:
                for i in range(stop - (m & 7), stop):
                    x = source[i]
                    if x > a:
                        total += x - a
                    a = x
                x = total + total - a
                if x - y > most:
                    most = x - y
            total = x + before
        else:
            most = 0
            for i in range(start, stop - 3, 4):
                y = total
                x = source[i]
                total += x - a if x > a else a - x
                x = source[i + 1]
                total += x - a if x > a else a - x
                x = source[i + 2]
                total += x - a if x > a else a - x
                x = source[i + 3]
                total += x - a if x > a else a - x
                if total - y > most:
                    most = total - y
            most += most
            if m & 3:
                for i in range(stop - (m & 3), stop):
                    x = source[i]
                    total += x - a if x > a else a - x
        total += total
        if total < _CLIP:
            peak = 0
            st[block + (_SUM - _P)] = total
        else:
            most = _CLIP
            total, peak = _wide(source, start, stop, order, before)
            st[block + (_SUM - _P)] = -1 if peak else total
        st[block + (_PEAK - _P)] = most
        if total <= greatest and total >= least:  # as `_choose` would
            cost += kept + (total >> last - 1)
        elif total or peak:
            st[_BITS] = cost
            last = _choose(total, peak, m, last, st)
            cost = st[_BITS]
            greatest = 0
            if last < _TAME:
                x = _BLOCK << last - 1
                least = max(x - (x >> 3), 2 * _BLOCK)
                greatest = x + x + (x >> 1)
                kept = _BLOCK * last + 1 - _BLOCK // 2
        else:
            last = greatest = 0
        st[block] = last
        if sparse:
            if total or peak:
                for j in range(start, stop):
                    if source[j] == source[j - 1]:
                        m -= 1
                st[_BITS] = cost_sparse + stop - start
                last_sparse = _choose(total - m, peak, m, last_sparse, st)
                cost_sparse = st[_BITS]
            else:
                last_sparse = 0
            st[block + _SPARSE_P] = last_sparse
        block += 1
    st[_COST] = cost
    st[_COST_SPARSE] = cost_sparse


def _wide(source, start, stop, order, before):
    """Return the sum of a block that may have wide codes, and the OR of those over 24 bits."""
    total = peak = 0
    for i in range(start, stop):
        x = source[i]
        v = x - before
        v = _wrapped(v + v if v >= 0 else -1 - v - v)
        if order:
            before = x
        total += v + (v & 1)
        if v >= _CLIP:
            peak |= v & -_CLIP
    return total, peak


def _choose(total, peak, m, last, st):
    """Return the parameter for m codes; add the bits estimated for it to st[_BITS].

    `total` is twice the sum of absolute residuals, `peak` the OR of codes beyond 24 bits, `last`
    the parameter of the block before (-1: none), kept while it is near the best: a change costs
    bits. The best k is the least with 2^k >= 0.484 of the mean and a half (Kiely 2004, "Selecting
    the Golomb Parameter in Rice Coding": k and k + 1 meet at the golden ratio).
    """
    p = x = one = 0
    if peak:
        while peak >> p:
            p += 1
        p = min(p, 31)
        st[_BITS] += m * (p + 1)
        return p
    if 0 < last < 26:
        p = last
        one = 1 << p - 1
        x = m * one
    if not x - (one << 2) <= total <= x + x + (x >> 2) + (one << 3):
        p = 1
        x = m
        while x + x < total - (total >> 5):
            x += x
            p += 1
    x = (total + total if total >= m + m else total + (total >> 1) + m) - x  # few are not 0
    st[_BITS] += m * p + (x >> p if x > 0 else 0)
    if last >= 0:
        st[_BITS] += (last - p << 1 if last > p else p - last << 1) + 1
    return p


def _table(k):
    """Return the codes plus 2^k of differences below 17 * 2^k; negative ones are at the end."""
    half = min(_TAME_UNARY << k, _TAME_MAX)
    table = bytearray(2 * half)
    for i in range(half):
        table[i] = i + i + (1 << k)
        table[-1 - i] = i + i + 1 + (1 << k)
    _tables[k] = table
    return table


def emit(v, one, source, y, up, up_acc, k, low_acc, weight, out):
    """Write the codes that `fold` looked at to both sections of `out`.

    Arguments are 0, 0, source, z, n, order, limit, mode, st and out: the VM has the first 16
    locals for less, so those that are rarely needed make room for what the loops use. Returns the
    bits, -1 if the sections meet. More than `limit` bits, and it is as if nothing was written.

    Mode 0: Rice; 1: sparse; 2: packed, source[:n] in st[_P] - 1 bits each and no unary part.
    """
    i = x = a = mask = low = 0
    table = None
    n = up
    order = up_acc
    limit = k
    mode = low_acc
    st = weight
    a = st[_FROM]
    i = order
    up_acc = st[_UP_ACC]
    up = st[_UP]
    one = st[_UP_BITS]
    if one:
        one = 1 << one - 1  # the last bit begun: the end of a code is so far from the one before
    else:  # no bit is: begin with the byte before
        up -= 1
        up_acc = out[up]
        one = 0x80
    weight = 1 << st[_LOW_BITS]
    low_acc = st[_LOW_ACC]
    low = st[_LOW]
    block = stop = p = total = four = two = tame = calm = 0
    last = -1
    slot = _P + (_SPARSE_P if mode == 1 else 0)
    # The estimate leaves out half a bit a value, and a quarter of the unary part, at most.
    roomy = not mode and low - up << 2 > st[_COST] + (n << 3)
    while i < n:
        stop = i + _BLOCK
        if stop > n:
            stop = n
        m = stop - i
        p = st[slot]
        x = 1
        if p != last:
            x = (p - last << 1 if p > last else (last - p << 1) - 1) + 1
            last = p
            k = p - 1
            bias = 1 << k if p else 0
            mask = bias - 1
            fast = not mode and k < _PAIR_K
            tame = calm = 0
            if fast and 0 <= k < 5:
                tame = min(_TAME_UNARY << k, _TAME_MAX)
                calm = min(_CALM_UNARY << k, tame) if order else 0
                table = _tables[k] or _table(k)
                two = k + k
                four = two + two
        if not roomy:
            room = m * k + 16
            if mode < 2:  # a code beyond 24 bits has a unary part of 4 at most
                total = st[_SUM + block]
                room += m + m + 77 + (total >> k if total > 0 else m << 2)
            if low - up < room >> 3:
                return -1
        if mode < 2:
            slot += 1
            if block:
                one <<= x
                up_acc |= one
                while one > 255:
                    out[up] = up_acc & 0xFF
                    up += 1
                    up_acc >>= 8
                    one >>= 8
        block += 1
        if not p:
            i = stop
            if order:
                a = source[i - 1]
            continue
        peak = st[block + (_PEAK - 1)]
        if peak < tame:
            # none is beyond the table, and hardly so many together have 18 bits of unary parts
            # more than their ends, when a 32-bit board would need an object for a moment
            start = i
            if peak < calm:
                end = i + (m & -4)
                for i in range(start, end, 4):
                    x = source[i]
                    v = table[x - a]
                    one <<= v >> k
                    up_acc |= one
                    y = source[i + 1]
                    x = table[y - x]
                    one <<= x >> k
                    up_acc |= one
                    v = v & mask | (x & mask) << k
                    x = source[i + 2]
                    y = table[x - y]
                    one <<= y >> k
                    up_acc |= one
                    a = source[i + 3]
                    x = table[a - x]
                    one <<= x >> k
                    up_acc |= one
                    while one > 255:
                        out[up] = up_acc & 0xFF
                        up += 1
                        up_acc >>= 8
                        one >>= 8
                    low_acc |= (v | (y & mask | (x & mask) << k) << two) * weight
                    if k == 2:  # four have just a byte
                        out[low] = low_acc & 0xFF
                        low -= 1
                        low_acc >>= 8
                        continue
                    weight <<= four
                    while weight > 255:
                        out[low] = low_acc & 0xFF
                        low -= 1
                        low_acc >>= 8
                        weight >>= 8
            else:
                end = i + (m & -2)
                for i in range(start, end, 2):
                    x = source[i]
                    v = table[x - a]
                    one <<= v >> k
                    up_acc |= one
                    y = source[i + 1]
                    if order:
                        x = table[y - x]
                        a = y
                    else:
                        x = table[y - a]
                    one <<= x >> k
                    up_acc |= one
                    while one > 255:
                        out[up] = up_acc & 0xFF
                        up += 1
                        up_acc >>= 8
                        one >>= 8
                    low_acc |= (v & mask | (x & mask) << k) * weight
                    weight <<= two
                    while weight > 255:
                        out[low] = low_acc & 0xFF
                        low -= 1
                        low_acc >>= 8
                        weight >>= 8
            i = end
        if i == stop:
            continue
        narrow = fast and st[block + (_SUM - 1)] >= 0
        while i < stop:
            if narrow:
                most = _PAIR_UNARY << k
                end = stop - 1
                while i < end:
                    x = source[i]
                    y = source[i + 1]
                    i += 2
                    v = x - a
                    if order:
                        a = y
                        y -= x
                    else:
                        y -= a
                    v = bias + v + v if v >= 0 else mask - v - v
                    y = bias + y + y if y >= 0 else mask - y - y
                    if v + y >= most:  # they need more bits than a small integer has
                        i -= 2
                        if order:
                            a = source[i - 1]
                        break
                    one <<= v >> k
                    up_acc |= one
                    one <<= y >> k
                    up_acc |= one
                    while one > 255:
                        out[up] = up_acc & 0xFF
                        up += 1
                        up_acc >>= 8
                        one >>= 8
                    low_acc |= (v & mask | (y & mask) << k) * weight
                    weight <<= k + k
                    while weight > 255:
                        out[low] = low_acc & 0xFF
                        low -= 1
                        low_acc >>= 8
                        weight >>= 8
            end = min(i + 2, stop) if narrow else stop
            while i < end:
                v = source[i]
                i += 1
                if mode < 2:
                    v -= a
                    if order:
                        a += v
                    v = v + v if v >= 0 else -1 - v - v
                    if v >= _CLIP:
                        v = _wrapped(v)
                    v -= mode
                    q = (v >> k) + mode
                    while q > 7:
                        out[up] = up_acc & 0xFF
                        up += 1
                        up_acc = 0
                        q -= 8
                    one <<= q + 1
                    up_acc |= one
                    while one > 255:
                        out[up] = up_acc & 0xFF
                        up += 1
                        up_acc >>= 8
                        one >>= 8
                    if v < 0:
                        continue
                low_acc += (v & mask) * weight
                weight <<= k
                while weight > 255:
                    out[low] = low_acc & 0xFF
                    low -= 1
                    low_acc >>= 8
                    weight >>= 8
    up_bits = _log2(one) + 1
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


def move(out, to, start, stop):
    """Move out[start:stop] to out[to:], which is not above it."""
    view = memoryview(out)
    view[to : to + stop - start] = view[start:stop]


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

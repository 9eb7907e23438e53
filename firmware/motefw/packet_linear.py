"""Linear prediction: coefficients from autocorrelations, in integers that are the same everywhere.

Levinson-Durbin recursion (N. Levinson, 1947; J. Durbin, 1960) with coefficients in units of 2^-20,
cut to signed bytes with a common scale for the wire.
"""

from .compat import const

_SCALE = const(14)
_COEF = const(64)
_LAG = const(72)
_MAX_ORDER = const(8)
_ONE_BITS = const(20)
_SCALE_MAX = const(7)
_COEF_MAX = const(127)


def _log2(value):
    """Return 16 times the binary logarithm of a positive integer, linear between powers of two."""
    bits = 0
    while value >> bits > 1:
        bits += 1
    return (bits << 4) + (((value << 4) >> bits) - 16)


def _recursion(n, st):
    """Return the coefficients of the order that promises the fewest bits for n samples."""
    error = st[_LAG] + (st[_LAG] >> 10) + 1
    least = n * _log2(error) >> 5
    best = a = []
    for i in range(_MAX_ORDER):
        rest = st[_LAG + i + 1] << _ONE_BITS
        for j in range(i):
            rest -= a[j] * st[_LAG + i - j]
        k = rest // error
        a = [a[j] - (k * a[i - 1 - j] >> _ONE_BITS) for j in range(i)] + [k]
        error -= error * k * k >> 2 * _ONE_BITS
        if error <= 0:
            break
        bits = (n * _log2(error) >> 5) + 8 * (i + 1)
        if bits < least:
            least = bits
            best = a
    return best


def design(n, st):
    """Return the order (0: none pays); write the coefficients to st[64:], in units of 2^-st[14].

    st[72:81] holds the autocorrelation of n samples at lags 0 to 8.
    """
    a = _recursion(n, st)
    if not a:
        return 0
    peak = max(max(a), -min(a))
    scale = _SCALE_MAX
    while peak + (1 << _ONE_BITS - scale - 1) >> _ONE_BITS - scale > _COEF_MAX:
        if not scale:
            return 0
        scale -= 1
    down = _ONE_BITS - scale
    for i in range(len(a)):
        st[_COEF + i] = a[i] + (1 << down - 1) >> down
    st[_SCALE] = scale
    return len(a)

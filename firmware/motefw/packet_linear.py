"""Linear prediction: coefficients from autocorrelations, in integers that are the same everywhere.

Levinson-Durbin recursion (N. Levinson, 1947; J. Durbin, 1960) on autocorrelations cut to 15 bits,
with coefficients in units of 2^-12 on the way and signed bytes with a common scale at the end. No
number reaches 2^30 where coefficients stay below 8, so nothing is allocated.
"""

from .compat import const

_SCALE = const(14)
_COEF = const(64)
_LAG = const(72)
_A = const(81)
_MAX_ORDER = const(8)
_LAG_BITS = const(15)
_ONE_BITS = const(12)
_SCALE_MAX = const(7)
_COEF_MAX = const(127)


def _normalise(st):
    """Shift the autocorrelations so that the one at lag 0 has 15 bits."""
    bits = 0
    while st[_LAG] >> bits:
        bits += 1
    bits -= _LAG_BITS
    for lag in range(_LAG, _LAG + _MAX_ORDER + 1):
        st[lag] = st[lag] >> bits if bits >= 0 else st[lag] << -bits


def _extend(i, error, st):
    """Take i coefficients to i + 1; return the error that is left, 0 if that is no gain."""
    rest = st[_LAG + i + 1] << 6
    for j in range(i):
        rest -= st[_A + j] * st[_LAG + i - j] >> 6
    k = (rest << 6) // error
    if k > 1 << _ONE_BITS or k < -(1 << _ONE_BITS):
        return 0
    left = 0
    right = i - 1
    while left <= right:
        a = st[_A + left]
        b = st[_A + right]
        st[_A + left] = a - (k * b >> _ONE_BITS)
        if left != right:
            st[_A + right] = b - (k * a >> _ONE_BITS)
        left += 1
        right -= 1
    st[_A + i] = k
    return error - (error * (k * k >> _ONE_BITS) >> _ONE_BITS)


def _recursion(order, n, st):
    """Find the coefficients of up to that order; return the order that promises the fewest bits.

    One more costs 8 bits, and n samples gain n / 2 log2 of what the error is divided by: it pays
    where the error falls by 11 / n of itself.
    """
    error = best_error = st[_LAG] + (st[_LAG] >> 10) + 1
    best = 0
    for i in range(order):
        error = _extend(i, error, st)
        if error <= 0:
            break
        if error * n < best_error * (n - 11 * (i + 1 - best)):
            best_error = error
            best = i + 1
    return best


def design(n, st):
    """Return the order (0: none pays); write coefficients to st[64:], in units of 2^-st[14].

    st[72:81] holds the autocorrelation of n samples at lags 0 to 8.
    """
    _normalise(st)
    order = _recursion(_MAX_ORDER, n, st)
    if 0 < order < _MAX_ORDER:
        _recursion(order, n, st)
    peak = 0
    for j in range(_A, _A + order):
        peak = max(peak, st[j], -st[j])
    down = _ONE_BITS - _SCALE_MAX
    while peak + (1 << down - 1) >> down > _COEF_MAX:
        down += 1
    if down > _ONE_BITS:
        return 0
    for j in range(order):
        st[_COEF + j] = st[_A + j] + (1 << down - 1) >> down
    st[_SCALE] = _ONE_BITS - down
    return order

"""Consistent Overhead Byte Stuffing: no zero byte within, at most one byte more in 254.

Ref: S. Cheshire and M. Baker, "Consistent Overhead Byte Stuffing", SIGCOMM 1997.
"""

from .compat import const
from .errors import FrameError

_ZERO = const(b"\0")
_RUN_MAX = const(254)


def encode_into(data, n, out, at=0):
    """Encode the first n bytes of data, a bytearray, to out[at:]; return the end.

    Where one run may be all of it, which is so for frames, the zeros alone are looked at. `out`
    needs n + n // 254 + 1 bytes from `at` on.
    """
    if n < _RUN_MAX:
        first = at + 1
        out[first : first + n] = memoryview(data)[:n]
        zero = data.find(_ZERO, 0, n)
        while zero >= 0:
            out[at] = first + zero - at
            at = first + zero
            zero = data.find(_ZERO, zero + 1, n)
        out[at] = first + n - at
        return first + n
    view = memoryview(data)
    i = 0
    while True:
        zero = data.find(_ZERO, i, n)
        run = min((n if zero < 0 else zero) - i, _RUN_MAX)
        out[at] = run + 1
        at += 1
        out[at : at + run] = view[i : i + run]
        at += run
        i += run
        if i == n:
            return at
        if run < _RUN_MAX:
            i += 1  # the zero, which the code stands for


def decode_into(data, start, end, out):
    """Decode data[start:end], a bytearray's, to out, return the length; `out` may be `data`.

    Raises FrameError when a zero or a code that runs past the end shows.
    """
    zero = data.find(_ZERO, start, end)
    if zero >= 0:
        raise FrameError("COBS: zero byte at {}".format(zero - start))
    if 0 < end - start <= _RUN_MAX:
        return _decode_short(data, start, end, out)
    n = 0
    i = start
    while i < end:
        code = data[i]
        stop = i + code
        if stop > end:
            raise FrameError("COBS: code {} at {}, {} bytes left".format(code, i - start, end - i))
        code -= 1
        out[n : n + code] = data[i + 1 : stop]
        n += code
        i = stop
        if code != _RUN_MAX and i < end:
            out[n] = 0
            n += 1
    return n


def _decode_short(data, start, end, out):
    """Decode what no code can be within but such as stand for a zero: all is moved at once."""
    n = end - start - 1
    code = data[start]
    out[:n] = data[start + 1 : end]
    i = code - 1
    while i < n:
        code = out[i]
        out[i] = 0
        i += code
    if i > n:
        at = i + 1 - code
        raise FrameError("COBS: code {} at {}, {} bytes left".format(code, at, n + 1 - at))
    return n

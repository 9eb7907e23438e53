"""Consistent Overhead Byte Stuffing: no zero byte within, at most one byte more in 254.

Ref: S. Cheshire and M. Baker, "Consistent Overhead Byte Stuffing", SIGCOMM 1997.
"""

from .errors import FrameError


def encode_into(data, n, out, at=0):
    """Encode the first n bytes of data to out[at:]; return the end. Nothing is allocated.

    `out` needs n + n // 254 + 1 bytes from `at` on.
    """
    mark = at
    at += 1
    run = 1
    for i in range(n):
        b = data[i]
        if b:
            out[at] = b
            at += 1
            run += 1
        if not b or (run == 0xFF and i + 1 < n):
            out[mark] = run
            mark = at
            at += 1
            run = 1
    out[mark] = run
    return at


def decode_into(data, start, end, out):
    """Decode data[start:end] to out, return the length; `out` may be `data` if start is 0.

    Raises FrameError when a zero or a code that runs past the end shows.
    """
    n = 0
    i = start
    while i < end:
        code = data[i]
        stop = i + code
        if not code or stop > end:
            raise FrameError("COBS: code {} at {}, {} bytes left".format(code, i - start, end - i))
        i += 1
        while i < stop:
            b = data[i]
            if not b:
                raise FrameError("COBS: zero byte at {}".format(i - start))
            out[n] = b
            n += 1
            i += 1
        if code != 0xFF and i < end:
            out[n] = 0
            n += 1
    return n

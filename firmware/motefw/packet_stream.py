"""Streams of a packet's body: choose a predictor, describe it, code what it leaves (SPEC.md, "Packet").

The arithmetic over samples is a *kernel*: `packet_plain` or `packet_viper`, which share the state `st`.
What is decided here from its figures is the same for both, and so are the bytes.
"""

from array import array

from . import packet_linear
from .compat import const
from .errors import PacketError
from .packet_header import put, put_varint

CONSTANT = const(0)
ORDER_0 = const(1)
ORDER_1 = const(2)
ORDER_2 = const(3)
LINEAR = const(4)
PACKED = const(5)
SPARSE_1 = const(6)
SHIFTED = const(7)
FIRST = (0, 0, 1, 2, 0, 0, 1)  # by predictor: values that stand in the descriptor
DESCRIPTOR_MAX_BYTES = const(24)

RUNS = const(0)  # what a stream codes
STEPS = const(1)
VALUES = const(2)

# Slots of the state.
UP = const(0)  # upward section: next byte, bits begun
UP_ACC = const(1)
UP_BITS = const(2)
LOW = const(3)  # downward section, likewise
LOW_ACC = const(4)
LOW_BITS = const(5)
_SEEN = const(6)
_STILL = const(7)
_MIN = const(8)
_MAX = const(9)
_OR = const(10)
_COST = const(11)
_BASE = const(12)
_DEVIATION = const(13)
_P = const(16)
_COEF = const(64)

_RICE = const(0)
_SPARSE = const(1)
_AS_IS = const(2)
_WRAP = const(0xFFFFFFFF)
_NARROW_BITS = const(28)
_CORRELATE_BITS = const(10)
_LINEAR_MIN = const(64)  # samples that pay for coefficients
_LINEAR_REST = const(3)  # packets without a try after one that did not pay
FULL = "packet: the samples do not fit into the buffer, or into 4096 bytes"

state = array("i", bytes(4 * 81))
_scratch = [array("i", bytes(4))]


def reserve(capacity):
    """Make room to work on that many samples."""
    if len(_scratch[0]) < capacity:
        _scratch[0] = array("i", bytes(4 * capacity))


def runs(block, channel):
    """Write the lengths of valid, invalid, valid... runs to the scratch; return (runs, invalid)."""
    z = _scratch[0]
    count = lost = start = 0
    bad = False
    for i in range(block.count):
        now = block.is_invalid(channel, i)
        lost += now
        if now != bad:
            z[count] = i - start
            count += 1
            start = i
            bad = now
    return count + 1, lost


def _load(block, what, channel, z):
    """Copy to z what a stream codes and return how many: runs, time steps or valid values."""
    if what == RUNS:
        return runs(block, channel)[0] - 1
    n = block.count
    if what == STEPS:
        n -= 1
        memoryview(z)[:n] = memoryview(block.steps_us)[1 : n + 1]
    elif block.any_invalid:
        n = 0
        column = block.columns[channel]
        for i in range(block.count):
            if not block.is_invalid(channel, i):
                z[n] = column[i]
                n += 1
    else:
        memoryview(z)[:n] = memoryview(block.columns[channel])[:n]
    return n


def _zigzag_varint(out, at, value):
    return put_varint(out, at, (value << 1 ^ value >> 31) & _WRAP)


def _describe(out, at, predictor, start, second, scale, st):
    """Write how a stream is predicted; for LINEAR, `second` is the order. Return the end."""
    out[at] = predictor << 5 | (st[_P] - 2 if predictor == PACKED else st[_P])
    at += 1
    if predictor == LINEAR:
        out[at] = second - 1 << 5 | scale
        at = _zigzag_varint(out, at + 1, start)
        for i in range(second):
            at = put(out, at, st[_COEF + i], 1)
        return at
    at = _zigzag_varint(out, at, start)
    return _zigzag_varint(out, at, second) if predictor == ORDER_2 else at


def _width(st):
    """Return the bits that hold the greatest value less the least."""
    spread = (st[_MAX] - st[_MIN]) & _WRAP
    bits = 0
    while spread >> bits:
        bits += 1
    return bits


def _fixed(kernel, z, n, width, st):
    """Leave in z the codes of the fixed predictor that looks best; return it and z[1] - z[0]."""
    s0, s1, s2 = st[_DEVIATION], st[_DEVIATION + 1], st[_DEVIATION + 2]
    order = 1
    if st[_SEEN]:
        order = 0 if s0 <= s1 and s0 <= s2 else 2 if s2 < s1 else 1
    second = z[1] - z[0]
    if order == 2:
        kernel.difference(z, n)
    kernel.fold(z, order, n, order, 1 if width > _NARROW_BITS else 0, st)
    if order == 1 and st[_STILL] * 4 > st[_SEEN]:
        kernel.choose(n - 1, 1, st)
        cost = st[_COST]
        kernel.choose(n - 1, 0, st)
        if cost < st[_COST]:
            kernel.choose(n - 1, 1, st)
            return SPARSE_1, second
    else:
        kernel.choose(n - order, 0, st)
    return ORDER_0 + order, second


class _Stream:
    """One stream on its way into the sections; there is one object for all."""

    def load(self, kernel, block, what, channel):
        """Take values and their span; return whether there are any."""
        self.kernel = kernel
        self.block = block
        self.what = what
        self.channel = channel
        self.shift = 0
        self.n = _load(block, what, channel, _scratch[0])
        return self.n

    def reload(self):
        """Take the values again, and return them."""
        z = _scratch[0]
        _load(self.block, self.what, self.channel, z)
        if self.shift:
            self.kernel.shift(z, self.n, self.shift)
        return z

    def tries_linear(self, width):
        """Tell whether to try linear prediction: it costs, and what did not pay rarely pays soon."""
        block = self.block
        if self.what != VALUES or not block.linear or self.n < _LINEAR_MIN or width > _NARROW_BITS:
            return False
        if block.rest[self.channel]:
            block.rest[self.channel] -= 1
            return False
        return True

    def linear(self, width, st):
        """Leave in z the codes of linear prediction; return (order, scale), or (0, 0) if it costs more."""
        kernel, n = self.kernel, self.n
        limit = st[_COST]
        scale = width - _CORRELATE_BITS
        kernel.correlate(self.reload(), n, max(0, scale), st)
        order, scale = packet_linear.design(n, st)
        if order:
            z = self.reload()
            kernel.predict(z, n, order, scale, st)
            base = st[_BASE]
            st[_BASE] = 0
            kernel.fold(z, 0, n, 0, 1, st)
            kernel.choose(n, 0, st)
            st[_BASE] = base
            if st[_COST] + 8 * order + 8 < limit:
                return order, scale
        self.block.rest[self.channel] = _LINEAR_REST
        return 0, 0

    def predicted(self, out, at, width, st):
        """Write the stream by the predictor that looks best; return the end, or 0 if packing is shorter."""
        kernel, n = self.kernel, self.n
        z = _scratch[0]
        start = z[0]
        scale = 0
        predictor, second = _fixed(kernel, z, n, width, st)
        if width * n + (n >> 1) < st[_COST]:
            return 0
        if self.tries_linear(width):
            order, scale = self.linear(width, st)
            if order:
                predictor, second = LINEAR, order
            else:
                predictor, second = _fixed(kernel, self.reload(), n, width, st)
        first = FIRST[predictor]
        at = _describe(out, at, predictor, start if first else st[_BASE], second, scale, st)
        before = st[: LOW_BITS + 1]
        if kernel.emit(z, first, n, _SPARSE if predictor == SPARSE_1 else _RICE, st, out):
            bytes_used = st[UP] - before[UP] + before[LOW] - st[LOW]
            if 8 * bytes_used + st[UP_BITS] - before[UP_BITS] + st[LOW_BITS] - before[LOW_BITS] <= width * n:
                return at
        st[: LOW_BITS + 1] = before
        return 0

    def packed(self, out, at, width, st):
        """Write the stream as what exceeds its least value, `width` bits each; return the end."""
        z = self.reload()
        least = st[_BASE] = st[_MIN]
        self.kernel.predict(z, self.n, 0, 0, st)
        st[_P] = width + 1
        at = _describe(out, at, PACKED, least, 0, 0, st)
        if not self.kernel.emit(z, 0, self.n, _AS_IS, st, out):
            raise PacketError(FULL)
        return at


_stream = _Stream()


def write(kernel, out, at, block, what, channel):
    """Write a stream: its descriptor to out[at:], its codes to both sections. Return the end.

    Raises PacketError if the sections meet.
    """
    if not _stream.load(kernel, block, what, channel):
        return at
    st = state
    z = _scratch[0]
    n = _stream.n
    kernel.span(z, n, st)
    if st[_MIN] == st[_MAX]:
        st[_P] = 0
        return _describe(out, at, CONSTANT, z[0], 0, 0, st)
    bits = 0
    while not st[_OR] >> bits & 1:
        bits += 1
    if bits:
        out[at] = SHIFTED << 5 | bits
        at += 1
        kernel.shift(z, n, bits)
        st[_MIN] >>= bits
        st[_MAX] >>= bits
        _stream.shift = bits
    kernel.survey(z, n, st)
    width = _width(st)
    return _stream.predicted(out, at, width, st) or _stream.packed(out, at, width, st)

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
_STILL = const(7)
_MIN = const(8)
_MAX = const(9)
_OR = const(10)
_COST = const(11)
_BASE = const(12)
_COST_SPARSE = const(13)
_P = const(16)
_P_SPARSE = const(32)
_COEF = const(64)

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
    p = st[_P_SPARSE if predictor == SPARSE_1 else _P]
    out[at] = predictor << 5 | (p - 2 if predictor == PACKED else p)
    at += 1
    if predictor == LINEAR:
        out[at] = second - 1 << 5 | scale
        at = _zigzag_varint(out, at + 1, start)
        for i in range(second):
            at = put(out, at, st[_COEF + i], 1)
        return at
    at = _zigzag_varint(out, at, start)
    return _zigzag_varint(out, at, second) if predictor == ORDER_2 else at


def _sampling(n):
    """Return (step, width): a survey looks at the first `width` of every `step` values."""
    if n <= 64:
        return 32, 32
    return (32 if n <= 256 else 64), 10


def _width(st):
    """Return the bits that hold the greatest value less the least."""
    spread = (st[_MAX] - st[_MIN]) & _WRAP
    bits = 0
    while spread >> bits:
        bits += 1
    return bits


class _Stream:
    """One stream on its way into the sections; there is one object for all."""

    def load(self, kernel, block, what, channel):
        """Take the values of a stream; return how many there are."""
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

    def survey(self, z, st):
        """Return the fixed order that looks best, with a common factor shifted out; -1: all are equal."""
        kernel, n = self.kernel, self.n
        step, width = _sampling(n)
        kernel.span(z, n, step, width, st)
        if not st[_OR] & 1 or st[_MIN] == st[_MAX]:
            kernel.span(z, n, n, n, st)
            if st[_MIN] == st[_MAX]:
                return -1
            while not st[_OR] >> self.shift & 1:
                self.shift += 1
            if self.shift:
                kernel.shift(z, n, self.shift)
                kernel.span(z, n, step, width, st)
        return kernel.survey(z, n, step, width, st)

    def fixed(self, z, order, st):
        """Leave in z the codes of a fixed predictor; return it."""
        n = self.n
        if order == 2:
            self.kernel.difference(z, n)
        sparse = order == 1 and st[_STILL]
        self.kernel.fold(z, n, order, sparse, st)
        if sparse and st[_COST_SPARSE] < st[_COST]:
            st[_COST] = st[_COST_SPARSE]
            return SPARSE_1
        return ORDER_0 + order

    def tries_linear(self):
        """Tell whether to try linear prediction: it costs, and what did not pay rarely pays soon."""
        block = self.block
        if self.what != VALUES or not block.linear or self.n < _LINEAR_MIN:
            return False
        if block.rest[self.channel]:
            block.rest[self.channel] -= 1
            return False
        return True

    def linear(self, st):
        """Leave in z the codes of linear prediction; return (order, scale), or (0, 0) if that costs more."""
        kernel, n = self.kernel, self.n
        limit = st[_COST]
        z = self.reload()
        kernel.span(z, n, n, n, st)
        width = _width(st)
        order = 0
        if width <= _NARROW_BITS:
            kernel.correlate(z, n, max(0, width - _CORRELATE_BITS), st)
            order, scale = packet_linear.design(n, st)
        if order:
            kernel.predict(self.reload(), n, order, scale, st)
            base = st[_BASE]
            st[_BASE] = 0
            kernel.fold(z, n, 0, 0, st)
            st[_BASE] = base
            if st[_COST] + 8 * order + 8 < limit:
                return order, scale
        self.block.rest[self.channel] = _LINEAR_REST
        return 0, 0

    def predicted(self, out, at, order, st):
        """Write the stream as predicted by what looks best; return the end, or 0 if packing is shorter."""
        n = self.n
        z = _scratch[0]
        start = z[0] if order else st[_BASE]
        second = z[1] - z[0]
        scale = 0
        spread = (st[_MAX] - st[_MIN]) & _WRAP
        predictor = self.fixed(z, order, st)
        if self.tries_linear():
            taps, scale = self.linear(st)
            if taps:
                predictor, second, start = LINEAR, taps, st[_BASE]
                order = 0
            else:
                predictor = self.fixed(self.reload(), order, st)
        at = _describe(out, at, predictor, start, second, scale, st)
        before = st[: LOW_BITS + 1]
        used = self.kernel.emit(z, n - order, predictor == SPARSE_1, st, out)
        if used >= 0:
            if spread >> used // n:  # a lower bound of the width, for most
                return at
            self.kernel.span(self.reload(), n, n, n, st)
            if used <= _width(st) * n:
                return at
        st[: LOW_BITS + 1] = before
        return 0

    def packed(self, out, at, st):
        """Write the stream as what exceeds its least value, in as many bits as that needs; return the end."""
        z = self.reload()
        self.kernel.span(z, self.n, self.n, self.n, st)
        least = st[_BASE] = st[_MIN]
        st[_P] = _width(st) + 1
        self.kernel.predict(z, self.n, 0, 0, st)
        at = _describe(out, at, PACKED, least, 0, 0, st)
        if self.kernel.emit(z, self.n, _AS_IS, st, out) < 0:
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
    order = _stream.survey(z, st)
    if order < 0:
        st[_P] = 0
        return _describe(out, at, CONSTANT, z[0], 0, 0, st)
    if _stream.shift:
        out[at] = SHIFTED << 5 | _stream.shift
        at += 1
    return _stream.predicted(out, at, order, st) or _stream.packed(out, at, st)

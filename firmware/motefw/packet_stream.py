"""Streams of a packet's body: choose a predictor, describe it, code what it leaves.

See SPEC.md, "Packet". The arithmetic over samples is a *kernel*: `packet_plain` or `packet_viper`,
which share the state `st`. What is decided here from its figures is the same for both, and so are
the bytes.
"""

from array import array

from .compat import const
from .errors import PacketError
from .packet_write import put_varint

_CONSTANT = const(0)  # predictors
_ORDER_0 = const(1)
_ORDER_1 = const(2)
_ORDER_2 = const(3)
_LINEAR = const(4)
_PACKED = const(5)
_SPARSE_1 = const(6)
_SHIFTED = const(7)

_RUNS = const(0)  # what a stream codes
_STEPS = const(1)
_VALUES = const(2)

# Slots of the state.
_UP = const(0)  # upward section: next byte, bits begun
_UP_ACC = const(1)
_UP_BITS = const(2)
_LOW = const(3)  # downward section, likewise
_LOW_ACC = const(4)
_LOW_BITS = const(5)
_STILL = const(7)
_MIN = const(8)
_MAX = const(9)
_OR = const(10)
_COST = const(11)
_BASE = const(12)
_COST_SPARSE = const(13)
_SCALE = const(14)
_WIDTH = const(15)
_P = const(16)
_P_SPARSE = const(32)
_COEF = const(64)

_AS_IS = const(2)
_NO_LIMIT = const(0x3FFFFFFF)
_WRAP = const(0xFFFFFFFF)
_TOP = const(0x80000000)
_NARROW_BITS = const(28)
_CORRELATE_BITS = const(10)
_LINEAR_MIN = const(64)  # samples that pay for coefficients
_REST_MAX = const(31)
_FULL = "packet: the samples do not fit into the buffer, or into 4096 bytes"

state = array("i", bytes(4 * 98))
_scratch = [array("i", bytes(4))]


def reserve(capacity):
    """Make room to work on that many samples."""
    if len(_scratch[0]) < capacity:
        _scratch[0] = array("i", bytes(4 * capacity))


def start(begin, limit):
    """Begin the sections of a packet at out[begin:] and below out[limit]."""
    if begin > limit:
        raise PacketError(_FULL)
    st = state
    st[_UP] = begin
    st[_LOW] = limit - 1
    st[_UP_ACC] = st[_UP_BITS] = st[_LOW_ACC] = st[_LOW_BITS] = 0


def finish(kernel, out, at, begin, limit):
    """Close both sections and move them behind the descriptors, to out[at:]; return the end."""
    st = state
    up, low = st[_UP], st[_LOW]
    if low - up < 1:
        raise PacketError(_FULL)
    if st[_UP_BITS]:
        out[up] = st[_UP_ACC]
        up += 1
    if st[_LOW_BITS]:
        out[low] = st[_LOW_ACC]
        low -= 1
    middle = at + up - begin
    kernel.move(out, at, begin, up)
    low += 1
    kernel.move(out, middle, low, limit)
    return middle + limit - low


def runs(block, channel):
    """Write lengths of valid, invalid, valid... runs to the scratch; return (runs, invalid)."""
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


def _gather(block, what, channel):
    """Copy what a stream codes (runs, steps, valid values) to the scratch; return how many."""
    if what == _RUNS:
        return runs(block, channel)[0] - 1
    z = _scratch[0]
    n = 0
    if what == _STEPS:
        for i in range(1, block.count):
            z[n] = block.steps_us[i]
            n += 1
    else:
        column = block.columns[channel]
        for i in range(block.count):
            if not block.is_invalid(channel, i):
                z[n] = column[i]
                n += 1
    return n


def _source(kernel, block, what, channel, n, shift):
    """Return an array that begins with what the stream codes, shifted: column or scratch."""
    z = _scratch[0]
    source = block.columns[channel]
    if what != _VALUES or block.any_invalid:
        _gather(block, what, channel)
        source = z
    elif kernel.widen and block.code != "i":
        kernel.widen(source, z, n, block.code == "h")
        source = z
    if shift:
        kernel.shift(source, z, n, shift)
        source = z
    return source


def _describe(out, at, predictor, p, first):
    """Write what every descriptor begins with; return the end."""
    out[at] = predictor << 5 | p
    value = first + first if first >= 0 else -1 - first - first
    if value < 128:
        out[at + 1] = value
        return at + 2
    if value < 16384:  # most have 7 to 14 bits
        out[at + 1] = value & 127 | 128
        out[at + 2] = value >> 7
        return at + 3
    return put_varint(out, at + 1, value)


def _width(st):
    """Return the bits that hold the greatest value less the least."""
    spread = st[_MAX] - st[_MIN]
    bits = 0
    while spread >> bits:
        bits += 1
    return bits


def _fixed(kernel, source, n, order, st):
    """Leave the codes of a fixed predictor to `emit`; return it."""
    z = _scratch[0]
    if order == 2:
        kernel.difference(source, z, n)
        source = z
    sparse = st[_STILL] if order == 1 else 0
    kernel.fold(0, 0, source, z, n, order, sparse, st)
    if sparse and st[_COST_SPARSE] < st[_COST]:
        st[_COST] = st[_COST_SPARSE]
        return _SPARSE_1
    return _ORDER_0 + order


def _tries_linear(block, channel):
    """Tell whether to try linear prediction: it costs, and what did not pay rarely pays soon."""
    rest = block.rest[channel]
    if rest & _REST_MAX:
        block.rest[channel] = rest - 1
        return False
    return True


def _rests(block, channel):
    """Let a channel do without: 1, 3, 7... 31 packets, as failures in a row grow (top 3 bits)."""
    failures = block.rest[channel] >> 5
    block.rest[channel] = min(failures + 1, 4) << 5 | (2 << failures) - 1


def _linear(kernel, block, channel, n, shift, st):
    """Leave the codes of linear prediction in the scratch; return its order, 0 if none pays."""
    z = _scratch[0]
    limit = st[_COST]
    source = _source(kernel, block, _VALUES, channel, n, shift)
    kernel.span(source, n, n, n, st)
    width = _width(st)
    order = 0
    if width <= _NARROW_BITS:
        kernel.correlate(source, z, n, max(0, width - _CORRELATE_BITS), st)
        from .packet_linear import design  # not before there is use for it: see start.py

        order = design(n, st)
    if order:
        source = _source(kernel, block, _VALUES, channel, n, shift)
        kernel.predict(source, z, n, order, st[_SCALE], st)
        base = st[_BASE]
        st[_BASE] = 0
        kernel.fold(0, 0, z, z, n, 0, 0, st)
        st[_BASE] = base
        if st[_COST] + 8 * order + 8 < limit:
            block.rest[channel] = 0
            return order
    _rests(block, channel)
    return 0


def _describe_predictor(out, at, predictor, first, second, st):
    """Write a descriptor; `second` is z[1] - z[0], or the order of linear prediction."""
    if predictor == _LINEAR:
        return _describe_linear(out, at, second, first, st)
    at = _describe(out, at, predictor, st[_P_SPARSE if predictor == _SPARSE_1 else _P], first)
    if predictor == _ORDER_2:
        second = ((second & _WRAP) ^ _TOP) - _TOP
        at = put_varint(out, at, second + second if second >= 0 else -1 - second - second)
    return at


def _describe_linear(out, at, order, first, st):
    end = _describe(out, at + 1, 0, order - 1 << 5 | st[_SCALE], first)
    out[at] = _LINEAR << 5 | st[_P]
    for i in range(order):
        out[end] = st[_COEF + i] & 0xFF
        end += 1
    return end


def _pack(kernel, out, at, source, n, width, st):
    """Write what exceeds the least value (st[_MIN]), `width` bits each; return the end."""
    z = _scratch[0]
    st[_BASE] = st[_MIN]
    kernel.predict(source, z, n, 0, 0, st)
    st[_P] = width + 1
    at = _describe(out, at, _PACKED, width - 1, st[_MIN])
    if kernel.emit(0, 0, z, z, n, 0, _NO_LIMIT, _AS_IS, st, out) < 0:
        raise PacketError(_FULL)
    return at


def write(kernel, out, at, block, what, channel):
    """Write a stream: its descriptor to out[at:], its codes to both sections. Return the end.

    Raises PacketError if the sections meet.
    """
    st = state
    n = block.count
    shift = whole = 0
    if what != _VALUES or block.any_invalid:
        n = _gather(block, what, channel)
        if not n:
            return at
        source = _scratch[0]
        whole = 1
    else:
        source = block.columns[channel]
        if kernel.widen and block.code != "i":
            kernel.widen(source, _scratch[0], n, block.code == "h")
            source = _scratch[0]
    # A survey looks at the first `width` of every `step` values.
    if n > 256:
        step = 64
        width = 7
    else:
        step = 32
        width = 10 if n > 64 else 32
    kernel.span(source, n, step, width, st)
    if not st[_OR] & 1 or st[_MIN] == st[_MAX]:
        kernel.span(source, n, n, n, st)
        if st[_MIN] == st[_MAX]:
            return _describe(out, at, _CONSTANT, 0, source[0])
        while not st[_OR] >> shift & 1:
            shift += 1
        if shift:
            out[at] = _SHIFTED << 5 | shift
            at += 1
            kernel.shift(source, _scratch[0], n, shift)
            source = _scratch[0]
            whole = 1
    if whole:  # the codes will take its place: its span is known now or never
        kernel.span(source, n, n, n, st)
    order = kernel.survey(source, n, step, width, st)
    return _code(kernel, out, at, block, what, channel, source, n, shift, order, whole)


def _code(kernel, out, at, block, what, channel, source, n, shift, order, whole):
    """Write a stream by the predictor that takes the fewest bits, or packed; return the end."""
    st = state
    z = _scratch[0]
    second = source[1] - source[0] if order == 2 else 0
    folded = z if order == 2 else source  # what `fold` will have read
    first = source[0] if order else st[_BASE]
    if order == 1 and not st[_STILL]:  # as most are: spare them a call
        kernel.fold(0, 0, source, z, n, 1, 0, st)
        predictor = _ORDER_1
    else:
        predictor = _fixed(kernel, source, n, order, st)
    if block.linear and what == _VALUES and n >= _LINEAR_MIN and _tries_linear(block, channel):
        taps = _linear(kernel, block, channel, n, shift, st)
        if taps:
            predictor, first, order, second = _LINEAR, st[_BASE], 0, taps
            folded = z
        else:
            source = _source(kernel, block, what, channel, n, shift)
            predictor = _fixed(kernel, source, n, order, st)
    if predictor == _ORDER_1:
        end = _describe(out, at, _ORDER_1, st[_P], first)
    else:
        end = _describe_predictor(out, at, predictor, first, second, st)
    mode = 1 if predictor == _SPARSE_1 else 0
    limit = st[_WIDTH] * n
    if st[_COST] > limit and not whole:  # the survey has missed the extremes
        limit = _measure(kernel, block, channel, source, n, predictor, st) * n
        whole = 1
    used = kernel.emit(0, 0, folded, z, n, order, limit, mode, st, out)
    if 0 <= used <= limit:
        return end
    if not whole:
        limit = _measure(kernel, block, channel, source, n, predictor, st) * n
        if 0 <= used <= limit:
            kernel.emit(0, 0, folded, z, n, order, used, mode, st, out)
            return end
    source = _source(kernel, block, what, channel, n, shift)
    return _pack(kernel, out, at, source, n, _width(st), st)


def _measure(kernel, block, channel, source, n, predictor, st):
    """Find the least and the greatest of all values; return the bits that hold their span."""
    if source is not _scratch[0]:
        kernel.span(source, n, n, n, st)
    elif predictor == _LINEAR:  # whose codes are dearer than this
        column = memoryview(block.columns[channel])[:n]
        st[_MIN] = min(column)
        st[_MAX] = max(column)
    else:  # there are codes by now, made of 16-bit values
        _source(kernel, block, _VALUES, channel, n, 0)
        kernel.span(source, n, n, n, st)
        _fixed(kernel, source, n, 1 if predictor == _SPARSE_1 else predictor - _ORDER_0, st)
    return _width(st)

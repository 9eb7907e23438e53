"""Packets: what a board measured, in few bytes, each one whole in itself (SPEC.md, "Packet").

    header | body | tag of 8 bytes

This is the board's side: blocks of samples in, packets out. Reading back is in `packet_decode`, which a
board never loads. The arithmetic over samples is a *kernel*, `packet_plain` or `packet_viper`.
"""

from array import array

from . import packet_header, packet_linear, packet_plain
from .compat import const
from .errors import PacketError
from .keys import TAG_BYTES
from .packet_header import (  # the names of this module's interface
    ANCHOR,
    INVALID,
    MAX_CHANNELS,
    MAX_PACKET_BYTES,
    MAX_SAMPLES,
    NOTE,
    SAMPLES,
    TIMES,
    put,
    put_varint,
)

read_header = packet_header.read

CONSTANT = const(0)
ORDER_0 = const(1)
ORDER_1 = const(2)
ORDER_2 = const(3)
LINEAR = const(4)
PACKED = const(5)
SPARSE_1 = const(6)
SHIFTED = const(7)

_RUNS = const(0)  # what a stream codes
_STEPS = const(1)
_VALUES = const(2)
_FIRST = (0, 0, 1, 2, 0, 0, 1)  # by predictor: values that stand in the descriptor
_FULL = "packet: the samples do not fit into 4096 bytes, or into the buffer"

# Slots of the kernels' state.
_UP = const(0)  # upward section: next byte, bits begun
_UP_ACC = const(1)
_UP_BITS = const(2)
_LOW = const(3)  # downward section, likewise
_LOW_ACC = const(4)
_LOW_BITS = const(5)
_SEEN = const(6)
_STILL = const(7)
_MIN = const(8)
_MAX = const(9)
_OR = const(10)
_COST = const(11)
_BASE = const(12)
_DEVIATION = const(13)  # 3 of them
_P = const(16)  # 16 parameters
_COEF = const(64)  # 8
_STATE = const(81)

_RICE = const(0)
_SPARSE = const(1)
_AS_IS = const(2)
_NARROW = const(0xFFFFFFF)
_WRAP = const(0xFFFFFFFF)
_CORRELATE_BITS = const(10)
_DESCRIPTOR_MAX = const(24)
_LINEAR_MIN = const(64)  # samples that pay for coefficients
_LINEAR_REST = const(3)  # packets without a try after one that did not pay

_state = array("i", bytes(4 * _STATE))
_scratch = [array("i", bytes(4))]


class Block:
    """Samples of one sensor on their way into a packet: columns of int32, all preallocated.

    A driver writes columns[channel][count] and then count += 1. `steps_us[i]` is the time since sample
    i - 1, coded where `timed`. `linear` false keeps the encoder from trying linear prediction.
    """

    def __init__(self, channels, capacity):
        if not 1 <= channels <= MAX_CHANNELS or not 1 <= capacity <= MAX_SAMPLES:
            raise PacketError(f"block: {channels} channels of {capacity} samples")
        zeros = bytes(4 * capacity)
        self.columns = tuple([array("i", zeros) for _ in range(channels)])
        self.capacity = capacity
        self.count = 0
        self.invalid = bytearray((channels * capacity + 7) // 8)
        self.any_invalid = False
        self.steps_us = None
        self.timed = False
        self.linear = True
        self.rest = bytearray(channels + 1)
        if len(_scratch[0]) < capacity:
            _scratch[0] = array("i", zeros)

    def time_samples(self):
        """Let each sample carry its own time from now on."""
        self.steps_us = array("i", bytes(4 * self.capacity))
        self.timed = True

    def mark_invalid(self, channel, sample):
        """Say that this reading of the channel is none."""
        bit = channel * self.capacity + sample
        self.invalid[bit >> 3] |= 1 << (bit & 7)
        self.any_invalid = True

    def is_invalid(self, channel, sample):
        """Tell whether the reading was marked so."""
        bit = channel * self.capacity + sample
        return bool(self.invalid[bit >> 3] & 1 << (bit & 7))

    def clear(self):
        """Forget the samples."""
        self.count = 0
        if self.any_invalid:
            for i in range(len(self.invalid)):
                self.invalid[i] = 0
            self.any_invalid = False


def _varint(out, at, value):
    """Write an int32, zig-zag, as a varint."""
    return put_varint(out, at, (value << 1 ^ value >> 31) & _WRAP)


def _runs(block, channel, z):
    """Write the lengths of valid, invalid, valid... runs to z; return (runs, invalid samples)."""
    runs = lost = start = 0
    bad = False
    for i in range(block.count):
        now = block.is_invalid(channel, i)
        lost += now
        if now != bad:
            z[runs] = i - start
            runs += 1
            start = i
            bad = now
    return runs + 1, lost


def _load(block, what, channel, z):
    """Copy what a stream codes to z: runs of validity, time steps or the valid values of a channel."""
    if what == _RUNS:
        return _runs(block, channel, z)[0] - 1
    n = block.count
    if what == _STEPS:
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


def _spread_bits(st):
    spread = (st[_MAX] - st[_MIN]) & _WRAP
    bits = 0
    while spread >> bits:
        bits += 1
    return bits


def _fixed(kernel, z, n, st):
    """Predict z by the order that looks best; return (predictor, first two values predicted from)."""
    s0, s1, s2 = st[_DEVIATION], st[_DEVIATION + 1], st[_DEVIATION + 2]
    order = 1
    if st[_SEEN]:
        order = 0 if s0 <= s1 and s0 <= s2 else 2 if s2 < s1 else 1
    second = z[1] - z[0]
    if order == 2:
        kernel.difference(z, n)
    wide = 1 if (st[_MAX] - st[_MIN]) & _WRAP > _NARROW else 0
    kernel.fold(z, order, n, 1 if order else 0, wide, st)
    if order == 1 and st[_STILL] * 4 > st[_SEEN]:
        kernel.choose(n - 1, 1, st)
        cost = st[_COST]
        kernel.choose(n - 1, 0, st)
        if cost < st[_COST]:
            kernel.choose(n - 1, 1, st)
            return SPARSE_1, second
        return ORDER_1, second
    kernel.choose(n - order, 0, st)
    return ORDER_0 + order, second


def _linear(kernel, z, n, st, limit):
    """Predict z linearly; return (order, scale), or (0, 0) where that takes `limit` bits or more."""
    scale = _spread_bits(st) - _CORRELATE_BITS
    kernel.correlate(z, n, scale if scale > 0 else 0, st)
    order, scale = packet_linear.design(n, st)
    if not order:
        return 0, 0
    kernel.predict(z, n, order, scale, st)
    base = st[_BASE]
    st[_BASE] = 0
    kernel.fold(z, 0, n, 0, 1, st)
    kernel.choose(n, 0, st)
    st[_BASE] = base
    return (order, scale) if st[_COST] + 8 * order + 8 < limit else (0, 0)


def _descriptor(out, at, predictor, start, second, scale, st):
    """Write how a stream is predicted; for LINEAR, `second` is the order."""
    out[at] = predictor << 5 | (st[_P] - 2 if predictor == PACKED else st[_P])
    at += 1
    if predictor == LINEAR:
        out[at] = second - 1 << 5 | scale
        at = _varint(out, at + 1, start)
        for i in range(second):
            at = put(out, at, st[_COEF + i], 1)
        return at
    at = _varint(out, at, start)
    return _varint(out, at, second) if predictor == ORDER_2 else at


def _reload(kernel, block, what, channel, z, bits):
    _load(block, what, channel, z)
    if bits:
        kernel.shift(z, len(z), bits)


def _pack(kernel, z, n, width, st):
    """Turn z to what exceeds the least value, `width` bits each."""
    st[_BASE] = st[_MIN]
    kernel.predict(z, n, 0, 0, st)
    st[_P] = width + 1


def _stream(kernel, out, at, block, what, channel):
    """Write a stream: its descriptor at out[at:], its codes to both sections; return the end."""
    z = _scratch[0]
    st = _state
    n = _load(block, what, channel, z)
    if not n:
        return at
    kernel.span(z, n, st)
    start = z[0]
    if st[_MIN] == st[_MAX]:
        st[_P] = 0
        return _descriptor(out, at, CONSTANT, start, 0, 0, st)
    bits = 0
    while not st[_OR] >> bits & 1:
        bits += 1
    if bits:
        out[at] = SHIFTED << 5 | bits
        at += 1
        kernel.shift(z, n, bits)
        start >>= bits
        st[_MIN] >>= bits
        st[_MAX] >>= bits
    kernel.survey(z, n, st)
    predictor, second = _fixed(kernel, z, n, st)
    width = _spread_bits(st)
    scale = 0
    if width * n <= st[_COST] + (n >> 1):
        predictor = PACKED
        _reload(kernel, block, what, channel, z, bits)
        _pack(kernel, z, n, width, st)
    elif what == _VALUES and _tries_linear(block, channel, n, width):
        limit = st[_COST]
        _reload(kernel, block, what, channel, z, bits)
        order, scale = _linear(kernel, z, n, st, limit)
        if order:
            predictor, second = LINEAR, order
        else:
            block.rest[channel] = _LINEAR_REST
            _reload(kernel, block, what, channel, z, bits)
            predictor, second = _fixed(kernel, z, n, st)
    first = _FIRST[predictor]
    if not first:
        start = st[_BASE]
    at = _descriptor(out, at, predictor, start, second, scale, st)
    mode = _SPARSE if predictor == SPARSE_1 else _AS_IS if predictor == PACKED else _RICE
    if not kernel.emit(z, first, n, mode, st, out):
        raise PacketError(_FULL)
    return at


def _tries_linear(block, channel, n, width):
    """Tell whether to try linear prediction: it costs, and what did not pay rarely pays soon."""
    if not block.linear or n < _LINEAR_MIN or width > 28:
        return False
    if block.rest[channel]:
        block.rest[channel] -= 1
        return False
    return True


def _finish(out, at, begin, limit):
    """Close both sections and move them together; return the end of the body."""
    st = _state
    up, low = st[_UP], st[_LOW]
    if up + (st[_UP_BITS] > 0) + (st[_LOW_BITS] > 0) > low + 1:
        raise PacketError(_FULL)
    if st[_UP_BITS]:
        out[up] = st[_UP_ACC]
        up += 1
    if st[_LOW_BITS]:
        out[low] = st[_LOW_ACC]
        low -= 1
    view = memoryview(out)
    end = at + up - begin
    view[at:end] = view[begin:up]
    at = end
    end += limit - low - 1
    view[at:end] = view[low + 1 : limit]
    return end


def encode(
    out, generation, stream, schema, epoch, seq, index, time_us, block, kernel=packet_plain
):
    """Write a packet of the block's samples to `out`, without its tag; return the length.

    `out` is a bytearray; of it 4096 bytes at most are used, 8 of them kept for the tag. Raises PacketError for a field
    out of range, and if the samples do not fit (`capacity` tells how many always do).
    """
    channels = len(block.columns)
    timed = block.timed and block.count > 1
    flags = (TIMES if timed else 0) | (INVALID if block.any_invalid else 0)
    at = packet_header.write(
        out,
        SAMPLES,
        flags,
        generation,
        stream,
        schema,
        epoch,
        seq,
        index,
        time_us,
        block.count,
        channels,
    )
    limit = min(len(out), MAX_PACKET_BYTES) - TAG_BYTES
    begin = at + _DESCRIPTOR_MAX * (channels * (2 if block.any_invalid else 1) + timed)
    if begin > limit:
        raise PacketError(_FULL)
    st = _state
    st[_UP] = begin
    st[_LOW] = limit - 1
    st[_UP_ACC] = st[_UP_BITS] = st[_LOW_ACC] = st[_LOW_BITS] = 0
    if block.any_invalid:
        for channel in range(channels):
            runs, lost = _runs(block, channel, _scratch[0])
            at = put_varint(out, at, runs if lost else 0)
            if lost:
                at = put_varint(out, at, lost)
                at = _stream(kernel, out, at, block, _RUNS, channel)
    if timed:
        at = _stream(kernel, out, at, block, _STEPS, 0)
    for channel in range(channels):
        at = _stream(kernel, out, at, block, _VALUES, channel)
    return _finish(out, at, begin, limit)


def encode_anchor(out, generation, epoch, seq, time_us, utc_us, quality, error_us):
    """Write an anchor, without its tag: at board time `time_us` it was `utc_us` (since 1970)."""
    if not (0 <= utc_us < 1 << 64 and 0 <= quality < 256 and 0 <= error_us < 1 << 32):
        raise PacketError(f"anchor: {utc_us} {quality} {error_us} out of range")
    at = packet_header.write(out, ANCHOR, 0, generation, 0, 0, epoch, seq, 0, time_us, 1, 1)
    at = put(out, at, utc_us, 8)
    return put(out, put(out, at, quality, 1), error_us, 4)


def encode_note(out, generation, epoch, seq, time_us, body):
    """Write a note, without its tag; body is the UTF-8 of a JSON object."""
    at = packet_header.write(out, NOTE, 0, generation, 0, 0, epoch, seq, 0, time_us, 1, 1)
    end = at + len(body)
    if end + TAG_BYTES > min(len(out), MAX_PACKET_BYTES):
        raise PacketError(f"note: {len(body)} bytes do not fit")
    out[at:end] = body
    return end


def seal(out, n, tagger):
    """Put the tag of out[:n] behind it; return the packet's length."""
    out[n : n + TAG_BYTES] = tagger.tag(memoryview(out)[:n])
    return n + TAG_BYTES


def verify(data, tagger):
    """Tell whether the packet ends in its tag."""
    n = len(data) - TAG_BYTES
    return n > 0 and tagger.check(data[n:], memoryview(data)[:n])


def decode(data):
    """Return the Packet of a whole packet; see `packet_decode`, which only hosts load."""
    from .packet_decode import decode as decode_packet

    return decode_packet(data)

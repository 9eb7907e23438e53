"""Reads packets back, one at a time: plain and strict, the yardstick of faster decoders.

What it accepts has exactly one encoding of each field, nothing left over and no set bit in a
padding.
"""

import json
from collections import namedtuple

from . import packet_header
from .compat import const
from .errors import PacketError
from .keys import TAG_BYTES
from .packet_write import ANCHOR, NOTE

Packet = namedtuple("Packet", ("header", "columns", "valid", "times_us", "body"))

_CONSTANT = const(0)  # predictors
_ORDER_0 = const(1)
_ORDER_2 = const(3)
_LINEAR = const(4)
_PACKED = const(5)
_SPARSE_1 = const(6)
_SHIFTED = const(7)
_FIRST = (0, 0, 1, 2, 0, 0, 1)  # by predictor: values that stand in the descriptor
_BLOCK = const(32)
_WRAP = const(0xFFFFFFFF)
_TOP = const(0x80000000)

_STEP_MAX = const(0x7FFFFFFF)


def _int32(value):
    return ((value & _WRAP) ^ _TOP) - _TOP


def _signed(code):
    """Return the integer of a zig-zag code."""
    return code >> 1 ^ -(code & 1)


class _Body:
    """A body with three places to read at: descriptors, the upward and the downward section."""

    def __init__(self, data, at, end):
        self._data = data
        self.at = at
        self._end = end
        self._up = 0
        self._low = 8 * end - 1

    def byte(self):
        if self.at >= self._end:
            raise PacketError(f"packet: body ends within a descriptor at {self.at}")
        self.at += 1
        return self._data[self.at - 1]

    def varint(self, what):
        """Return a varint of at most 32 bits, in its only form."""
        value = 0
        for place in range(0, 35, 7):
            byte = self.byte()
            value |= (byte & 127) << place
            if byte < 128:
                if (byte == 0 and place) or value > _WRAP:
                    break
                return value
        raise PacketError(f"packet: {what} at {self.at} is no shortest varint")

    def start(self):
        """Begin the sections, where the descriptors end."""
        self._up = 8 * self.at

    def unary(self, limit):
        """Return the count of zeros before the next one of the upward section."""
        data = self._data
        at = begin = self._up
        end = 8 * self._end
        while at < end:
            rest = data[at >> 3] >> (at & 7)
            if not rest:
                at = (at | 7) + 1
                continue
            while not rest & 1:
                rest >>= 1
                at += 1
            if at - begin > limit:
                break
            self._up = at + 1
            return at - begin
        raise PacketError(f"packet: upward section ends, or exceeds {limit}, at bit {begin}")

    def low(self, width):
        """Return the next `width` bits of the downward section."""
        value = 0
        for i in range(width):
            if self._low < self._up:
                raise PacketError(f"packet: sections overlap at bit {self._up}")
            place = self._low ^ 7
            value |= (self._data[place >> 3] >> (place & 7) & 1) << i
            self._low -= 1
        return value

    def close(self):
        """Check that the sections meet: less than 8 bits of padding each, all zero."""
        up, low = self._up, self._low
        between = (low + 1 >> 3) - (up + 7 >> 3)
        if between:
            raise PacketError(f"packet: {between} bytes between the sections, 0 expected")
        if up & 7 and self._data[up >> 3] >> (up & 7):
            raise PacketError("packet: padding of the upward section is not zero")
        left = low + 1 & 7
        if left and self._data[low >> 3] >> 8 - left:
            raise PacketError("packet: padding of the downward section is not zero")


class _Stream:
    """How one stream of n integers is coded, from its descriptor."""

    def __init__(self, body, n, what):
        self.n = n
        self.what = what
        self.shift = 0
        self.scale = 0
        self.second = 0
        self.coefficients = ()
        byte = body.byte()
        if byte >> 5 == _SHIFTED:
            self.shift = byte & 31
            byte = body.byte()
            if not self.shift or byte >> 5 in (_SHIFTED, _CONSTANT):
                self._refuse(f"shift {self.shift} before {byte:#x}")
        self.predictor = byte >> 5
        self.p = byte & 31
        if self.predictor == _LINEAR:
            byte = body.byte()
            self.scale = byte & 31
            order = (byte >> 5) + 1
            if self.scale > 7:
                self._refuse(f"scale {self.scale}, 0 to 7 expected")
        self.start = _signed(body.varint(what))
        if self.predictor == _LINEAR:
            self.coefficients = [(body.byte() ^ 128) - 128 for _ in range(order)]
        elif self.predictor == _ORDER_2:
            self.second = _signed(body.varint(what))
        self.first = _FIRST[self.predictor]
        if (self.predictor == _CONSTANT and self.p) or n <= self.first:
            self._refuse(f"predictor {self.predictor} for {n} values")

    def _refuse(self, why):
        raise PacketError(f"packet: {self.what}: {why}")

    def _codes(self, body):
        """Return the codes of the residuals from both sections."""
        codes = []
        p = self.p
        sparse = self.predictor == _SPARSE_1
        for start in range(self.first, self.n, _BLOCK):
            m = min(_BLOCK, self.n - start)
            if start > self.first:
                p += _signed(body.unary(62))
                if not 0 <= p <= 31:
                    self._refuse(f"parameter {p}, 0 to 31 expected")
            if not p:
                codes.extend([0] * m)
                continue
            k = p - 1
            for _ in range(m):
                q = body.unary((_WRAP >> k) + sparse)
                if sparse and not q:
                    codes.append(0)
                    continue
                code = (q - sparse << k | body.low(k)) + sparse
                if code > _WRAP:
                    self._refuse(f"code {code} exceeds 32 bits")
                codes.append(code)
        return codes

    def values(self, body):
        """Return the n integers."""
        if self.predictor == _CONSTANT:
            values = [self.start] * self.n
        elif self.predictor == _PACKED:
            values = [_int32(self.start + body.low(self.p + 1)) for _ in range(self.n)]
        else:
            residuals = [_signed(code) for code in self._codes(body)]
            values = self._restore(residuals)
        if self.shift:
            values = [_int32(value << self.shift) for value in values]
        return values

    def _restore(self, residuals):
        if self.predictor == _ORDER_0:
            return [_int32(self.start + e) for e in residuals]
        if self.predictor == _LINEAR:
            return self._restore_linear(residuals)
        x = self.start
        values = [x]
        slope = 0
        if self.predictor == _ORDER_2:
            slope = self.second
            x = _int32(x + slope)
            values.append(x)
        for e in residuals:
            if self.predictor == _ORDER_2:
                e = slope = slope + e
            x = _int32(x + e)
            values.append(x)
        return values

    def _restore_linear(self, residuals):
        order = len(self.coefficients)
        half = 1 << self.scale >> 1
        y = []
        for i in range(self.n):
            if i < order:
                e = y[i - 1] if i else 0
            else:
                e = half
                for j in range(order):
                    e += self.coefficients[j] * y[i - 1 - j]
                e = _int32(e) >> self.scale
            y.append(_int32(residuals[i] + e))
        return [_int32(self.start + value) for value in y]


def _validity(body, header, channel):
    """Return (stream of run lengths or None, invalid samples) of a channel."""
    runs = body.varint("runs")
    if not runs:
        return None, 0
    if not 2 <= runs <= header.count + 1:
        raise PacketError(f"packet: {runs} runs of validity in channel {channel}")
    lost = body.varint("invalid samples")
    if not 1 <= lost <= header.count:
        raise PacketError(f"packet: {lost} samples invalid in channel {channel}")
    return _Stream(body, runs - 1, "runs"), lost


def _mask(lengths, count):
    """Return which samples are valid, from the lengths of all runs but the last."""
    mask = []
    good = True
    for i, length in enumerate(lengths + [count - sum(lengths)]):
        if not (1 if i else 0) <= length <= count - len(mask):  # only the first may be empty
            raise PacketError(f"packet: run {i} of {length} samples at {len(mask)}")
        mask.extend([good] * length)
        good = not good
    return mask


def _samples(data, header):
    """Return (columns, validity, times) of a packet of samples."""
    end = len(data) - TAG_BYTES
    body = _Body(data, header.body, end)
    count = header.count
    if header.timed and count < 2:
        raise PacketError(f"packet: times of {count} sample")
    gaps = [(None, 0)] * header.channels
    if header.invalid:
        gaps = [_validity(body, header, channel) for channel in range(header.channels)]
        if not any([lost for _, lost in gaps]):
            raise PacketError("packet: validity coded, and every sample valid")
    steps = _Stream(body, count - 1, "times") if header.timed else None
    streams = []
    for channel in range(header.channels):
        n = count - gaps[channel][1]
        streams.append(_Stream(body, n, f"channel {channel}") if n else None)
    body.start()
    valid = [_mask(runs.values(body), count) if runs else [True] * count for runs, _ in gaps]
    for channel in range(header.channels):
        lost = count - sum(valid[channel])
        if lost != gaps[channel][1]:
            raise PacketError(f"packet: {lost} samples invalid, {gaps[channel][1]} told")
    times = _times(steps.values(body), header.time_us) if steps else None
    columns = []
    for channel in range(header.channels):
        values = iter(streams[channel].values(body) if streams[channel] else ())
        columns.append([next(values) if good else None for good in valid[channel]])
    body.close()
    return columns, valid, times


def _times(steps, time_us):
    times = [time_us]
    for step in steps:
        time_us += step
        times.append(time_us)
    return times


def _anchor(data, header):
    """Return (UTC in us since 1970, quality, error in us)."""
    at = header.body
    if len(data) - TAG_BYTES - at != 13:
        raise PacketError(f"anchor: body of {len(data) - TAG_BYTES - at} bytes, 13 expected")
    utc_us = 0
    for i in range(8):
        utc_us |= data[at + i] << 8 * i
    error_us = 0
    for i in range(4):
        error_us |= data[at + 9 + i] << 8 * i
    return utc_us, data[at + 8], error_us


def _note(data, header):
    """Return the JSON object of a note."""
    try:
        note = json.loads(bytes(data[header.body : len(data) - TAG_BYTES]).decode())
    except (ValueError, UnicodeError, RecursionError):
        raise PacketError("note: body is not JSON") from None
    if not isinstance(note, dict):
        raise PacketError("note: body is no JSON object")
    return note


def decode(data: bytes) -> Packet:
    """Return the Packet of a whole packet, whose tag is not checked here.

    columns[channel][sample] is None where invalid; `valid` has the same shape; `times_us` is None
    where samples are evenly spaced. An anchor's body is (utc_us, quality, error_us), a note's a
    dict. Raises PacketError for anything but what an encoder writes.
    """
    header = packet_header.read(data)
    if header.kind == ANCHOR:
        return Packet(header, (), (), None, _anchor(data, header))
    if header.kind == NOTE:
        return Packet(header, (), (), None, _note(data, header))
    columns, valid, times = _samples(data, header)
    return Packet(header, columns, valid, times, None)

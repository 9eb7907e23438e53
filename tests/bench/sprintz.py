"""Sprintz without its Huffman stage, a peer of the bench.

Blalock, Madden, Guttag, "Sprintz: Time Series Compression for the Internet of Things", IMWUT 2018
(arXiv:1808.02515), sections 4.1 to 4.3. Blocks of 8 samples: forecast (delta, or FIRE, which
learns one coefficient a column online), zig-zag of the error in the width of the column, then for
each column a header with its bits, and the errors bit-packed. A run of blocks without any error is
one header of zeros and the length of the run. What does not fill a block is stored raw. Each
packet starts anew.
"""

import numpy as np

BLOCK = 8
MAX_RUN = 255
LEARN_SHIFT = 1


def encode(columns, *, fire):
    """Return int16 or int32 columns (channels, samples) as Sprintz bytes."""
    width = columns.dtype.itemsize * 8
    samples = columns.shape[1]
    whole = samples - samples % BLOCK
    errors = np.stack([zigzag(_errors(c[:whole].tolist(), width, fire)) for c in columns])
    blocks = errors.reshape(len(columns), -1, BLOCK).transpose(1, 0, 2)
    text, run = [], 0
    for block in blocks:
        if block.any() or run == MAX_RUN:
            run = _end_run(text, run, len(columns), width)
        if not block.any():
            run += 1
            continue
        widths = [_header_bits(int(column.max()).bit_length(), width) for column in block]
        text += [f"{min(bits, width - 1):0{_field(width)}b}" for bits in widths]
        for bits, column in zip(widths, block.tolist(), strict=True):
            text += [f"{value:0{bits}b}" for value in column if bits]
    _end_run(text, run, len(columns), width)
    packed = "".join(text)
    size = -(-len(packed) // 8)
    head = int(packed.ljust(size * 8, "0"), 2).to_bytes(size, "big") if size else b""
    return head + columns[:, whole:].tobytes()


def decode(data, channels, samples, dtype, *, fire):
    """Return the columns of `encode`."""
    width = np.dtype(dtype).itemsize * 8
    whole = samples - samples % BLOCK
    tail = channels * (samples - whole) * width // 8
    bits = "".join(f"{byte:08b}" for byte in data[: len(data) - tail])
    errors, at, field = [[] for _ in range(channels)], 0, _field(width)
    while len(errors[0]) < whole:
        widths = [int(bits[at + i * field : at + (i + 1) * field], 2) for i in range(channels)]
        at += channels * field
        if not any(widths):
            run, at = int(bits[at : at + 8], 2), at + 8
            for column in errors:
                column.extend([0] * (BLOCK * run))
            continue
        for column, coded in zip(errors, widths, strict=True):
            count = _header_bits(coded, width)
            for _ in range(BLOCK):
                column.append(int(bits[at : at + count] or "0", 2))
                at += count
    rows = [_values(unzigzag(column), width, fire) for column in errors]
    rest = np.frombuffer(data[len(data) - tail :], dtype).reshape(channels, samples - whole)
    return np.concatenate([np.array(rows, dtype).reshape(channels, whole), rest], axis=1)


def _field(width):
    return 4 if width == 16 else 5


def _header_bits(bits, width):
    return width if bits == width - 1 else bits


def _end_run(text, run, channels, width):
    if run:
        text.append("0" * (channels * _field(width)) + f"{run:08b}")
    return 0


def _wrap(value, width):
    """Two's complement of `width` bits."""
    half = 1 << (width - 1)
    return (value + half & 2 * half - 1) - half


def zigzag(errors):
    """Map small errors of either sign to small unsigned integers."""
    errors = np.array(errors, np.int64)
    return (errors << 1) ^ (errors >> 63)


def unzigzag(codes):
    """Return the errors of `zigzag`."""
    return [(code >> 1) ^ -(code & 1) for code in codes]


class _Forecast:
    """The state of one column: the last value, its change, and what FIRE has learned."""

    def __init__(self, width, fire):
        self.width, self.fire = width, fire
        self.value = self.change = self.accumulator = 0

    def predict(self):
        step = (self.accumulator >> LEARN_SHIFT) * self.change >> self.width if self.fire else 0
        return self.value + step

    def train(self, value, error):
        sign = (error > 0) - (error < 0)
        self.accumulator += sign * self.change
        self.change = _wrap(value - self.value, self.width)
        self.value = value


def _errors(column, width, fire):
    state, errors = _Forecast(width, fire), []
    for value in column:
        error = _wrap(value - state.predict(), width)
        errors.append(error)
        state.train(value, error)
    return errors


def _values(errors, width, fire):
    state, values = _Forecast(width, fire), []
    for error in errors:
        value = _wrap(state.predict() + error, width)
        values.append(value)
        state.train(value, error)
    return values

"""What a sensor sees: a recording streamed from a file, or terms of a generator for each channel.

A source has `raw` (the part's own integers, or physical values), `sample(i)` for the i-th sample
of a part that samples by itself and `at(t_us)` for one that measures when asked; None once it has
ended. `cursor` is how many samples were given out: after a reboot a recording goes on from there.

Where `batches` is True, a part that calls `prepare(scale, batch)` as it is made can have many
samples at once: `rows(i, n, rows, low, high)` puts up to n from the i-th on into an array of
16-bit words, scaled and rounded, `width` a sample, and returns how many, at most `batch`; the part
calls `took(n)` for those that it takes. All
that this needs is made by `prepare`: what a model takes later would come out of the firmware's
heap.
"""

import math
import struct
from array import array

from . import fast

_CHUNK_ROWS = 128
_SINE_ENTRIES = 256
_ENTRIES_MAX = 4096  # of a table
_NOISE_SD = 37837  # of the sum that is a number of noise
_TURN = 1 << 30

over = False  # the scenario's time is up: all parts fall silent


def end():
    """Have all parts fall silent."""
    global over
    over = True
    fast.TIME[7] = 1


def make(spec, interval_us, cursor):
    """Return the source of a specification made by motekit.sim.sources."""
    if "file" in spec:
        return Recording(spec, cursor)
    return Generator(spec["channels"], spec["seed"], interval_us, cursor)


class Recording:
    """Rows of a binary file, a few at a time: int32 if raw, else doubles; little-endian."""

    batches = True

    def __init__(self, spec, cursor):
        self.raw = spec["raw"]
        self.cursor = cursor
        self._file = open(spec["file"], "rb")
        self._rows = spec["rows"]
        self.width = spec["width"]
        self._loop = spec["loop"]
        self._format = "<{}{}".format(spec["width"], "i" if self.raw else "d")
        self._row_bytes = struct.calcsize(self._format)
        self._chunk = bytearray(_CHUNK_ROWS * self._row_bytes)
        self._first = -_CHUNK_ROWS
        self._base = cursor

    def sample(self, i):
        """Return the i-th sample since the boot."""
        i += self._base
        self.cursor = i + 1
        if over:
            return None
        if self._loop:
            i %= self._rows
        elif i >= self._rows:
            return None
        at = i - self._first
        if not 0 <= at < _CHUNK_ROWS:
            at = 0
            self._read(i)
        return struct.unpack_from(self._format, self._chunk, at * self._row_bytes)

    def at(self, t_us):
        """Return what is there to measure now."""
        return self.sample(self.cursor - self._base)

    def prepare(self, scale, _batch=_CHUNK_ROWS):
        """Make ready for `rows`; a raw sample is taken as it is."""
        self._scale = scale

    def rows(self, i, n, rows, low, high):
        """Put up to n samples into rows."""
        i += self._base
        if self._loop:
            i %= self._rows
        n = 0 if over else max(0, min(n, _CHUNK_ROWS, self._rows - i))
        if n:
            self._read(i)
            if self.raw:
                fast.narrow(self._chunk, n * self.width, rows)
            else:
                self._settle(n, rows, low, high)
        return n

    def _settle(self, n, rows, low, high):
        j = 0
        for at in range(0, n * self._row_bytes, self._row_bytes):
            for value in struct.unpack_from(self._format, self._chunk, at):
                rows[j] = max(low, min(high, round(self._scale * value)))
                j += 1

    def took(self, n):
        """Note that n more samples are taken."""
        self.cursor += n

    def over(self):
        """Tell whether the scenario's time is up."""
        return over

    def _read(self, first):
        self._first = first
        self._file.seek(first * self._row_bytes)
        self._file.readinto(self._chunk)


class Generator:
    """A sum of terms for each channel, at the time of the sample."""

    raw = False

    def __init__(self, channels, seed, interval_us, cursor):
        self.cursor = cursor
        self._base = cursor
        self._channels = channels
        self.width = len(channels)
        self._interval_s = interval_us / 1000000
        self._state = array("i", [(seed & 0x7FFFF) | 1])  # of the noise
        self._still, self._moving = _apart(channels)
        self.batches = True
        for terms in channels:
            for term in terms:
                if term[0] == "steps" and len(term[1]) > _ENTRIES_MAX:
                    self.batches = False

    def begin_anew(self, seed):
        """Begin with another seed."""
        self._state[0] = seed & 0x7FFFF | 1

    def sample(self, i):
        """Return the i-th sample since the boot."""
        self.cursor = self._base + i + 1
        return None if over else self._values((self._base + i) * self._interval_s)

    def at(self, t_us):
        """Return what is there to measure now."""
        self.cursor += 1
        return None if over else self._values(t_us / 1000000)

    def _values(self, t_s):
        values = list(self._still)
        noise = fast.noise
        state = self._state
        for channel, kind, term in self._moving:
            if kind == "noise":
                values[channel] += term[1] * noise(state)
            elif kind == "sine":
                values[channel] += term[1] * math.sin(term[2] * t_s + term[3])
            elif kind == "ramp":
                values[channel] += term[1] + (term[2] - term[1]) * (t_s % term[3]) / term[3]
            else:  # steps
                steps = term[1]
                values[channel] += steps[int(t_s / term[2]) % len(steps)]
        return tuple(values)

    def rows(self, i, n, rows, low, high):
        """Put n samples into rows, worked out in sixteenths of a count."""
        if over:
            return 0
        width = self.width
        n = min(n, self._batch)
        sums = self._sums
        fast.fill(sums, n * width, fast.ZERO)
        turn = (self._base + i) * self._interval_s
        for channel, table, phases, period_s, phase in self._waves:
            turns = turn / period_s + phase
            phases[0] = int((turns - math.floor(turns)) * _TURN) & _TURN - 1
            fast.add_wave(sums, channel, width, n, table, phases)
        for channel, gain, shift in self._noises:
            fast.add_noise(sums, channel, width, n, self._state, gain, shift)
        fast.settle(sums, n * width, rows, low, high)
        return n

    def took(self, n):
        """Note that n more samples are taken."""
        self.cursor += n

    def over(self):
        """Tell whether the scenario's time is up."""
        return over

    def prepare(self, scale, batch=_CHUNK_ROWS):
        """Make a table of each term, of a whole period in sixteenths of a count."""
        self._batch = batch
        self._sums = array("i", bytes(4 * batch * len(self._channels)))
        self._waves = []
        self._noises = []
        made = {}
        for channel in range(len(self._channels)):
            for term in self._channels[channel]:
                if term[0] == "noise":
                    self._noises.append((channel,) + _gain(16 * scale * term[1] / _NOISE_SD))
                else:
                    key = repr(term)
                    if key not in made:
                        made[key] = self._wave(term, 16 * scale)
                    self._waves.append((channel,) + made[key])

    def _wave(self, term, scale):
        """Return (table, [phase, its step, entries, interpolate], period in s, phase)."""
        kind = term[0]
        period_s = 1.0
        phase = 0.0
        smooth = 0
        if kind == "constant":
            values = (term[1],)
        elif kind == "sine":
            values = [
                term[1] * math.sin(2 * math.pi * k / _SINE_ENTRIES) for k in range(_SINE_ENTRIES)
            ]
            period_s, phase, smooth = term[2], term[3], 1
        elif kind == "ramp":
            values = (term[1],)
            period_s, smooth = term[3], 1
        else:  # steps
            values = term[1]
            period_s = term[2] * len(values)
        last = term[2] if kind == "ramp" else values[0]
        table = array("i", [fast.ZERO + round(scale * v) for v in list(values) + [last]])
        turns = self._interval_s / period_s
        step = int((turns - math.floor(turns)) * _TURN)
        return table, array("i", [0, step, len(values), smooth]), period_s, phase


def _apart(channels):
    """Return what is constant in each channel, and (channel, kind, term) of the others."""
    still = []
    moving = []
    for channel in range(len(channels)):
        terms = channels[channel]
        still.append(sum([term[1] for term in terms if term[0] == "constant"]))
        moving += [(channel, term[0], _ready(term)) for term in terms if term[0] != "constant"]
    return tuple(still), moving


def _ready(term):
    """Return a term with what is the same each time worked out."""
    if term[0] == "noise":
        return (term[0], term[1] / _NOISE_SD)
    if term[0] == "sine":
        return (term[0], term[1], 2 * math.pi / term[2], 2 * math.pi * term[3])
    return term


def _gain(factor):
    """Return (gain, shift), so that gain >> shift is about factor and gain has 12 bits."""
    shift = 0
    while shift < 24 and abs(factor) * (1 << shift) < 2048:
        shift += 1
    return round(factor * (1 << shift)), shift

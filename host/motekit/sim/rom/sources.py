"""What a sensor sees: a recording streamed from a file, or terms of a generator for each channel.

A source has `raw` (the part's own integers, or physical values), `sample(i)` for the i-th sample
of a part that samples by itself and `at(t_us)` for one that measures when asked; None once it has
ended. `cursor` is how many samples were given out: after a reboot a recording goes on from there.
"""

import math
import struct

from micropython import const

_CHUNK_ROWS = const(32)

over = False  # the scenario's time is up: all parts fall silent


def make(spec, interval_us, cursor):
    """Return the source of a specification made by motekit.sim.sources."""
    if "file" in spec:
        return Recording(spec, cursor)
    return Generator(spec["channels"], spec["seed"], interval_us, cursor)


class Recording:
    """Rows of a binary file, a few at a time: int32 if raw, else doubles; little-endian."""

    def __init__(self, spec, cursor):
        self.raw = spec["raw"]
        self.cursor = cursor
        self._file = open(spec["file"], "rb")
        self._rows = spec["rows"]
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
            self._first = i
            at = 0
            self._file.seek(i * self._row_bytes)
            self._file.readinto(self._chunk)
        return struct.unpack_from(self._format, self._chunk, at * self._row_bytes)

    def at(self, t_us):
        """Return what is there to measure now."""
        return self.sample(self.cursor - self._base)


class Generator:
    """A sum of terms for each channel, at the time of the sample."""

    raw = False

    def __init__(self, channels, seed, interval_us, cursor):
        self.cursor = cursor
        self._base = cursor
        self._channels = channels
        self._interval_s = interval_us / 1000000
        self._noise = (seed & 0x7FFFF) | 1

    def sample(self, i):
        """Return the i-th sample since the boot."""
        self.cursor = self._base + i + 1
        return None if over else self._values((self._base + i) * self._interval_s)

    def at(self, t_us):
        """Return what is there to measure now."""
        self.cursor += 1
        return None if over else self._values(t_us / 1000000)

    def _values(self, t_s):
        return tuple([self._sum(terms, t_s) for terms in self._channels])

    def _sum(self, terms, t_s):
        total = 0.0
        for term in terms:
            kind = term[0]
            if kind == "constant":
                total += term[1]
            elif kind == "sine":
                total += term[1] * math.sin(2 * math.pi * (t_s / term[2] + term[3]))
            elif kind == "noise":
                total += term[1] * self._normal()
            elif kind == "ramp":
                total += term[1] + (term[2] - term[1]) * (t_s % term[3]) / term[3]
            else:  # steps
                values = term[1]
                total += values[int(t_s / term[2]) % len(values)]
        return total

    def _normal(self):
        """Return a number of about normal distribution: the sum of four uniform ones."""
        x = self._noise
        total = 0
        for _ in range(4):
            x = (x * 1103 + 12345) & 0x7FFFF  # stays within small integers
            total += x >> 3
        self._noise = x
        return (total - 131070) / 37837  # the sum's mean and standard deviation

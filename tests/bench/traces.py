"""The series that the benches measure on: generated ones, or a folder of CSV files of integers.

A CSV file has a row of names and then one row a sample; one column a channel, except `time`. An
empty cell is a missing reading. A float without a fraction is an integer; everything else is an
error that names file, row and column.
"""

import csv
import math
import re
from dataclasses import dataclass, field, replace

import numpy as np

from motekit.errors import UsageError

SEED = 20_260_101
MAX_CHANNELS = 16
INTEGER = re.compile(r"[+-]?[0-9]+")
PERIOD = re.compile(r"_([0-9]+)(hz|s|min|h)(?:_|$)")
SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
DEFAULT_PERIOD_S = 0.01
# Packet size over the bound, {samples a packet: goal}: for these recordings and slow channels.
ACCEL_3_GOALS = {128: 1.22, 512: 1.12}
ACCEL_1_GOALS = {512: 1.20}
SLOW_GOALS = {240: 1.15, 512: 1.15}
SLOW_PERIOD_S = 1.0
NAMED_GOALS = {
    "accel_iis2dlpc_1600hz": ACCEL_3_GOALS,
    "accel_sca3300_400hz": ACCEL_1_GOALS,
}


@dataclass(frozen=True)
class Trace:
    """A recording: `columns` int32 (channels, rows), `valid` bool of that shape or None."""

    name: str
    channels: tuple[str, ...]
    columns: np.ndarray
    valid: np.ndarray | None
    period_s: float
    goals: dict[int, float] = field(default_factory=dict)

    @property
    def rows(self):
        """Samples in the trace."""
        return self.columns.shape[1]

    def packets(self, samples):
        """Yield (first row, columns, valid) of each full packet; the rest of the trace is left."""
        for start in range(0, self.rows - samples + 1, samples):
            part = slice(start, start + samples)
            valid = None if self.valid is None else self.valid[:, part]
            if valid is not None and valid.all():
                valid = None
            yield start, self.columns[:, part], valid


def load(folder):
    """Return the traces of all CSV files of a folder, by name."""
    if not folder.is_dir():
        raise UsageError(f"TRACES={folder}: no such folder; name one that holds CSV files")
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise UsageError(f"TRACES={folder}: no .csv file in it")
    return [read_csv(path) for path in files]


def read_csv(path):
    """Return one CSV file as a trace; UsageError tells file, row, column and what was there."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as CSV: {error}") from None
    if len(rows) < 2:
        raise UsageError(f"{path}: {len(rows)} rows; a row of names and one row a sample expected")
    names = [name.strip() for name in rows[0]]
    _check_names(path, names)
    kept = [i for i, name in enumerate(names) if name.lower() != "time"]
    values = np.zeros((len(kept), len(rows) - 1), np.int32)
    valid = np.ones(values.shape, bool)
    for row, cells in enumerate(rows[1:]):
        if len(cells) != len(names):
            raise UsageError(
                f"{path}: row {row + 2} has {len(cells)} cells, the row of names {len(names)}"
            )
        for channel, column in enumerate(kept):
            text = cells[column].strip()
            if text:
                values[channel, row] = _integer(text, path, row + 2, names[column])
            else:
                valid[channel, row] = False
    channels = tuple(names[i] for i in kept)
    return _trace(path.stem, channels, values, None if valid.all() else valid)


def _check_names(path, names):
    channels = [name for name in names if name.lower() != "time"]
    if any(_is_number(name) for name in names):
        raise UsageError(f"{path}: row 1 holds numbers; the names of the columns expected")
    if len(set(names)) != len(names) or "" in names:
        raise UsageError(f"{path}: row 1: each column needs a name of its own, got {names}")
    if not 1 <= len(channels) <= MAX_CHANNELS:
        raise UsageError(f"{path}: {len(channels)} channels; 1 to {MAX_CHANNELS} expected")


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _integer(text, path, row, column):
    where = f"{path}: row {row}, column {column!r}: {text!r}"
    if INTEGER.fullmatch(text):
        number = int(text)
    else:
        if not _is_number(text) or "_" in text:
            raise UsageError(f"{where} is no number; an integer or nothing expected")
        fraction, whole = math.modf(float(text))
        if fraction or not math.isfinite(whole):
            raise UsageError(f"{where} is no integer; give the sensor's own counts")
        number = int(whole)
    if not -(2**31) <= number < 2**31:
        raise UsageError(f"{where} does not fit into 32 bits")
    return number


def _trace(stem, channels, values, valid):
    name = re.sub(r"[^a-z0-9_]+", "_", stem.lower())
    period_s = DEFAULT_PERIOD_S
    if found := PERIOD.search(name):
        count, unit = int(found[1]), found[2]
        period_s = (1 / count if unit == "hz" else count * SECONDS[unit]) if count else period_s
    goals = NAMED_GOALS.get(name, SLOW_GOALS if period_s >= SLOW_PERIOD_S else {})
    return Trace(name, channels, values, valid, period_s, goals)


def generated():
    """Return the default traces: seeded, of the classes that real recordings have."""
    rng = np.random.default_rng(SEED)
    return [
        _generated("vibration_1600hz", "xyz", _hand_held(rng, 16_384)),
        _generated("shaker_400hz", "x", _shaker(rng, 16_384)),
        _generated("fan_50hz", "xyz", _fan(rng, 16_384)),
        _generated("climate_1min", ("temperature", "humidity", "co2"), _climate(rng, 8_192)),
        _dropouts(rng, _generated("particles_1h", ("pm2_5", "temperature"), _air(rng, 8_192))),
    ]


def _generated(name, channels, columns):
    return _trace(name, tuple(channels), np.rint(columns).astype(np.int32), None)


def _resonance(rng, rows, frequency, damping, amplitude):
    """White noise through one mechanical resonance (frequency in cycles a sample), int64."""
    radius = 1 - damping
    a1, a2 = 2 * radius * math.cos(2 * math.pi * frequency), -radius * radius
    out = np.zeros(rows + 2)
    noise = rng.normal(size=rows + 2)
    for i in range(2, rows + 2):
        out[i] = a1 * out[i - 1] + a2 * out[i - 2] + noise[i]
    return out[2:] * (amplitude / out.std())


def _hand_held(rng, rows):
    """A 14-bit accelerometer in a hand: gravity turns, tremor, noise of 2 counts."""
    turn = np.cumsum(rng.normal(0, 2, (3, rows)), axis=1)
    turn -= np.linspace(0, 1, rows) * turn[:, -1:]
    tremor = np.stack([_resonance(rng, rows, 0.006, 0.01, 25) for _ in range(3)])
    bias = np.array([[30.0], [-40.0], [495.0]])
    return np.clip(bias + turn + tremor + rng.normal(0, 2, (3, rows)), -8192, 8191)


def _shaker(rng, rows):
    """A 16-bit accelerometer on a shaker that sweeps, one axis."""
    t = np.arange(rows)
    sweep = 2 * np.pi * (0.01 * t + 0.04 * t * t / (2 * rows))
    drive = 400 * np.sin(sweep) * (0.6 + 0.4 * np.sin(2 * np.pi * t / 5000))
    return np.clip(
        drive + _resonance(rng, rows, 0.11, 0.03, 40) + rng.normal(0, 4, rows), -32768, 32767
    )[None, :]


def _fan(rng, rows):
    """A 12-bit accelerometer on a fan with five speeds: rotation, a harmonic, coarse noise."""
    speed = np.repeat(np.array([0.0, 0.4, 0.6, 0.8, 1.0]), -(-rows // 5))[:rows]
    phase = 2 * np.pi * np.cumsum(0.05 + 0.3 * speed)
    axes = []
    for bias, gain in ((257, 40), (0, 60), (-32, 25)):
        rotation = gain * speed * (np.sin(phase) + 0.4 * np.sin(2 * phase + bias))
        axes.append(bias + rotation + rng.normal(0, 4 + 10 * speed))
    return np.clip(np.stack(axes), -2048, 2047)


def _climate(rng, rows):
    """A room once a minute: temperature (0.01 Cel), humidity (0.01 %RH), CO2 (ppm)."""
    day = 2 * np.pi * np.arange(rows) / 1440
    slow = np.cumsum(rng.normal(0, 1, (3, rows)), axis=1)
    noise = rng.normal(0, 1, (3, rows))
    temperature = 2150 + 120 * np.sin(day) + 2 * slow[0] + 2 * noise[0]
    humidity = 4500 - 300 * np.sin(day) + 4 * slow[1] + 2 * noise[1]
    co2 = 500 + 200 * np.maximum(0, np.sin(day + 1)) + 2 * slow[2] + 4 * noise[2]
    return np.stack([temperature, humidity, np.maximum(co2, 380)])


def _air(rng, rows):
    """PM2.5 (ug/m3) and temperature (Cel) once an hour."""
    pm = np.exp(4 + 0.9 * _resonance(rng, rows, 0.004, 0.03, 1.0) + rng.normal(0, 0.1, rows))
    hour = 2 * np.pi * np.arange(rows) / 24
    return np.stack([pm, 12 + 12 * np.sin(hour / 365) + 4 * np.sin(hour) + rng.normal(0, 1, rows)])


def _dropouts(rng, trace):
    """The same trace with 2 % of the first channel's readings missing, in runs."""
    valid = np.ones(trace.columns.shape, bool)
    for start in rng.integers(0, trace.rows, trace.rows // 400):
        valid[0, start : start + int(rng.integers(1, 17))] = False
    return replace(trace, columns=np.where(valid, trace.columns, 0), valid=valid)

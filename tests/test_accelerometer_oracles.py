"""Our accelerometer drivers on the VM and Adafruit's on CPython, on the same models."""

from math import degrees

import adafruit_lis3dh
import adafruit_mpu6050
import adafruit_msa3xx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motefw import drivers
from motefw.options import channels_of
from motekit.sim.rom.bus import I2CBus
from motekit.sim.rom.chips.lis3dh import Lis3dh
from motekit.sim.rom.chips.mpu6050 import Mpu6050
from motekit.sim.rom.chips.msa311 import Msa311
from motekit.sim.rom.chips.sc7a20 import Sc7a20
from tests.oracle import BusioI2C, Clock, Rows

RANGES = (2, 4, 8, 16)
STANDARD_GRAVITY = 9.80665  # Adafruit's LIS3DH and MSA311 round it to 9.806
LIS3DH_DIVIDERS = (16380, 8190, 4096, 1365)  # its counts a g, 2.4 % off ST's 16000, ..


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    """Let Adafruit's drivers sleep on the clock of the model."""
    monkeypatch.setattr(adafruit_lis3dh, "time", SLEEPER)
    monkeypatch.setattr(adafruit_mpu6050, "sleep", SLEEPER.sleep)


class Sleeper:
    """Stands in for the module `time`: sleeps on the clock of the test's model."""

    clock = Clock()

    def sleep(self, seconds):
        self.clock.sleep(seconds)


SLEEPER = Sleeper()


def sleeping():
    """Return a new clock, on which Adafruit's drivers sleep."""
    SLEEPER.clock = Clock()
    return SLEEPER.clock


def g_rows(top, width=3, most=20):
    axis = st.floats(-top, top, allow_nan=False)
    return st.lists(st.tuples(*[axis] * width), min_size=1, max_size=most)


def ours(vm, name, rows, options):
    """Return the counts that our driver reads from physical rows, and the scales."""
    vm.call("new", name, rows, False, options)
    period_us = vm.call("start", options)
    cls = drivers.load(name)
    scales = [channel[2] for channel in channels_of(cls, options)]
    if cls.STREAMING:
        got, gaps = vm.call("stream", 8 * period_us, len(rows) // 8 + 6)
        assert gaps == 0
        return got, scales
    got = []
    for _ in rows:
        got += vm.call("measure")
        vm.call("advance", 1_000_000)
    return got, scales


class AsLis3dh(Sc7a20):
    """An SC7A20 that says it is a LIS3DH, so that its driver takes it."""

    RESET = Lis3dh.RESET


def lis3dh_counts(model, rows, code, clock):
    """Return the 12-bit counts that Adafruit's driver reads."""
    chip = model(Rows(rows, False), clock.clock_us)
    bus = I2CBus([(0x18, chip)])
    sensor = adafruit_lis3dh.LIS3DH_I2C(BusioI2C(bus), address=0x18)
    sensor.data_rate = adafruit_lis3dh.DATARATE_POWERDOWN
    sensor.range = code
    sensor.data_rate = adafruit_lis3dh.DATARATE_100_HZ
    chip.index = 0
    out = []
    clock.now_us += 1600
    for _ in rows:
        clock.now_us += 10_000
        out.append([a / 9.806 * LIS3DH_DIVIDERS[code] / 16 for a in sensor.acceleration])
    return out


@pytest.mark.parametrize(("name", "model"), [("lis3dh", Lis3dh), ("sc7a20", AsLis3dh)])
@settings(deadline=None, max_examples=30)
@given(rows=g_rows(20), code=st.integers(0, 3))
def test_lis3dh_and_its_relative(vm, name, model, rows, code):
    got, scales = ours(vm, name, rows, {"rate_hz": 100, "range_g": RANGES[code]})
    theirs = lis3dh_counts(model, rows, code, sleeping())
    assert len(got) == len(rows)
    for mine, other, seen in zip(got, theirs, rows, strict=True):
        assert mine == pytest.approx(other, abs=1e-6)
        for count, scale, g in zip(mine, scales, seen, strict=True):
            held = max(-2048 * scale, min(2047 * scale, g))
            assert count * scale == pytest.approx(held, abs=0.51 * scale)


@settings(deadline=None, max_examples=30)
@given(
    rows=g_rows(18, most=12),
    code=st.integers(0, 3),
    gyro=st.integers(0, 3),
    turn=st.floats(-2200, 2200, allow_nan=False),
)
def test_mpu6050_with_its_gyroscope(vm, rows, code, gyro, turn):
    dps = (250, 500, 1000, 2000)[gyro]
    rows = [(*row, turn, -turn, turn / 3) for row in rows]
    options = {"rate_hz": 100, "range_g": RANGES[code], "gyro_dps": dps}
    got, scales = ours(vm, "mpu6050", rows, options)
    clock = sleeping()
    model = Mpu6050(Rows(rows, False), clock.clock_us)
    sensor = adafruit_mpu6050.MPU6050(BusioI2C(I2CBus([(0x68, model)])))
    sensor.accelerometer_range, sensor.gyro_range = code, gyro
    sensor.filter_bandwidth = adafruit_mpu6050.Bandwidth.BAND_44_HZ
    sensor.sample_rate_divisor = 9
    model.index = 0
    clock.now_us += 30_000 - 1  # the gyroscope's start-up, as the model has it
    model.restart()
    clock.now_us += model.TURN_ON_US
    assert len(got) == len(rows)
    for mine, seen in zip(got, rows, strict=True):
        clock.now_us += 10_000
        theirs = [a / STANDARD_GRAVITY for a in sensor.acceleration]
        theirs += [degrees(w) for w in sensor.gyro]
        assert sensor.temperature == pytest.approx(21.5, abs=0.01)
        values = [count * scale for count, scale in zip(mine, scales, strict=True)]
        assert values[:3] == pytest.approx(theirs[:3], abs=1e-6)
        assert values[3:] == pytest.approx(theirs[3:], rel=0.0011)  # it rounds 32.768 to 32.8
        for value, scale, true in zip(values, scales, seen, strict=True):
            assert value == pytest.approx(
                max(-32768 * scale, min(32767 * scale, true)), abs=0.51 * scale
            )


@settings(deadline=None, max_examples=30)
@given(rows=g_rows(18, most=8), code=st.integers(0, 3))
def test_msa311(vm, rows, code):
    got, scales = ours(vm, "msa311", rows, {"bandwidth_hz": 250, "range_g": RANGES[code]})
    clock = Clock()
    source = Rows(rows, False)
    model = Msa311(source, clock.clock_us)
    sensor = adafruit_msa3xx.MSA311(BusioI2C(I2CBus([(0x62, model)])))
    sensor.range = code
    source.next = 0
    assert len(got) == len(rows)
    for mine, seen in zip(got, rows, strict=True):
        clock.now_us += 2000
        theirs = [a / 9.806 for a in sensor.acceleration]
        values = [count * scale for count, scale in zip(mine, scales, strict=True)]
        assert values == pytest.approx(theirs, abs=1e-6)
        for value, scale, g in zip(values, scales, seen, strict=True):
            held = max(-2048 * scale, min(2047 * scale, g))
            assert value == pytest.approx(held, abs=0.51 * scale)

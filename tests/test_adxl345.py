"""ADXL345: our driver on the VM and Adafruit's on CPython, on the same register-level model."""

from itertools import pairwise

import adafruit_adxl34x
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motefw import drivers
from motekit.sim.rom.bus import I2CBus
from motekit.sim.rom.chips.adxl345 import Adxl345
from tests.coprocess import VmError
from tests.oracle import BusioI2C, Clock, Rows

NAME = "adxl345"
RATES = (25, 50, 100, 200, 400, 800)
RANGES = (2, 4, 8, 16)
COUNTS_16G = st.integers(-4096, 4095)
ROWS_16G = st.lists(st.tuples(COUNTS_16G, COUNTS_16G, COUNTS_16G), min_size=1, max_size=200)


def begin(vm, rows, options=None, raw=True, **more):
    options = options or {}
    vm.call("new", NAME, rows, raw, options, more.get("capacity", 64), more.get("ramp"))
    return vm.call("start", options)


def ramp(first, n):
    return [[i % 4000 - 2000 + c for c in range(3)] for i in range(first, first + n)]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("range_g", RANGES)
def test_every_rate_and_range_gives_each_sample_once(vm, rate, range_g):
    top = 256 * range_g
    rows = [[top - 1, -top, i - 50] for i in range(100)]
    period_us = begin(vm, rows, {"rate_hz": rate, "range_g": range_g})
    assert period_us == 1_000_000 // rate
    poll_us = vm.call("get", "poll_us")
    assert poll_us == 16 * period_us
    got, gaps = vm.call("stream", poll_us, 9)
    assert got == rows
    assert gaps == 0


def test_counts_times_scale_are_the_acceleration(vm):
    for range_g in RANGES:
        for channel, (_, unit, scale, offset) in enumerate(drivers.load(NAME).CHANNELS):
            for g in (0, 1, -1, 0.9 * range_g, -0.9 * range_g):
                row = [g if channel == c else 0 for c in range(3)]
                period_us = begin(vm, [row] * 4, {"range_g": range_g}, raw=False)
                ((got, *_), _) = vm.call("stream", 6 * period_us, 1)
                assert got[channel] * scale + offset == pytest.approx(g, abs=0.51 * scale)
            assert unit == "g"


@settings(deadline=None, max_examples=40)
@given(rows=ROWS_16G, polls=st.lists(st.integers(100, 150_000), min_size=1, max_size=20))
def test_raw_counts_come_through_whatever_the_polling(vm, rows, polls):
    begin(vm, rows, {"rate_hz": 200, "range_g": 16})
    got = []
    for poll_us in [*polls, *[100_000] * 15]:
        some, gaps = vm.call("stream", poll_us, 1)
        assert gaps == 0
        got += some
    assert got == [list(row) for row in rows]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"range_g": 5}, "range_g: 5 is not one of 2, 4, 8, 16"),
        ({"rate_hz": 3200}, "rate_hz: 3200 is not one of 25, 50, 100, 200, 400, 800"),
        ({"rate_hz": 1600}, "rate_hz: 1600 is not one of 25, 50, 100, 200, 400, 800"),
        ({"rate_hz": "100"}, "rate_hz: '100' is not one of 25, 50, 100, 200, 400, 800"),
        ({"rate": 100}, "rate: unknown option, known are: range_g, rate_hz"),
    ],
)
def test_refuses_what_the_part_cannot_do(vm, options, text):
    with pytest.raises(VmError) as caught:
        begin(vm, [], options)
    assert caught.value.kind == "ConfigError"
    assert caught.value.text == text


def test_configures_over_what_another_program_left(vm):
    vm.call("new", NAME, ramp(0, 100), True, {})
    vm.call("start", {})
    for left in ("1e7f80ff", "2c1f", "2e00", "31bf", "38ff"):  # offsets, low power, self-test...
        vm.call("write", left)
    vm.call("start", {"rate_hz": 400, "range_g": 4})
    registers = {r: vm.call("register", r) for r in (0x1E, 0x1F, 0x20, 0x2C, 0x2D, 0x2E, 0x31)}
    assert registers == {0x1E: 0, 0x1F: 0, 0x20: 0, 0x2C: 12, 0x2D: 8, 0x2E: 3, 0x31: 9}
    assert vm.call("register", 0x38) & 0xDF == 0x80 | 16  # stream, watermark at half


def test_says_which_chip_answers_instead(vm):
    vm.call("new", NAME, [], True, {})
    vm.call("fault", "wrong_id")
    with pytest.raises(VmError) as caught:
        vm.call("start", {})
    assert caught.value.kind == "SensorError"
    assert caught.value.text == (
        "ADXL345 at 0x53: id is 0xe6, expected 0xe5 (wrong chip or address?)"
    )


def test_an_absent_part_is_an_os_error_and_it_may_come_back(vm):
    begin(vm, None, ramp=3)
    vm.call("fault", "nack")
    with pytest.raises(VmError) as caught:
        vm.call("pending")
    assert caught.value.kind == "OSError"
    vm.call("fault", "nack", False)
    vm.call("start", {})
    got, _ = vm.call("stream", 50_000, 4)
    assert len(got) >= 19
    assert [b[0] - a[0] for a, b in pairwise(got)] == [1] * (len(got) - 1)


def test_a_stuck_bus_is_an_os_error_until_it_is_recovered(vm):
    begin(vm, None, ramp=3)
    vm.call("bus_fault", "stuck")
    with pytest.raises(VmError) as caught:
        vm.call("pending")
    assert caught.value.kind == "OSError"
    vm.call("recover")
    vm.call("start", {})
    assert vm.call("stream", 50_000, 2)[0]


def test_notices_that_the_supply_was_interrupted(vm):
    begin(vm, None, ramp=3)
    vm.call("fault", "brownout")
    vm.call("advance", 100_000)
    with pytest.raises(VmError) as caught:
        vm.call("pending")
    assert caught.value.kind == "SensorError"
    assert "stopped measuring" in caught.value.text


def test_a_bus_that_reads_ones_is_no_fifo(vm):
    begin(vm, None, ramp=3)
    with pytest.raises(VmError) as caught:
        vm.call("locked_burst", NAME, "ffffffffffff", 16)
    assert "63 samples wait, at most 33" in caught.value.text


def test_stop_ends_sampling(vm):
    begin(vm, None, ramp=3)
    vm.call("stop")
    assert vm.call("register", 0x2D) == 0
    assert vm.call("register", 0x39) == 0


def test_an_overrun_is_a_gap_and_the_latest_samples_are_kept(vm):
    begin(vm, None, {"rate_hz": 100}, ramp=3)
    vm.call("advance", 1100 + 10_000 * 50)
    assert vm.call("pending") == [33, True]  # 32, and one in the output filter
    assert vm.call("model_get", "lost") == 17
    assert not vm.call("drain", 33)  # told once
    assert vm.call("rows") == ramp(17, 33)
    vm.call("advance", 50_000)
    assert vm.call("pending") == [5, False]
    assert not vm.call("drain", 5)
    assert vm.call("rows") == ramp(50, 5)


def test_an_overrun_after_pending_is_a_gap_before_anything_is_drained(vm):
    begin(vm, None, {"rate_hz": 100}, ramp=3)
    vm.call("advance", 1100 + 10_000 * 30)
    assert vm.call("pending") == [30, False]
    vm.call("advance", 100_000)
    assert vm.call("drain", 30)
    assert vm.call("rows") == []
    assert vm.call("pending") == [33, False]  # told already
    assert not vm.call("drain", 33)
    assert vm.call("rows") == ramp(7, 33)


def test_an_overrun_between_two_drains_is_noticed(vm):
    begin(vm, None, {"rate_hz": 100}, ramp=3)
    vm.call("advance", 1100 + 10_000 * 40)
    assert vm.call("pending") == [33, True]
    assert not vm.call("drain", 10)
    vm.call("advance", 10_000 * 20)
    assert vm.call("drain", 10)
    assert vm.call("rows") == ramp(7, 10)
    assert vm.call("pending") == [33, False]
    assert not vm.call("drain", 10)
    assert vm.call("rows") == ramp(27, 10)


WAIT_US = st.one_of(st.integers(1, 50_000), st.integers(200_000, 900_000))


@settings(deadline=None, max_examples=60)
@given(polls=st.lists(st.tuples(WAIT_US, WAIT_US, st.integers(1, 32)), min_size=1, max_size=15))
def test_no_sample_goes_without_a_gap(vm, polls):
    """Whenever the FIFO runs over: before a poll, before the drain, between two drains."""
    begin(vm, None, {"rate_hz": 100}, ramp=3)
    following = 0
    told = False
    for before_us, between_us, room in polls:
        vm.call("advance", before_us)
        waiting, gap = vm.call("pending")
        told = told or gap
        vm.call("advance", between_us)
        for n in (min(room, waiting), max(waiting - room, 0)):
            gap = vm.call("drain", n)
            got = [row[0] + 2000 for row in vm.call("rows")]
            assert not (gap and got)
            if got:
                assert got == list(range(got[0], got[0] + n))
                assert told or got[0] == following
                following = got[-1] + 1
                told = False
            told = told or gap


def test_takes_no_heap_per_sample(vm):
    assert vm.call("locked_burst", NAME, "101010101010", 16) == 16
    assert vm.call("bytes_allocated", NAME, "101010101010", 16, 50) == 0


AXIS_G = st.floats(-17, 17, allow_nan=False)


def adafruit_counts(rows, raw, range_code):
    """Return what Adafruit's driver reads from the model, in its counts of 4 mg."""
    clock = Clock()
    bus = I2CBus([(0x53, Adxl345(Rows(rows, raw), clock.clock_us))])
    sensor = adafruit_adxl34x.ADXL345(BusioI2C(bus))
    sensor.range = range_code
    sensor.data_rate = adafruit_adxl34x.DataRate.RATE_100_HZ
    out = []
    clock.now_us += 1100
    for _ in rows:
        clock.now_us += 10_000
        out.append([a / 9.80665 / 0.004 for a in sensor.acceleration])
    return out


@settings(deadline=None, max_examples=30)
@given(
    rows=st.lists(st.tuples(AXIS_G, AXIS_G, AXIS_G), min_size=1, max_size=30),
    code=st.integers(0, 3),
)
def test_agrees_with_adafruits_driver_over_the_whole_range(vm, rows, code):
    """Both give the same counts; Adafruit's 4 mg a count is 2.4 % above the 1/256 g."""
    range_g = RANGES[code]
    begin(vm, rows, {"rate_hz": 100, "range_g": range_g}, raw=False)
    ours, _ = vm.call("stream", 100_000, len(rows) // 10 + 2)
    theirs = adafruit_counts(rows, False, code)
    assert len(ours) == len(rows)
    for mine, other, seen in zip(ours, theirs, rows, strict=True):
        assert mine == pytest.approx(other, abs=1e-6)
        for count, g in zip(mine, seen, strict=True):
            held = max(-range_g, min(range_g - 1 / 256, g))
            assert count / 256 == pytest.approx(held, abs=0.51 / 256)

"""BMP280 and BME280: our drivers on the VM, Adafruit's on CPython, on the same models."""

import adafruit_bme280.basic as adafruit_bme280
import adafruit_bmp280
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motekit.sim.rom.bus import I2CBus
from motekit.sim.rom.chips.bme280 import Bme280
from motekit.sim.rom.chips.bmp280 import TRIM, Bmp280
from tests.coprocess import VmError
from tests.oracle import BusioI2C, Clock, Rows, physical

CELSIUS = st.floats(-40, 85)
PASCAL = st.floats(30_000, 110_000)
PERCENT = st.floats(0, 100)
PARTS = {"bmp280": "BMP280", "bme280": "BME280"}


@pytest.fixture(params=PARTS)
def name(request):
    return request.param


def begin(vm, rows, raw=True, name="bme280"):
    vm.call("new", name, rows, raw, {})
    return vm.call("start", {})


def one(name="bme280"):
    """Return a raw row: 20.00 Cel, 100 kPa, 50.00 %RH."""
    return [2000, 200_000, 5000][: 2 if name == "bmp280" else 3]


def measured(vm, trim, adc, name="bmp280"):
    """Return what the driver makes of counts of a converter with these trimming values."""
    vm.call("new", name, [], True, {})
    vm.call("model_do", "trim", trim)
    vm.call("start", {})
    vm.call("model_set", "adc", adc)
    return vm.call("measure")[0]


def test_the_datasheets_worked_example(vm):
    """BMP280 datasheet Rev. 1.14, 3.12: 25.08 Cel and 100653 Pa."""
    row = measured(vm, TRIM, [519_888, 415_148, 0x8000])
    assert physical("bmp280", row) == pytest.approx((25.08, 100_653.25), abs=0.26)
    assert row[0] == 2508


def pressure_64_bit(trim, adc_t, adc_p):
    """Return Pa / 256: BMP280 datasheet 3.11.3, "compensation in 64-bit", with C's division."""
    t1, t2, t3, p1, p2, p3, p4, p5, p6, p7, p8, p9 = trim
    fine = ((adc_t >> 3) - (t1 << 1)) * t2 >> 11
    fine += ((((adc_t >> 4) - t1) ** 2 >> 12) * t3) >> 14
    v1 = fine - 128_000
    v2 = v1 * v1 * p6 + (v1 * p5 << 17) + (p4 << 35)
    v1 = (v1 * v1 * p3 >> 8) + (v1 * p2 << 12)
    v1 = ((1 << 47) + v1) * p1 >> 33
    p = ((1_048_576 - adc_p << 31) - v2) * 3125
    p = p // v1 if p >= 0 else -(-p // v1)
    p += (p9 * (p >> 13) * (p >> 13) >> 25) + (p8 * p >> 19)
    return (p >> 8) + (p7 << 4), fine * 5 + 128 >> 8


# What parts in the field carry, and some more on both sides
TRIMS = st.tuples(
    st.integers(26_500, 28_900),
    st.integers(25_500, 27_000),
    st.integers(-1_100, 100),
    st.integers(33_000, 40_000),
    st.integers(-12_500, -9_000),
    st.integers(2_500, 3_500),
    st.integers(0, 9_000),
    st.integers(-200, 300),
    st.integers(-20, 0),
    st.integers(8_000, 16_000),
    st.integers(-16_000, -8_000),
    st.integers(3_000, 7_000),
)


@settings(deadline=None, max_examples=150)
@given(trim=TRIMS, adc_t=st.integers(340_000, 700_000), adc_p=st.integers(150_000, 780_000))
def test_any_counts_are_the_datasheets_64_bit_formula_to_half_a_pascal(vm, trim, adc_t, adc_p):
    pascal_256, hundredths = pressure_64_bit(trim, adc_t, adc_p)
    row = measured(vm, trim, [adc_t, adc_p, 0x8000])
    assert row[0] == hundredths
    assert row[1] * 0.5 == pytest.approx(pascal_256 / 256, abs=0.25 + 0.2)


@settings(deadline=None, max_examples=50)
@given(adc_t=st.integers(0, 0xFFFFF), adc_p=st.integers(0, 0xFFFFF), adc_h=st.integers(0, 65535))
def test_no_counts_whatever_break_it(vm, adc_t, adc_p, adc_h):
    row = measured(vm, TRIM, [adc_t, adc_p, adc_h], "bme280")
    assert 0 <= row[2] <= 10_000


@settings(deadline=None, max_examples=50)
@given(
    rows=st.lists(
        st.tuples(st.integers(-4000, 8500), st.integers(60_000, 220_000), st.integers(0, 10_000)),
        min_size=1,
        max_size=10,
    )
)
def test_what_the_model_sees_comes_through(vm, rows):
    begin(vm, rows)
    assert vm.call("measure_all") == [list(row) for row in rows]
    begin(vm, [row[:2] for row in rows], name="bmp280")
    assert vm.call("measure_all") == [list(row[:2]) for row in rows]


def test_an_option_is_refused(vm, name):
    vm.call("new", name, [], True, {})
    with pytest.raises(VmError) as caught:
        vm.call("start", {"filter": 4})
    assert caught.value.text == "filter: unknown option, known are: none"


def test_another_part_at_the_address_is_told(vm, name):
    vm.call("new", name, [], True, {})
    vm.call("fault", "wrong_id")
    with pytest.raises(VmError) as caught:
        vm.call("start", {})
    got, expected = {"bmp280": ("60", "58"), "bme280": ("58", "60")}[name]
    assert caught.value.text == (
        f"{PARTS[name]} at 0x76: id is 0x{got}, expected 0x{expected} (wrong chip or address?)"
    )


def test_missing_trimming_values_are_an_error(vm, name):
    vm.call("new", name, [], True, {})
    vm.call("fault", "untrimmed")
    with pytest.raises(VmError) as caught:
        vm.call("start", {})
    assert caught.value.text == f"{PARTS[name]} at 0x76: its trimming values are missing"


def test_a_part_that_still_measures_is_waited_for(vm, name):
    begin(vm, [one(name)], name=name)
    assert vm.call("measure_early", 39) == [one(name)]


def test_a_part_that_never_finishes_is_an_error_and_gives_no_old_value(vm, name):
    begin(vm, [one(name)] * 3, name=name)
    assert vm.call("measure") == [one(name)]
    vm.call("fault", "slow")
    with pytest.raises(VmError) as caught:
        vm.call("measure")
    assert caught.value.text == f"{PARTS[name]} at 0x76: it still measures"
    assert vm.call("rows") == []
    vm.call("fault", "slow", False)
    assert vm.call("measure") == [one(name)]


def test_a_loss_of_supply_is_noticed_and_mended_by_start(vm, name):
    begin(vm, [one(name)] * 5, name=name)
    vm.call("fault", "brownout")
    vm.call("advance", 2000)
    with pytest.raises(VmError) as caught:
        vm.call("measure")
    assert caught.value.text == (
        f"{PARTS[name]} at 0x76: it has lost its settings (supply interrupted?)"
    )
    assert vm.call("rows") == []
    vm.call("start", {})
    assert vm.call("measure") == [one(name)]


def test_a_mode_that_another_program_left_on_is_ended_by_start(vm, name):
    begin(vm, [one(name)] * 100, name=name)
    vm.call("write", "f5a0")
    vm.call("write", "f427")  # normal mode, once for each value
    vm.call("advance", 5_000_000)
    vm.call("start", {})
    assert vm.call("measure") == [one(name)]


def test_takes_no_heap_per_sample(vm, name):
    """At both ends of the range: all products stay small integers."""
    for celsius, pascal, percent in ((-40, 30_000, 0), (25, 100_000, 50), (85, 110_000, 100)):
        row = [celsius, pascal, percent][: len(one(name))]
        begin(vm, [row] * 4, raw=False, name=name)
        vm.call("measure")
        data = vm.call("burst_of", 0xF3, 12 if name == "bme280" else 10)
        vm.call("on_fixed", data)
        assert vm.call("driver_allocates", 20) == 0


@settings(deadline=None, max_examples=30)
@given(rows=st.lists(st.tuples(CELSIUS, PASCAL, PERCENT), min_size=1, max_size=6))
def test_the_bme280_agrees_with_adafruits_driver_over_the_whole_range(vm, rows):
    begin(vm, rows, raw=False)
    clock = Clock()
    adafruit_bme280.sleep = clock.sleep
    model = Bme280(Rows([row for row in rows for _ in range(3)], raw=False), clock.clock_us)
    sensor = adafruit_bme280.Adafruit_BME280_I2C(BusioI2C(I2CBus([(0x76, model)])), 0x76)
    sensor.overscan_temperature = 2  # the code of twice, as ours
    for ours, seen in zip(vm.call("measure_all"), rows, strict=True):
        theirs = sensor.temperature, 100 * sensor.pressure, sensor.humidity
        mine = physical("bme280", ours)
        for a, b, c, resolution in zip(mine, theirs, seen, (0.01, 0.5, 0.01), strict=True):
            assert a == pytest.approx(b, abs=resolution)
            assert a == pytest.approx(c, abs=resolution)


@settings(deadline=None, max_examples=30)
@given(rows=st.lists(st.tuples(CELSIUS, PASCAL), min_size=1, max_size=6))
def test_the_bmp280_agrees_with_adafruits_driver_over_the_whole_range(vm, rows):
    begin(vm, rows, raw=False, name="bmp280")
    clock = Clock()
    adafruit_bmp280.sleep = clock.sleep
    model = Bmp280(Rows([row for row in rows for _ in range(2)], raw=False), clock.clock_us)
    sensor = adafruit_bmp280.Adafruit_BMP280_I2C(BusioI2C(I2CBus([(0x76, model)])), 0x76)
    for ours in vm.call("measure_all"):
        mine = physical("bmp280", ours)
        assert mine[0] == pytest.approx(sensor.temperature, abs=0.01)
        assert mine[1] == pytest.approx(100 * sensor.pressure, abs=0.5)

"""SCD4x: our driver on the VM and Adafruit's on CPython, both on the same command-level model."""

import adafruit_scd4x
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motekit.sim.rom.bus import I2CBus
from motekit.sim.rom.chips.scd4x import Scd4x
from tests.coprocess import VmError
from tests.oracle import BusioI2C, Clock, Rows

NAME = "scd4x"
EXAMPLE = [500, 0x6667, 0x5EB9]  # datasheet, 3.5.2: 500 ppm, 25 Cel, 37 %RH
ROW = st.tuples(st.integers(1, 40000), st.integers(0, 65535), st.integers(0, 65535))
PERIODS = {"periodic": 5, "low_power": 30}


def begin(vm, rows, options=None, raw=True):
    vm.call("new", NAME, rows, raw, options or {})
    return vm.call("start", options or {})


def listen(vm, seconds):
    return vm.call("stream", 100_000, 10 * seconds)[0]


def physical(row):
    return row[0], -45 + 175 * row[1] / 65535, 100 * row[2] / 65535


def adafruit(rows, raw=True):
    clock = adafruit_scd4x.time = Clock()
    bus = BusioI2C(I2CBus([(0x62, Scd4x(Rows(rows, raw), clock.clock_us))]))
    clock.sleep(0.03)  # power-up
    return clock, bus, adafruit_scd4x.SCD4X(bus)


def test_the_worked_example(vm):
    begin(vm, [EXAMPLE])
    ((ppm, temperature, humidity),) = map(physical, listen(vm, 6))
    assert (ppm, round(temperature, 2), round(humidity, 2)) == (500, 25.0, 37.0)


@settings(deadline=None, max_examples=20)
@given(rows=st.lists(ROW, min_size=1, max_size=5))
def test_raw_words_come_through_untouched(vm, rows):
    begin(vm, rows)
    assert listen(vm, 5 * len(rows) + 2) == [list(row) for row in rows]


@settings(deadline=None, max_examples=20)
@given(
    rows=st.lists(
        st.tuples(st.floats(1, 40000), st.floats(-45, 130), st.floats(0, 100)),
        min_size=1,
        max_size=5,
    )
)
def test_agrees_with_adafruits_driver_over_the_whole_range(vm, rows):
    begin(vm, rows, raw=False)
    clock, _, sensor = adafruit(rows, raw=False)
    sensor.start_periodic_measurement()
    for ours, seen in zip(listen(vm, 5 * len(rows) + 2), rows, strict=True):
        clock.sleep(5)
        theirs = (sensor.CO2, sensor.temperature, sensor.relative_humidity)
        assert physical(ours) == pytest.approx(theirs, abs=1e-9)
        assert ours[0] == pytest.approx(seen[0], abs=0.5)
        assert physical(ours)[1:] == pytest.approx(seen[1:], abs=0.51 * 175 / 65535)


@pytest.mark.parametrize("at", range(9))
def test_any_wrong_bit_is_refused_by_both_drivers(vm, at):
    for mask in (1 << bit for bit in range(8)):
        begin(vm, [EXAMPLE] * 9)
        vm.call("advance", 5_000_000)
        assert vm.call("pending") == [1, False]
        vm.call("flip", at, mask)
        with pytest.raises(VmError) as caught:
            vm.call("drain", 1)
        assert caught.value.kind == "SensorError"
        assert f"CRC of word {at // 3}" in caught.value.text
        assert vm.call("get", "bad") == 1
        assert vm.call("rows") == []
        clock, bus, sensor = adafruit([EXAMPLE] * 9)
        sensor.start_periodic_measurement()
        clock.sleep(5)
        assert sensor.data_ready
        bus.flip = (at, mask)
        with pytest.raises(RuntimeError, match="CRC"):
            sensor._read_data()


@pytest.mark.parametrize("at", range(3))
def test_a_wrong_bit_of_the_ready_flag_is_refused(vm, at):
    begin(vm, [EXAMPLE] * 9)
    vm.call("advance", 5_000_000)
    vm.call("flip", at, 0x01)
    with pytest.raises(VmError, match="SCD4x at 0x62: CRC of word 0 "):
        vm.call("pending")


@pytest.mark.parametrize(("mode", "seconds"), PERIODS.items())
def test_gives_each_measurement_once_at_the_pace_of_the_mode(vm, mode, seconds):
    rows = [[400 + i, 1, 2] for i in range(9)]
    assert begin(vm, rows, {"mode": mode}) == 1_000_000 * seconds
    assert listen(vm, seconds - 1) == []
    assert listen(vm, 3 * seconds) == rows[:3]


def test_asks_four_times_a_second_at_most(vm):
    begin(vm, [EXAMPLE] * 9)
    before = vm.call("transactions")
    listen(vm, 4)
    assert vm.call("transactions") - before <= 2 * 4 * 4


def test_makes_the_settings_and_keeps_none_in_the_eeprom(vm):
    begin(vm, [EXAMPLE], {"self_calibration": "off", "altitude_m": 1600})
    settings = vm.call("model_get", "settings")
    assert (settings["8979"], settings["8994"]) == (0, 1600)  # 0x2313, 0x2322
    vm.call("start", {})
    settings = vm.call("model_get", "settings")
    assert (settings["8979"], settings["8994"]) == (1, 0)
    assert vm.call("model_get", "persisted") == 0


def test_both_read_the_same_serial_number(vm):
    begin(vm, [])
    assert bytes(vm.call("serial")) == bytes(adafruit([EXAMPLE])[2].serial_number)


def test_a_part_that_measures_already_is_stopped_first(vm):
    begin(vm, [EXAMPLE] * 9, {"mode": "low_power"})
    listen(vm, 3)
    vm.call("start", {})
    assert vm.call("model_get", "period_us") == 5_000_000
    assert listen(vm, 6) == [EXAMPLE]


def test_stop_leaves_it_idle(vm):
    begin(vm, [EXAMPLE] * 9)
    vm.call("stop")
    assert vm.call("model_get", "period_us") == 0


def test_a_part_that_is_not_up_yet_does_not_answer(vm):
    begin(vm, [EXAMPLE] * 9)
    vm.call("fault", "brownout")
    with pytest.raises(VmError) as caught:
        vm.call("start", {})
    assert caught.value.kind == "OSError"
    vm.call("advance", 30_000)
    vm.call("start", {})


@pytest.mark.parametrize(("mode", "seconds"), PERIODS.items())
def test_a_part_that_lost_its_supply_is_told_and_started_again(vm, mode, seconds):
    begin(vm, [EXAMPLE] * 9, {"mode": mode})
    listen(vm, seconds + 1)
    vm.call("fault", "brownout")
    vm.call("advance", 50_000)
    listen(vm, seconds)
    with pytest.raises(VmError) as caught:
        listen(vm, 2 * seconds)
    assert caught.value.text == ("SCD4x at 0x62: it has stopped measuring (supply interrupted?)")
    vm.call("start", {"mode": mode})
    assert listen(vm, seconds + 1) == [EXAMPLE]


def test_zero_ppm_is_no_measurement(vm):
    begin(vm, [[0, 1, 2]])
    assert listen(vm, 6) == [[None, 1, 2]]


def test_another_part_at_the_address_is_told(vm):
    vm.call("new", NAME, [], True, {})
    vm.call("fault", "wrong_id")
    with pytest.raises(VmError, match="SCD4x at 0x62: CRC of word 0 is 0x00, expected 0x81"):
        vm.call("start", {})


def test_takes_no_heap_per_sample(vm):
    data = "01f4336667a25eb93c"
    assert vm.call("locked_burst", NAME, data, 1) == 1
    assert vm.call("bytes_allocated", NAME, data, 1, 50) == 0


def test_the_model_takes_only_reading_and_stopping_while_it_measures():
    clock, _, sensor = adafruit([EXAMPLE])
    sensor.start_periodic_measurement()
    with pytest.raises(RuntimeError, match="not available in periodic"):
        _ = sensor.serial_number
    sensor.stop_periodic_measurement()
    assert sensor.sensor_variant_name == "SCD41"
    sensor.self_calibration_enabled = False
    assert not sensor.self_calibration_enabled
    sensor.altitude = 2000
    assert sensor.altitude == 2000
    assert clock.now_us < 3_000_000

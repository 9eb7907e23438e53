"""ENS160: our driver on the VM and Adafruit's on CPython, both on the same register model."""

import adafruit_ens160
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motekit.sim.rom.bus import I2CBus
from motekit.sim.rom.chips.ens160 import Ens160
from tests.coprocess import VmError
from tests.oracle import BusioI2C, Clock, Rows

NAME = "ens160"
ROW = st.tuples(st.integers(1, 5), st.integers(0, 65000), st.integers(400, 65000))
WARMING = [None] * 3
SECOND = 1_000_000


def begin(vm, rows, options=None):
    vm.call("new", NAME, rows, True, options or {})
    return vm.call("start", options or {})


def listen(vm, seconds):
    return vm.call("stream", 100_000, 10 * seconds)[0]


def warm(vm, rows):
    """Start, and drain what comes until it is warm."""
    begin(vm, rows)
    assert listen(vm, 179) == [WARMING] * 179
    vm.call("advance", 500_000)  # between two samples


def adafruit(rows, **how):
    clock = adafruit_ens160.time = Clock()
    model = Ens160(Rows(rows), clock.clock_us, **how)
    clock.sleep(0.01)  # power-up
    return clock, model, adafruit_ens160.ENS160(BusioI2C(I2CBus([(0x53, model)])))


@settings(deadline=None, max_examples=15)
@given(rows=st.lists(ROW, min_size=1, max_size=6))
def test_agrees_with_adafruits_driver_over_the_whole_range(vm, rows):
    warm(vm, rows)
    ours = listen(vm, len(rows))
    assert ours == [list(row) for row in rows]
    clock, _, sensor = adafruit(rows)
    clock.sleep(180)
    assert sensor.data_validity == adafruit_ens160.NORMAL_OP
    for row in ours:
        assert sensor.new_data_available
        theirs = sensor.read_all_sensors()
        assert [theirs["AQI"], theirs["TVOC"], theirs["eCO2"]] == row
        clock.sleep(1)


def test_compensates_for_the_datasheets_examples(vm):
    begin(vm, [])
    assert vm.call("burst_of", 0x13, 4) == "8a4a0064"  # 25 Cel, 50 %RH
    _, model, _ = adafruit([[1, 2, 400]])
    assert bytes(model.registers[0x13:0x17]).hex() == "8a4a0064"


@settings(deadline=None, max_examples=50)
@given(temperature=st.integers(-40, 85), humidity=st.integers(0, 100))
def test_both_drivers_compensate_for_the_same(vm, temperature, humidity):
    begin(vm, [], {"temperature_cel": temperature, "humidity_percent": humidity})
    _, model, sensor = adafruit([[1, 2, 400]])
    sensor.temperature_compensation = temperature
    sensor.humidity_compensation = humidity
    assert vm.call("burst_of", 0x13, 4) == bytes(model.registers[0x13:0x17]).hex()


def test_gives_each_sample_once(vm):
    warm(vm, [[1, 2, 403]] * 9)
    assert vm.call("stream", 10_000, 500)[0] == [[1, 2, 403]] * 5


def test_what_the_part_does_not_vouch_for_is_invalid(vm):
    begin(vm, [[1, 2, 403]] * 9)
    vm.call("model_set", "_startup_us", 190 * SECOND)
    assert listen(vm, 179) == [WARMING] * 179  # warm-up
    assert listen(vm, 10) == [WARMING] * 10  # its first hour, here shorter
    assert listen(vm, 2) == [[1, 2, 403]] * 2


def test_a_start_while_it_runs_keeps_it_warm(vm):
    warm(vm, [[1, 2, 403]] * 9)
    vm.call("start", {})
    assert listen(vm, 2) == [[1, 2, 403]] * 2


def test_stop_leaves_it_idle_and_start_warms_it_up_again(vm):
    warm(vm, [[1, 2, 403]] * 9)
    vm.call("stop")
    assert vm.call("register", 0x10) == 1
    vm.call("start", {})
    assert listen(vm, 3) == [WARMING] * 3


@pytest.mark.parametrize("part", [0x0160, 0x0161])
def test_takes_either_part(vm, part):
    vm.call("new", NAME, [], True, {})
    vm.call("model_set", "_id", part)
    vm.call("start", {})


def test_another_part_at_the_address_is_told(vm):
    vm.call("new", NAME, [], True, {})
    vm.call("fault", "wrong_id")
    with pytest.raises(VmError) as caught:
        vm.call("start", {})
    assert caught.value.text == (
        "ENS160 at 0x52: id is 0xe5, expected 0x60 (wrong chip or address?)"
    )


def test_a_part_that_is_not_up_yet_does_not_answer(vm):
    begin(vm, [])
    vm.call("fault", "brownout")
    with pytest.raises(VmError) as caught:
        vm.call("pending")
    assert caught.value.kind == "OSError"


def test_a_part_that_lost_its_supply_is_told_and_started_again(vm):
    warm(vm, [[1, 2, 403]] * 99)
    vm.call("fault", "brownout")
    vm.call("advance", 10_000)
    with pytest.raises(VmError) as caught:
        listen(vm, 1)
    assert caught.value.text == ("ENS160 at 0x52: it has stopped measuring (supply interrupted?)")
    vm.call("start", {})
    assert listen(vm, 2) == [WARMING] * 2


def test_an_error_that_the_part_reports_is_told(vm):
    begin(vm, [])
    vm.call("on_fixed", "c20000000000")
    with pytest.raises(VmError) as caught:
        vm.call("pending")
    assert caught.value.text == "ENS160 at 0x52: it reports an error, status 0xc2"


def test_a_part_without_anything_new_gives_no_sample(vm):
    warm(vm, [[1, 2, 403]] * 99)
    vm.call("fault", "silent")
    assert listen(vm, 5) == []
    vm.call("fault", "silent", False)
    assert listen(vm, 2) == [[1, 2, 403]] * 2


def test_takes_no_heap_per_sample(vm):
    assert vm.call("locked_burst", NAME, "820264009001", 1) == 1
    assert vm.call("bytes_allocated", NAME, "820264009001", 1, 50) == 0


def test_the_model_tells_adafruits_driver_its_firmware():
    assert adafruit([[1, 2, 400]])[2].firmware_version == "5.4.6"

"""SGP41: our driver on the VM and Adafruit's on CPython, both on the same command-level model."""

import pytest
from adafruit_sgp41 import sgp41 as adafruit_sgp41
from hypothesis import given, settings
from hypothesis import strategies as st

from motekit.sim.rom.bus import I2CBus
from motekit.sim.rom.chips.sgp41 import Sgp41
from tests.coprocess import VmError
from tests.oracle import BusioI2C, Clock, Rows

NAME = "sgp41"
WORD = st.integers(0, 65535)
SECOND = 1_000_000


def begin(vm, rows, options=None):
    vm.call("new", NAME, rows, True, options or {})
    return vm.call("start", options or {})


def ask(vm, n, every_us=SECOND):
    """Measure n times; a measurement itself takes 50 ms."""
    got = []
    for _ in range(n):
        vm.call("advance", every_us - 50_000)
        got += vm.call("measure")
    return got


def adafruit(rows):
    clock = adafruit_sgp41.time = Clock()
    bus = BusioI2C(I2CBus([(0x59, Sgp41(Rows(rows), clock.clock_us))]))
    clock.sleep(0.001)  # power-up
    return clock, bus, adafruit_sgp41.SGP41(bus)


@settings(deadline=None, max_examples=30)
@given(rows=st.lists(st.tuples(WORD, WORD), min_size=12, max_size=20))
def test_agrees_with_adafruits_driver(vm, rows):
    begin(vm, rows)
    ours = ask(vm, len(rows))
    _, _, sensor = adafruit(rows)
    theirs = [sensor.measure_raw() for _ in rows]
    assert theirs == rows
    assert [row[0] for row in ours] == [voc for voc, _ in theirs]
    assert ours[11:] == [list(row) for row in theirs[11:]]


def test_compensates_for_the_datasheets_defaults(vm):
    begin(vm, [[1, 2]] * 3)
    ask(vm, 1)
    assert vm.call("model_get", "compensation") == [0x8000, 0x6666]
    _, bus, sensor = adafruit([[1, 2]] * 3)
    sensor.measure_raw()
    assert bus._bus._models[0x59].compensation == (0x8000, 0x6666)


@settings(deadline=None, max_examples=50)
@given(temperature=st.integers(-20, 55), humidity=st.integers(0, 100))
def test_both_drivers_compensate_for_the_same(vm, temperature, humidity):
    begin(vm, [[1, 2]], {"temperature_cel": temperature, "humidity_percent": humidity})
    ask(vm, 1)
    _, bus, sensor = adafruit([[1, 2]])
    sensor.measure_raw(humidity, temperature)
    theirs = bus._bus._models[0x59].compensation
    assert vm.call("model_get", "compensation") == list(theirs)


@pytest.mark.parametrize("at", range(6))
def test_any_wrong_bit_is_refused_by_both_drivers(vm, at):
    for mask in (1 << bit for bit in range(8)):
        begin(vm, [[0xBEEF, 0x1234]] * 2)
        vm.call("flip", at, mask)
        with pytest.raises(VmError) as caught:
            vm.call("measure")
        assert caught.value.kind == "SensorError"
        assert f"CRC of word {at // 3}" in caught.value.text
        assert vm.call("get", "bad") == 1
        assert vm.call("rows") == []
        _, bus, sensor = adafruit([[0xBEEF, 0x1234]])
        bus.flip = (at, mask)
        with pytest.raises(RuntimeError, match="CRC"):
            sensor.measure_raw()


def test_nox_is_invalid_until_it_is_conditioned(vm):
    rows = [[i, 100 + i] for i in range(1, 15)]
    begin(vm, rows)
    got = ask(vm, 14)
    assert [row[0] for row in got] == list(range(1, 15))
    assert [row[1] for row in got] == [None] * 10 + [111, 112, 113, 114]


def test_conditioning_lasts_nearly_ten_seconds_and_never_more(vm):
    begin(vm, [[1, 2]] * 30)
    ask(vm, 30)
    assert 8_900_000 <= vm.call("model_get", "conditioned_us") <= 10_000_000
    for _ in range(3):
        begin(vm, [[1, 2]] * 30)
        ask(vm, 5)
        vm.call("start", {})
        ask(vm, 25)
        assert vm.call("model_get", "conditioned_us") <= 10_000_000


@pytest.mark.parametrize("seconds", [2, 10, 3600])
def test_there_is_no_conditioning_where_measurements_are_far_apart(vm, seconds):
    begin(vm, [[1, 2]] * 5)
    assert ask(vm, 5, seconds * SECOND) == [[1, None]] + [[1, 2]] * 4
    assert vm.call("model_get", "conditioned_us") == 0


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(0.1, 5), min_size=3, max_size=40))
def test_conditioning_ends_in_time_however_irregular_the_measurements(vm, waits):
    begin(vm, [[1, 2]] * 50)
    for wait in waits:
        ask(vm, 1, round(wait * SECOND))
    vm.call("stop")
    # The last command's goes on until the next, 5 s later at most.
    assert vm.call("model_get", "conditioned_us") <= 15_000_000


def test_waits_for_a_measurement_that_takes_longer(vm):
    begin(vm, [[1, 2]] * 3)
    assert vm.call("measure_early", 46) == [[1, None]]
    with pytest.raises(VmError) as caught:
        vm.call("measure_early", 40)
    assert caught.value.kind == "OSError"


def test_both_read_the_same_serial_number(vm):
    begin(vm, [])
    words = adafruit([[0, 0]])[2].serial_number
    assert bytes(vm.call("serial")) == b"".join(word.to_bytes(2, "big") for word in words)


def test_stop_turns_the_heater_off(vm):
    begin(vm, [[1, 2]] * 3)
    ask(vm, 1)
    assert vm.call("model_get", "heating")
    vm.call("stop")
    assert not vm.call("model_get", "heating")


def test_a_part_that_lost_its_supply_goes_on_when_it_is_asked(vm):
    begin(vm, [[1, 2]] * 30)
    ask(vm, 12)
    vm.call("fault", "brownout")
    assert ask(vm, 1) == [[1, 2]]


def test_another_part_at_the_address_is_told(vm):
    vm.call("new", NAME, [], True, {})
    vm.call("fault", "wrong_id")
    with pytest.raises(VmError, match="SGP41 at 0x59: CRC of word 0 is 0x00, expected 0x81"):
        vm.call("start", {})


def test_takes_no_heap_per_sample(vm):
    assert vm.call("locked_burst", NAME, "000081000081", 8) == 8
    assert vm.call("bytes_allocated", NAME, "000081000081", 8, 50) == 0


def test_the_model_passes_its_self_test():
    clock, _, sensor = adafruit([[1, 2]])
    assert sensor.self_test_passed
    assert clock.now_us > 320_000
    sensor.conditioning()
    sensor.heater_off()

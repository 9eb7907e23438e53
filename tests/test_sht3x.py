"""SHT3x and GXHT30: our drivers on the VM, Adafruit's on CPython, on the same model."""

import adafruit_sht31d
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motekit.sim.rom.bus import I2CBus
from motekit.sim.rom.chips.sht3x import Sht3x
from tests.coprocess import VmError
from tests.like_parts import raw_words_come_through, refuses_any_wrong_bit
from tests.oracle import BusioI2C, Clock, Rows, physical

WORD = st.integers(0, 65535)
PRECISIONS = {"high": "High", "medium": "Medium", "low": "Low"}
PERIODIC = ("2032", "2024", "202f", "2130", "2126", "212d", "2236", "2220", "222b")
PERIODIC_FAST = ("2334", "2322", "2329", "2737", "2721", "272a")


@pytest.fixture(params=("sht3x", "gxht30"))
def name(request):
    return request.param


def begin(vm, rows, options=None, raw=True, name="sht3x"):
    vm.call("new", name, rows, raw, options or {})
    return vm.call("start", options or {})


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(st.tuples(WORD, WORD), min_size=1, max_size=20))
def test_raw_words_come_through_untouched(vm, rows):
    raw_words_come_through(vm, begin, rows)


def test_the_ends_of_the_range(vm, name):
    """Datasheet v5, 4.13: 0 and 2^16 - 1 are -45 and 130 Cel, 0 and 100 %RH."""
    begin(vm, [[0, 0], [65535, 65535]], name=name)
    assert [physical("sht3x", row) for row in vm.call("measure_all")] == [
        pytest.approx((-45, 0)),
        pytest.approx((130, 100)),
    ]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_waits_as_long_as_the_precision_takes(vm, precision):
    begin(vm, [[1, 2]] * 3, {"precision": precision})
    assert vm.call("measure_all") == [[1, 2]] * 3


def test_a_part_that_still_measures_is_waited_for(vm):
    begin(vm, [[5, 6]])
    assert vm.call("measure_early", 13) == [[5, 6]]


def test_a_part_read_far_too_early_is_an_os_error(vm):
    begin(vm, [[5, 6]])
    with pytest.raises(VmError) as caught:
        vm.call("measure_early", 2)
    assert caught.value.kind == "OSError"


def test_refuses_an_unknown_precision(vm):
    with pytest.raises(VmError) as caught:
        begin(vm, [], {"precision": "ultra"})
    assert caught.value.text == "precision: 'ultra' is not one of high, medium, low"


@pytest.mark.parametrize("command", [*PERIODIC, *PERIODIC_FAST])
def test_periodic_mode_that_another_program_left_on_is_ended_by_start(vm, command):
    begin(vm, [[1, 2]] * 3)
    vm.call("write", command)
    assert vm.call("model_get", "periodic")
    vm.call("start", {})
    assert not vm.call("model_get", "periodic")
    assert vm.call("measure") == [[1, 2]]


@pytest.mark.parametrize("end", ["start", "stop"])
def test_a_heater_that_another_program_left_on_is_ended(vm, name, end):
    begin(vm, [[1, 2]] * 3, name=name)
    vm.call("write", "306d")
    assert vm.call("model_get", "heating")
    vm.call(end, *([{}] if end == "start" else []))
    assert not vm.call("model_get", "heating")


def test_stop_during_a_measurement_waits_for_its_end(vm):
    begin(vm, [[1, 2]] * 3)
    vm.call("write", "306d")
    vm.call("advance", 1000)
    vm.call("write", "2400")
    vm.call("stop")
    assert not vm.call("model_get", "heating")


def test_a_heater_that_stays_on_is_an_error(vm):
    begin(vm, [[1, 2]] * 3)
    vm.call("write", "306d")
    vm.call("fault", "hot")
    vm.call("advance", 1000)
    with pytest.raises(VmError) as caught:
        vm.call("start", {})
    assert caught.value.text == "SHT3x at 0x44: its heater does not go off"


def test_the_driver_never_heats(vm, name):
    begin(vm, [[1, 2]] * 10, name=name)
    vm.call("measure_all")
    vm.call("stop")
    assert vm.call("model_get", "heated") == 0


def test_after_a_brownout_it_goes_on(vm):
    begin(vm, [[1, 2]] * 3)
    vm.call("fault", "brownout")
    with pytest.raises(VmError) as caught:
        vm.call("measure")
    assert caught.value.kind == "OSError"
    vm.call("advance", 2000)
    assert vm.call("measure") == [[1, 2]]


@pytest.mark.parametrize("at", range(6))
def test_any_wrong_bit_is_refused_by_both_drivers(vm, at):
    refuses_any_wrong_bit(vm, begin, at, adafruit, "temperature")


@pytest.mark.parametrize("at", range(3))
def test_any_wrong_bit_of_the_status_is_refused(vm, at):
    for mask in (1 << bit for bit in range(8)):
        vm.call("new", "sht3x", [], True, {})
        vm.call("flip", at, mask)
        with pytest.raises(VmError) as caught:
            vm.call("start", {})
        assert "CRC of word 0" in caught.value.text


def test_another_part_at_the_address_is_told(vm, name):
    vm.call("new", name, [], True, {})
    vm.call("fault", "wrong_id")
    with pytest.raises(VmError) as caught:
        vm.call("start", {})
    part = {"sht3x": "SHT3x", "gxht30": "GXHT30"}[name]
    assert caught.value.text.startswith(f"{part} at 0x44: CRC of word 0 is 0x00, expected 0x81")


def test_takes_no_heap_per_sample(vm, name):
    assert vm.call("locked_burst", name, "000081000081", 8) == 8
    assert vm.call("bytes_allocated", name, "000081000081", 8, 50) == 0


def adafruit(clock, rows, raw=True):
    adafruit_sht31d.time = clock
    bus = BusioI2C(I2CBus([(0x44, Sht3x(Rows(rows, raw), clock.clock_us))]))
    clock.sleep(0.002)  # power-up
    return bus, adafruit_sht31d.SHT31D(bus)


@settings(deadline=None, max_examples=30)
@given(
    rows=st.lists(st.tuples(st.floats(-45, 130), st.floats(0, 100)), min_size=1, max_size=10),
    precision=st.sampled_from(sorted(PRECISIONS)),
)
def test_agrees_with_adafruits_driver_over_the_whole_range(vm, rows, precision):
    begin(vm, rows, {"precision": precision}, raw=False)
    clock = Clock()
    # Adafruit's measures anew for each of the two values
    _, sensor = adafruit(clock, [row for row in rows for _ in range(2)], raw=False)
    sensor.repeatability = PRECISIONS[precision]
    for ours, seen in zip(vm.call("measure_all"), rows, strict=True):
        theirs = sensor.temperature, sensor.relative_humidity
        if None in ours:
            continue
        assert physical("sht3x", ours) == pytest.approx(theirs, abs=1e-9)
        assert physical("sht3x", ours) == pytest.approx(seen, abs=0.51 * 175 / 65535)


def test_adafruits_driver_sees_the_model_reset_and_heat(vm):
    _, sensor = adafruit(Clock(), [[0, 0]])
    assert sensor.status == 0x8010
    sensor.heater = True
    assert sensor.heater
    sensor.heater = False
    assert not sensor.heater

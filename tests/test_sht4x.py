"""SHT4x: our driver on the VM and Adafruit's on CPython, both on the same command-level model."""

import adafruit_sht4x
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motefw import drivers
from motekit.sim.rom.bus import I2CBus
from motekit.sim.rom.chips.sht4x import Sht4x
from tests.coprocess import VmError
from tests.like_parts import raw_words_come_through, refuses_any_wrong_bit
from tests.oracle import BusioI2C, Clock, Rows

NAME = "sht4x"
WORD = st.integers(0, 65535)
PRECISIONS = {"high": (0xFD, 8300), "medium": (0xF6, 4500), "low": (0xE0, 1600)}


def begin(vm, rows, options=None, raw=True):
    vm.call("new", NAME, rows, raw, options or {})
    return vm.call("start", options or {})


def physical(row):
    return -45 + 175 * row[0] / 65535, -6 + 125 * row[1] / 65535


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(st.tuples(WORD, WORD), min_size=1, max_size=20))
def test_raw_words_come_through_untouched(vm, rows):
    raw_words_come_through(vm, begin, rows)


def test_the_worked_example(vm):
    begin(vm, [[0x6434, 0x69AC]])
    assert [v for row in vm.call("measure_all") for v in physical(row)] == pytest.approx(
        [23.4993, 45.5984], abs=1e-4
    )


def test_the_channel_table_is_the_datasheets_formula():
    for word in (0, 1, 0x6434, 65535):
        values = [word * scale + offset for _, _, scale, offset in drivers.load(NAME).CHANNELS]
        assert values == pytest.approx(physical((word, word)), abs=1e-9)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_waits_as_long_as_the_precision_takes(vm, precision):
    begin(vm, [[1, 2]] * 3, {"precision": precision})
    assert vm.call("measure_all") == [[1, 2]] * 3


def test_a_second_apart_unless_told_otherwise(vm):
    assert begin(vm, []) == 1_000_000


def test_refuses_an_unknown_precision(vm):
    with pytest.raises(VmError) as caught:
        begin(vm, [], {"precision": "ultra"})
    assert caught.value.kind == "ConfigError"
    assert caught.value.text == "precision: 'ultra' is not one of high, medium, low"


def test_there_is_no_heater_to_ask_for(vm):
    with pytest.raises(VmError) as caught:
        begin(vm, [], {"heater": "high"})
    assert caught.value.text == "heater: unknown option, known are: precision"


def test_reads_the_serial_number(vm):
    begin(vm, [])
    assert vm.call("get", "serial") == 0x0F4A2C11


@pytest.mark.parametrize("command", ["39", "2f", "1e", "32", "24", "15"])
def test_a_heater_that_another_program_left_on_is_ended_by_start(vm, command):
    begin(vm, [[1, 2]] * 3)
    vm.call("write", command)
    assert vm.call("model_get", "heating")
    vm.call("start", {})
    assert not vm.call("model_get", "heating")
    assert vm.call("measure") == [[1, 2]]


def test_stop_ends_heater_and_measurement(vm):
    begin(vm, [[1, 2]] * 3)
    vm.call("write", "39")
    vm.call("stop")
    assert not vm.call("model_get", "heating")


def test_the_driver_never_heats(vm):
    begin(vm, [[1, 2]] * 10)
    vm.call("measure_all")
    vm.call("stop")
    assert vm.call("model_get", "heated_us") == 0


def test_a_part_that_still_measures_is_waited_for(vm):
    begin(vm, [[5, 6]])
    assert vm.call("measure_early", 6) == [[5, 6]]


def test_a_part_that_never_finishes_is_an_os_error(vm):
    begin(vm, [[5, 6]])
    vm.call("fault", "nack")
    with pytest.raises(VmError) as caught:
        vm.call("measure")
    assert caught.value.kind == "OSError"
    vm.call("fault", "nack", False)
    vm.call("start", {})
    assert vm.call("measure") == [[5, 6]]


@pytest.mark.parametrize("at", range(6))
def test_any_wrong_bit_is_refused_by_both_drivers(vm, at):
    refuses_any_wrong_bit(vm, begin, at, adafruit, "measurements")


def test_another_part_at_the_address_is_told(vm):
    vm.call("new", NAME, [], True, {})
    vm.call("fault", "wrong_id")
    with pytest.raises(VmError) as caught:
        vm.call("start", {})
    assert caught.value.kind == "SensorError"
    assert caught.value.text.startswith("SHT4x at 0x44: CRC of word 0 is 0x00, expected 0x81")


def test_a_recording_that_ends_is_a_part_that_is_silent(vm):
    begin(vm, [[1, 2]])
    assert vm.call("measure") == [[1, 2]]
    with pytest.raises(VmError) as caught:
        vm.call("measure")
    assert caught.value.kind == "OSError"


def test_takes_no_heap_per_sample(vm):
    assert vm.call("locked_burst", NAME, "000081000081", 8) == 8
    assert vm.call("bytes_allocated", NAME, "000081000081", 8, 50) == 0


def adafruit(clock, rows, raw=True):
    adafruit_sht4x.time = clock
    bus = BusioI2C(I2CBus([(0x44, Sht4x(Rows(rows, raw), clock.clock_us))]))
    clock.sleep(0.001)  # power-up
    return bus, adafruit_sht4x.SHT4x(bus)


@settings(deadline=None, max_examples=30)
@given(
    rows=st.lists(st.tuples(st.floats(-45, 130), st.floats(-6, 119)), min_size=1, max_size=10),
    precision=st.sampled_from(sorted(PRECISIONS)),
)
def test_agrees_with_adafruits_driver_over_the_whole_range(vm, rows, precision):
    """Adafruit's cuts humidity to 0..100 %RH; ours does not."""
    begin(vm, rows, {"precision": precision}, raw=False)
    clock = Clock()
    _, sensor = adafruit(clock, rows, raw=False)
    sensor.mode = PRECISIONS[precision][0]
    for ours, seen in zip(vm.call("measure_all"), rows, strict=True):
        temperature, humidity = sensor.measurements
        if None in ours:
            continue
        assert physical(ours)[0] == pytest.approx(temperature, abs=1e-9)
        assert max(0, min(100, physical(ours)[1])) == pytest.approx(humidity, abs=1e-9)
        assert physical(ours) == pytest.approx(seen, abs=0.51 * 175 / 65535)


def test_both_read_the_same_serial_number(vm):
    begin(vm, [])
    _, sensor = adafruit(Clock(), [[0, 0]])
    assert sensor.serial_number == vm.call("get", "serial")

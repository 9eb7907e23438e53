"""AHT20: our driver on the VM and Adafruit's on CPython, both on the same model."""

import adafruit_ahtx0
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motekit.sim.rom.bus import I2CBus
from motekit.sim.rom.chips.aht20 import Aht20
from tests.coprocess import VmError
from tests.oracle import BusioI2C, Clock, Rows, physical

NAME = "aht20"
WORD = st.integers(0, 65535)


def begin(vm, rows, raw=True):
    vm.call("new", NAME, rows, raw, {})
    return vm.call("start", {})


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(st.tuples(WORD, WORD), min_size=1, max_size=20))
def test_the_upper_16_bits_come_through(vm, rows):
    begin(vm, rows)
    assert vm.call("measure_all") == [list(row) for row in rows]


def test_a_worked_example(vm):
    """AHT20 datasheet, 6.1 and 6.2: RH = S / 2^20 * 100, T = S / 2^20 * 200 - 50."""
    assert vm.call("fixed_sample", NAME, "1874ea45e147a0") == [[0x5E14, 0x74EA]]
    assert physical(NAME, [0x5E14, 0x74EA]) == pytest.approx((23.4999, 45.6699), abs=0.0031)


def test_has_no_options(vm):
    vm.call("new", NAME, [], True, {})
    with pytest.raises(VmError) as caught:
        vm.call("start", {"precision": "high"})
    assert caught.value.text == "precision: unknown option, known are: none"


def test_a_part_that_lost_its_calibration_loads_it_again(vm):
    begin(vm, [[1, 2]] * 4)
    vm.call("fault", "brownout")
    with pytest.raises(VmError) as caught:
        vm.call("measure")
    assert caught.value.kind == "OSError"  # still powering up
    vm.call("advance", 20_000)
    with pytest.raises(VmError) as caught:
        vm.call("measure")
    assert caught.value.text == "AHT20 at 0x38: status is 0x10: still busy, or reset meanwhile"
    vm.call("start", {})
    assert vm.call("measure") == [[1, 2]]


def test_a_part_that_still_measures_is_waited_for(vm):
    begin(vm, [[5, 6]])
    assert vm.call("measure_early", 73) == [[5, 6]]


def test_a_part_that_never_finishes_is_an_error_and_gives_no_old_value(vm):
    begin(vm, [[5, 6], [7, 8]])
    assert vm.call("measure") == [[5, 6]]
    vm.call("fault", "slow")
    with pytest.raises(VmError) as caught:
        vm.call("measure")
    assert caught.value.text == "AHT20 at 0x38: status is 0x98: still busy, or reset meanwhile"
    assert vm.call("rows") == []


def test_another_part_at_the_address_is_told(vm):
    vm.call("new", NAME, [], True, {})
    vm.call("fault", "wrong_id")
    with pytest.raises(VmError) as caught:
        vm.call("start", {})
    assert caught.value.text.startswith("AHT20 at 0x38: status is 0x00, not idle and calibrated")


@pytest.mark.parametrize("at", range(7))
def test_any_wrong_bit_is_refused(vm, at):
    """Adafruit's driver does not look at the CRC."""
    for mask in (1 << bit for bit in range(8)):
        begin(vm, [[0xBEEF, 0x1234]])
        vm.call("flip", at, mask)
        with pytest.raises(VmError) as caught:
            vm.call("measure")
        assert caught.value.kind == "SensorError"
        assert "CRC is 0x" in caught.value.text
        assert vm.call("get", "bad") == 1
        assert vm.call("rows") == []


def test_what_an_aht10_says_is_refused(vm):
    with pytest.raises(VmError) as caught:
        vm.call("fixed_sample", NAME, "1874ea45e147ff")
    assert "or an AHT10?" in caught.value.text


def test_takes_no_heap_per_sample(vm):
    assert vm.call("locked_burst", NAME, "1874ea45e147a0", 8) == 8
    assert vm.call("bytes_allocated", NAME, "1874ea45e147a0", 8, 50) == 0


@settings(deadline=None, max_examples=30)
@given(
    rows=st.lists(st.tuples(st.floats(-50, 149.99), st.floats(0, 99.99)), min_size=1, max_size=10)
)
def test_agrees_with_adafruits_driver_over_the_whole_range(vm, rows):
    begin(vm, rows, raw=False)
    clock = Clock()
    adafruit_ahtx0.time = clock
    model = Aht20(Rows([row for row in rows for _ in range(2)], raw=False), clock.clock_us)
    sensor = adafruit_ahtx0.AHTx0(BusioI2C(I2CBus([(0x38, model)])))
    for ours, seen in zip(vm.call("measure_all"), rows, strict=True):
        theirs = sensor.temperature, sensor.relative_humidity
        assert 0 <= theirs[0] - physical(NAME, ours)[0] < 200 / 65536
        assert 0 <= theirs[1] - physical(NAME, ours)[1] < 100 / 65536
        assert theirs == pytest.approx(seen, abs=2e-4)

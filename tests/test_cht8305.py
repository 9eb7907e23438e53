"""CHT8305: our driver on its register-level model; there is no independent driver in Python."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.coprocess import VmError
from tests.oracle import physical

NAME = "cht8305"
WORD = st.integers(0, 16383)


def begin(vm, rows, raw=True):
    vm.call("new", NAME, rows, raw, {})
    return vm.call("start", {})


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(st.tuples(WORD, WORD), min_size=1, max_size=20))
def test_14_bits_come_through(vm, rows):
    begin(vm, rows)
    assert vm.call("measure_all") == [list(row) for row in rows]


@settings(deadline=None, max_examples=40)
@given(
    rows=st.lists(st.tuples(st.floats(-40, 125), st.floats(0, 100)), min_size=1, max_size=20),
)
def test_values_are_the_datasheets_formula_over_the_whole_range(vm, rows):
    begin(vm, rows, raw=False)
    for ours, seen in zip(vm.call("measure_all"), rows, strict=True):
        assert physical(NAME, ours)[0] == pytest.approx(seen[0], abs=4 * 165 / 65535)
        assert physical(NAME, ours)[1] == pytest.approx(seen[1], abs=4 * 100 / 65535)


def test_a_worked_example(vm):
    """T = 165 w / 65535 - 40, RH = 100 w / 65535: 0x6430 and 0x8000."""
    assert vm.call("fixed_sample", NAME, "64308000") == [[0x190C, 0x2000]]
    assert physical(NAME, [0x190C, 0x2000]) == pytest.approx((24.5750, 50.0008), abs=1e-4)


def test_has_no_options(vm):
    vm.call("new", NAME, [], True, {})
    with pytest.raises(VmError) as caught:
        vm.call("start", {"heater": True})
    assert caught.value.text == "heater: unknown option, known are: none"


def test_another_makers_part_is_told(vm):
    vm.call("new", NAME, [], True, {})
    vm.call("fault", "wrong_id")
    with pytest.raises(VmError) as caught:
        vm.call("start", {})
    assert caught.value.text == (
        "CHT8305 at 0x40: maker is 0x5449, expected 0x5959 (wrong chip or address?)"
    )


@pytest.mark.parametrize("end", ["start", "stop"])
def test_what_another_program_left_on_is_ended(vm, end):
    """Heater on, clock stretching, one value at a time, the lowest resolutions."""
    begin(vm, [[1, 2]] * 3)
    vm.call("write", "026600")
    assert vm.call("model_get", "heating")
    vm.call(end, *([{}] if end == "start" else []))
    assert not vm.call("model_get", "heating")
    assert vm.call("model_get", "config") == 0x1000
    assert vm.call("measure") == [[1, 2]]


def test_the_driver_never_heats(vm):
    begin(vm, [[1, 2]] * 10)
    vm.call("measure_all")
    vm.call("stop")
    assert vm.call("model_get", "heated") == 0


def test_a_part_that_still_measures_does_not_answer(vm):
    begin(vm, [[5, 6]])
    with pytest.raises(VmError) as caught:
        vm.call("measure_early", 12)
    assert caught.value.kind == "OSError"


def test_a_slow_part_is_waited_for(vm):
    """Zephyr's driver waits 23 ms for a CHT8305C, as the maker's own does more than 20."""
    begin(vm, [[5, 6]])
    vm.call("fault", "slow")
    assert vm.call("measure") == [[5, 6]]


def test_a_brownout_changes_nothing_that_is_needed(vm):
    begin(vm, [[5, 6]] * 2)
    vm.call("fault", "brownout")
    vm.call("advance", 5000)
    assert vm.call("measure") == [[5, 6]]


def test_takes_no_heap_per_sample(vm):
    assert vm.call("locked_burst", NAME, "64308000", 8) == 8
    assert vm.call("bytes_allocated", NAME, "64308000", 8, 50) == 0

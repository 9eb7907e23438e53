"""PMSA003I: our driver on the VM and Adafruit's on CPython, both on the same frame-level model."""

import pytest
from adafruit_pm25 import i2c as adafruit_i2c
from hypothesis import given, settings
from hypothesis import strategies as st

from motefw import drivers
from motekit.sim.rom.bus import I2CBus
from motekit.sim.rom.chips.pmsa003i import Pmsa003i
from tests.coprocess import VmError
from tests.like_parts import particle_row
from tests.oracle import BusioI2C, Clock, Rows

NAME = "pmsa003i"
EXAMPLE = "424D001C0007000C000F0007000C000F0384012C003C00080002000197000281"
EXAMPLE_ROW = [7, 12, 15, 7, 12, 15, 900, 300, 60, 8, 2, 1]
ROW = st.lists(st.integers(0, 65535), min_size=12, max_size=12)
WARMING = [None] * 12
SECOND = 1_000_000


def begin(vm, rows, options=None):
    options = {"warmup_s": 0, **(options or {})}
    vm.call("new", NAME, rows, True, options)
    return vm.call("start", options)


def ask(vm, n):
    got = []
    for _ in range(n):
        vm.call("advance", SECOND)
        got += vm.call("measure")
    return got


def adafruit(rows):
    clock = adafruit_i2c.time = Clock()
    model = Pmsa003i(Rows(rows), clock.clock_us, {"warmup_s": 0})
    clock.sleep(1)  # power-up and its first frame
    bus = BusioI2C(I2CBus([(0x12, model)]))
    return clock, bus, adafruit_i2c.PM25_I2C(bus)


def test_the_channels_are_a_pms5003s():
    assert drivers.load(NAME).CHANNELS == drivers.load("pms5003").CHANNELS


def test_the_example_frame(vm):
    assert vm.call("fixed_sample", NAME, EXAMPLE) == [EXAMPLE_ROW]


@settings(deadline=None, max_examples=30)
@given(rows=st.lists(ROW, min_size=1, max_size=6))
def test_agrees_with_adafruits_driver_over_the_whole_range(vm, rows):
    begin(vm, rows)
    assert ask(vm, len(rows)) == rows
    clock, _, sensor = adafruit(rows)
    for row in rows:
        assert particle_row(sensor.read()) == row
        clock.sleep(1)


@pytest.mark.parametrize("at", range(32))
def test_any_wrong_byte_is_refused_by_both_drivers(vm, at):
    for mask in (0x01, 0x80, 0xFF):
        begin(vm, [EXAMPLE_ROW] * 3)
        vm.call("advance", SECOND)
        vm.call("flip", at, mask)
        with pytest.raises(VmError) as caught:
            vm.call("measure")
        assert caught.value.kind == "SensorError"
        why = "(another part?)" if at < 4 else "the sum of its frame is wrong"
        assert why in caught.value.text
        assert vm.call("get", "bad") == (at >= 4)
        assert vm.call("rows") == []
        _, bus, sensor = adafruit([EXAMPLE_ROW])
        bus.flip = (at, mask)
        with pytest.raises(RuntimeError, match=r"header|length|checksum|start of frame"):
            sensor.read()


def test_marks_the_warm_up_as_invalid(vm):
    begin(vm, [EXAMPLE_ROW] * 9, {"warmup_s": 30})
    assert ask(vm, 32) == [WARMING] * 29 + [EXAMPLE_ROW] * 3


def test_marks_a_payload_of_zeros_as_invalid_but_not_clean_air(vm):
    begin(vm, [[0] * 12] * 9)
    assert ask(vm, 1) == [[0] * 12]
    vm.call("model_do", "power_cycle")
    vm.call("model_set", "_warm_us", 1 << 60)
    assert ask(vm, 1) == [WARMING]


def test_the_latest_frame_is_read_again_until_there_is_another(vm):
    begin(vm, [[i] * 12 for i in range(1, 9)])
    assert [row[0] for row in ask(vm, 1) + vm.call("measure") + ask(vm, 2)] == [1, 1, 2, 3]


def test_a_part_that_is_not_up_yet_does_not_answer(vm):
    begin(vm, [EXAMPLE_ROW] * 9)
    vm.call("fault", "brownout")
    with pytest.raises(VmError) as caught:
        vm.call("start", {})
    assert caught.value.kind == "OSError"


def test_another_part_at_the_address_is_told(vm):
    vm.call("new", NAME, [], True, {})
    vm.call("fault", "wrong_id")
    with pytest.raises(VmError) as caught:
        vm.call("start", {})
    assert caught.value.text == (
        "PMSA003I at 0x12: no frame of 32 bytes is what it says (another part?)"
    )


def test_a_wrong_sum_is_told(vm):
    begin(vm, [EXAMPLE_ROW] * 9)
    vm.call("advance", SECOND)
    vm.call("fault", "bad_sum")
    with pytest.raises(VmError, match="PMSA003I at 0x12: the sum of its frame is wrong"):
        vm.call("measure")
    vm.call("fault", "bad_sum", False)
    assert vm.call("measure") == [EXAMPLE_ROW]


def test_takes_no_heap_per_sample(vm):
    assert vm.call("locked_burst", NAME, EXAMPLE, 8) == 8
    assert vm.call("bytes_allocated", NAME, EXAMPLE, 8, 50) == 0

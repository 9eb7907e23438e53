"""Registers as class attributes: on VMs, whose descriptors get no `__set_name__`, and CPython."""

import importlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.coprocess import CoProcess, VmError


class Here:
    """The same calls in this interpreter."""

    def __init__(self):
        self._bed = importlib.import_module("tests.on_vm.register_bed")

    def call(self, name, *args):
        try:
            return getattr(self._bed, name)(*args)
        except Exception as error:
            raise VmError(type(error).__name__, str(error), "") from error


@pytest.fixture(scope="module", params=(32, 64, "cpython"))
def vm(request):
    if request.param == "cpython":
        yield Here()
    else:
        with CoProcess(request.param, "register_bed") as process:
            yield process


@pytest.fixture(autouse=True)
def devices(vm):
    vm.call("new")


def test_reads_what_struct_says(vm):
    vm.call("poke", "e5ff123401000080ff7f")
    assert vm.call("get", "ident") == 0xE5
    assert vm.call("get", "signed") == -1
    assert vm.call("get", "word") == 0x1234
    assert vm.call("get", "axes") == [1, -32768, 32767]


def test_writes_integers_and_bursts(vm):
    vm.call("put", "word", 0xBEEF)
    vm.call("put", "axes", [-1, 2, -32768])
    assert [vm.call("peek", r) for r in range(2, 10)] == [0xBE, 0xEF, 255, 255, 2, 0, 0, 128]
    assert vm.call("get", "axes") == [-1, 2, -32768]


@pytest.mark.parametrize(("name", "value"), [("ident", 256), ("ident", -1), ("word", 65536)])
def test_refuses_what_does_not_fit(vm, name, value):
    with pytest.raises(VmError) as caught:
        vm.call("put", name, value)
    if not isinstance(vm, Here):  # CPython's `pack` refuses by itself
        assert caught.value.kind == "ConfigError"
        assert f"{value} does not fit" in caught.value.text
    assert vm.call("peek", 0) == vm.call("peek", 2) == 0


@settings(deadline=None)
@given(before=st.integers(0, 255), value=st.integers(0, 7))
def test_bits_leave_their_neighbours_alone(vm, before, value):
    vm.call("poke", f"{before:02x}", 0x10)
    vm.call("put", "field", value)
    assert vm.call("peek", 0x10) == before & 0b10001111 | value << 4
    assert vm.call("get", "field") == value
    vm.call("put", "flag", value & 1)
    assert vm.call("peek", 0x10) == before & 0b10000111 | value << 4 | (value & 1) << 3


def test_codes_are_physical_values(vm):
    vm.call("poke", "ff", 0x11)
    for value, code in ((2, 0), (4, 1), (8, 3)):
        vm.call("put", "range_g", value)
        assert vm.call("peek", 0x11) == 0xF3 | code << 2
        assert vm.call("get", "range_g") == value


def test_says_what_a_field_can_hold(vm):
    with pytest.raises(VmError) as caught:
        vm.call("put", "range_g", 5)
    assert caught.value.kind == "ConfigError"
    assert caught.value.text == "register 0x11: 5 is not one of 2, 4, 8"
    with pytest.raises(VmError) as caught:
        vm.call("put", "field", 8)
    assert caught.value.text == "register 0x10: 8 is not 0 to 7"


def test_a_code_that_stands_for_nothing_is_the_sensors_fault(vm):
    vm.call("poke", "08", 0x11)
    with pytest.raises(VmError) as caught:
        vm.call("get", "range_g")
    assert caught.value.kind == "SensorError"
    assert caught.value.text == "register 0x11: code 2 stands for no known value"


def test_devices_of_a_class_share_nothing(vm):
    vm.call("put", "extra", 1)
    vm.call("put", "word", 7)
    assert vm.call("peek", 0x12) == 1
    assert vm.call("peek", 0x12, 1) == vm.call("peek", 3, 1) == 0


def test_the_class_itself_gives_the_register(vm):
    assert list(vm.call("on_the_class")) == ["Bits", 2]


def test_an_absent_part_is_an_os_error(vm):
    vm.call("new", 0x43)
    with pytest.raises(VmError) as caught:
        vm.call("get", "ident")
    assert caught.value.kind == "OSError"

"""DS18B20: our driver on the VM and Adafruit's on CPython, on the same bit-level model."""

import adafruit_ds18x20
import pytest
from adafruit_onewire import bus as adafruit_bus
from hypothesis import given, settings
from hypothesis import strategies as st

from motekit.sim.rom.chips.ds18b20 import Ds18b20, crc8
from motekit.sim.rom.onewire import OneWire
from tests.coprocess import VmError
from tests.oracle import Clock, Rows, physical

NAME = "ds18b20"
RAW = st.integers(-880, 2000)
SERIAL = st.integers(1, (1 << 48) - 1)
RESOLUTIONS = {9: 94, 10: 188, 11: 375, 12: 750}
# Datasheet, Table 1 "Temperature/data relationship"
TABLE = {
    125: 0x07D0,
    85: 0x0550,
    25.0625: 0x0191,
    10.125: 0x00A2,
    0.5: 0x0008,
    0: 0x0000,
    -0.5: 0xFFF8,
    -10.125: 0xFF5E,
    -25.0625: 0xFE6F,
    -55: 0xFC90,
}


def begin(vm, rows, options=None, raw=True):
    vm.call("new", NAME, rows, raw, options or {})
    return vm.call("start", options or {})


def refusal(vm, *args):
    with pytest.raises(VmError) as caught:
        vm.call(*args)
    return caught.value


@settings(deadline=None, max_examples=25)
@given(rows=st.lists(st.tuples(RAW), min_size=1, max_size=10))
def test_raw_values_come_through(vm, rows):
    begin(vm, rows)
    assert vm.call("measure_all") == [list(row) for row in rows]


@pytest.mark.parametrize("celsius", TABLE)
def test_the_datasheets_table(vm, celsius):
    """85 Cel, what a part says before any measurement, is a temperature like others after one."""
    begin(vm, [[celsius]], raw=False)
    (row,) = vm.call("measure")
    assert row[0] & 0xFFFF == TABLE[celsius]
    assert physical(NAME, row) == (celsius,)


@pytest.mark.parametrize("bits", RESOLUTIONS)
def test_resolution_and_its_time(vm, bits):
    step = 1 << 12 - bits
    begin(vm, [[100], [101], [-101], [555]], {"resolution_bits": bits})
    expected = [[raw // step * step] for raw in (100, 101, -101)]
    assert [vm.call("measure")[0] for _ in range(3)] == expected
    assert vm.call("measure_early", RESOLUTIONS[bits] - 1) == expected[-1:]  # the one before
    assert RESOLUTIONS[bits] <= vm.call("wait_ms") <= RESOLUTIONS[bits] + 2


@pytest.mark.parametrize("bits", [8, 13])
def test_refuses_another_resolution(vm, bits):
    error = refusal(vm, "start", {"resolution_bits": bits})
    assert error.text == f"resolution_bits: {bits} is not 9 to 12"


def test_a_loss_of_supply_is_noticed_and_no_85_degrees_told(vm):
    begin(vm, [[100]] * 9)
    vm.call("measure")
    vm.call("fault", "brownout")
    error = refusal(vm, "measure")
    assert error.text == "DS18B20: it has lost its settings (supply interrupted?)"
    assert vm.call("rows") == []
    vm.call("start", {})
    assert vm.call("measure") == [[100]]


def test_a_loss_of_supply_while_it_measures_is_noticed(vm):
    begin(vm, [[100]] * 9)
    assert refusal(vm, "measure_but", "brownout").kind == "SensorError"


def test_a_loss_of_supply_is_noticed_whatever_the_eeprom_holds(vm):
    """A start right after another one, whose mark was copied to the EEPROM."""
    begin(vm, [[100]] * 9)
    vm.call("wire_command", "48")
    vm.call("start", {})
    vm.call("fault", "brownout")
    assert refusal(vm, "measure").kind == "SensorError"


def test_a_part_without_a_supply_of_its_own_is_refused(vm):
    vm.call("new", NAME, [[1]], True, {})
    vm.call("fault", "parasite")
    error = refusal(vm, "start", {})
    assert error.text == "DS18B20: it has no supply but the data line; wire its VDD pin"


def test_a_wire_that_is_held_low_is_told(vm):
    begin(vm, [[100]] * 3)
    vm.call("bus_fault", "shorted")
    assert refusal(vm, "measure").text.startswith("DS18B20: it has lost its settings")
    assert refusal(vm, "start", {}).text == "DS18B20: the data line is held low"
    vm.call("bus_fault", "shorted", False)
    vm.call("start", {})
    assert vm.call("measure") == [[100]]


def test_a_part_that_goes_missing_is_an_os_error(vm):
    begin(vm, [[100]] * 3)
    vm.call("fault", "nack")
    assert refusal(vm, "measure").kind == "OSError"
    assert refusal(vm, "start", {}).kind == "OSError"


def test_another_family_is_told(vm):
    vm.call("new", NAME, [], True, {})
    vm.call("fault", "wrong_id")
    error = refusal(vm, "start", {})
    assert error.text == "DS18B20: families on the wire: 0x10, expected 0x28"


@pytest.mark.parametrize("at", range(9))
def test_any_wrong_bit_is_refused_by_both_drivers(vm, at):
    for mask in (1 << bit for bit in range(8)):
        begin(vm, [[0x0191]])
        vm.call("flip", at, mask)
        error = refusal(vm, "measure")
        assert error.text == "DS18B20: CRC is wrong (noise, or a wire too long?)"
        assert vm.call("get", "bad") == 1
        assert vm.call("rows") == []
        _, sensors, wire = adafruit([[[0x0191]]])
        wire.flip = (at, mask)
        with pytest.raises(RuntimeError, match="CRC"):
            _ = sensors[0].temperature


@settings(deadline=None, max_examples=25)
@given(serials=st.lists(SERIAL, min_size=2, max_size=6, unique=True), data=st.data())
def test_several_on_a_wire_are_told_apart(vm, serials, data):
    rows = [[[16 * i]] * 2 for i in range(len(serials))]
    vm.call("new_wire", NAME, rows, serials)
    known = ", ".join(f"0x{serial:012x}" for serial in sorted(serials))
    assert refusal(vm, "start", {}).text == (
        f"DS18B20: there are several, each needs its address: {known}"
    )
    i = data.draw(st.integers(0, len(serials) - 1))
    vm.call("new_wire", NAME, rows, serials, serials[i])
    vm.call("start", {})
    assert vm.call("measure") == rows[i][:1]


def test_an_address_that_is_not_there_is_an_os_error(vm):
    vm.call("new_wire", NAME, [[[1]]], [5], 6)
    assert refusal(vm, "start", {}).kind == "OSError"


@settings(deadline=None, max_examples=25)
@given(serials=st.lists(SERIAL, max_size=9, unique=True))
def test_the_search_finds_each_part_as_adafruits_does(serials):
    models = [(serial, Ds18b20(Rows([[1]]), Clock().clock_us)) for serial in serials]
    wire = OneWire(models)
    found = sorted(bytes(rom) for rom in wire.scan())
    assert found == sorted(model.rom() for _, model in models)
    assert found == sorted(
        bytes(each.rom) for each in onewire_bus(OneWireIo(wire, Clock())).scan()
    )


def test_the_crc_of_the_datasheets_note():
    """Maxim application note 27: 02 1C B8 01 00 00 00 has A2."""
    assert crc8(bytes.fromhex("021cb801000000")) == 0xA2
    assert crc8(bytes.fromhex("021cb801000000a2")) == 0


def test_takes_no_heap_per_sample(vm):
    assert vm.call("locked_burst", NAME, "910100460000ff0f10", 8) == 8
    assert vm.call("bytes_allocated", NAME, "910100460000ff0f10", 8, 50) == 0


class OneWireIo:
    """onewireio.OneWire over our wire; `flip` (byte, mask) changes the replies' bits."""

    def __init__(self, wire, clock):
        self._wire = wire
        self._clock = clock
        self.flip = None
        self._read = 0

    def reset(self):
        self._read = 0
        return not self._wire.reset()

    def read_bit(self):
        self._clock.sleep(70e-6)
        bit = self._wire.readbit()
        at, mask = self.flip or (0, 0)
        flipped = self._read >> 3 == at and mask >> (self._read & 7) & 1
        self._read += 1
        return bit ^ flipped

    def write_bit(self, bit):
        self._wire.writebit(bit)


def onewire_bus(io):
    """Return Adafruit's bus on a wire of ours."""
    made = adafruit_bus.OneWireBus.__new__(adafruit_bus.OneWireBus)
    made._ow = io
    made._readbit, made._writebit = made._ow.read_bit, made._ow.write_bit
    made._maximum_devices = 10
    return made


def adafruit(rows, raw=True):
    """Return a clock, Adafruit's sensor for each list of rows, and the wire."""
    clock = Clock()
    adafruit_ds18x20.time = clock
    models = [(1 + i, Ds18b20(Rows(r, raw), clock.clock_us)) for i, r in enumerate(rows)]
    wire = OneWireIo(OneWire(models), clock)
    bus = onewire_bus(wire)
    return clock, [adafruit_ds18x20.DS18X20(bus, rom) for rom in bus.scan()], wire


@settings(deadline=None, max_examples=20)
@given(
    rows=st.lists(st.tuples(st.floats(-55, 125)), min_size=1, max_size=5),
    bits=st.sampled_from(sorted(RESOLUTIONS)),
)
def test_agrees_with_adafruits_driver_over_the_whole_range(vm, rows, bits):
    begin(vm, rows, {"resolution_bits": bits}, raw=False)
    _, (sensor,), _ = adafruit([rows], raw=False)
    sensor.resolution = bits
    for ours, (seen,) in zip(vm.call("measure_all"), rows, strict=True):
        assert physical(NAME, ours) == (sensor.temperature,)
        assert physical(NAME, ours)[0] == pytest.approx(seen, abs=1 / (1 << bits - 8) + 1 / 32)

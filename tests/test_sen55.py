"""SEN55: our driver on the VM and Sensirion's on CPython, both on the same command-level model."""

import math

import pytest
import sensirion_i2c_driver.connection as sensirion_connection
from hypothesis import given, settings
from hypothesis import strategies as st
from sensirion_i2c_driver import I2cConnection
from sensirion_i2c_driver.errors import I2cChecksumError
from sensirion_i2c_sen5x import Sen5xI2cDevice

from motekit.sim.rom.bus import I2CBus
from motekit.sim.rom.chips.sen55 import Sen55
from tests.coprocess import VmError
from tests.oracle import Clock, Rows

NAME = "sen55"
MASS = st.integers(0, 0xFFFE)
SIGNED = st.integers(0, 0x7FFE)
ROW = st.tuples(MASS, MASS, MASS, MASS, SIGNED, st.integers(-0x8000, 0x7FFE), SIGNED, SIGNED)
SCALES = (10, 10, 10, 10, 100, 200, 10, 10)
SECOND = 1_000_000


class Transceiver:
    """What Sensirion's driver asks of a bus (its I2cTransceiverV1), over our bus."""

    API_VERSION = 1
    STATUS_OK, STATUS_NACK = 0, 2
    channel_count = None
    description = "model"

    def __init__(self, bus, clock):
        self._bus, self._clock = bus, clock
        self.flip = None

    def transceive(self, slave_address, tx_data, rx_length, read_delay, timeout):
        data = bytearray(rx_length or 0)
        try:
            if tx_data is not None:
                self._bus.writeto(slave_address, tx_data)
            self._clock.sleep(read_delay)
            if rx_length:
                self._bus.readfrom_into(slave_address, data)
        except OSError as error:
            return self.STATUS_NACK, error, b""
        if self.flip:
            at, mask = self.flip
            data[at] ^= mask
        return self.STATUS_OK, None, bytes(data)


def sensirion(rows, raw=True, name="SEN55"):
    clock = sensirion_connection.time = Clock()
    bus = I2CBus([(0x69, Sen55(Rows(rows, raw), clock.clock_us, name=name))])
    clock.sleep(0.05)  # power-up
    wires = Transceiver(bus, clock)
    return clock, wires, Sen5xI2cDevice(I2cConnection(wires))


def begin(vm, rows, options=None, raw=True):
    vm.call("new", NAME, rows, raw, options or {})
    return vm.call("start", options or {})


def ask(vm, n):
    got = []
    for _ in range(n):
        vm.call("advance", SECOND)
        got += vm.call("measure")
    return got


def warm(vm, rows, **how):
    """Start, and let pass the time in which the part does not know NOx."""
    begin(vm, rows, **how)
    vm.call("advance", 12 * SECOND)


def values(measured):
    """Return what Sensirion's driver made of the words, None where it has nothing."""
    masses = (
        measured.mass_concentration_1p0,
        measured.mass_concentration_2p5,
        measured.mass_concentration_4p0,
        measured.mass_concentration_10p0,
    )
    found = [
        *(mass.physical for mass in masses),
        measured.ambient_humidity.percent_rh,
        measured.ambient_temperature.degrees_celsius,
        measured.voc_index.scaled,
        measured.nox_index.scaled,
    ]
    return [None if math.isnan(value) else value for value in found]


def physical(row):
    return [None if v is None else v / scale for v, scale in zip(row, SCALES, strict=True)]


@settings(deadline=None, max_examples=30)
@given(rows=st.lists(ROW, min_size=1, max_size=8))
def test_agrees_with_sensirions_driver_over_the_whole_range(vm, rows):
    warm(vm, rows)
    got = ask(vm, len(rows))
    assert got == [list(row) for row in rows]
    clock, _, sensor = sensirion(rows)
    sensor.start_measurement()
    clock.sleep(12)
    for row in got:
        clock.sleep(1)
        assert sensor.read_data_ready()
        assert values(sensor.read_measured_values()) == pytest.approx(physical(row), abs=1e-9)
        assert not sensor.read_data_ready()


def test_physical_values_become_words(vm):
    warm(vm, [[1.2, 3.4, 5.6, 7.8, 45.67, -12.345, 100, 1]], raw=False)
    assert ask(vm, 1) == [[12, 34, 56, 78, 4567, -2469, 1000, 10]]


@pytest.mark.parametrize("at", range(24))
def test_any_wrong_bit_is_refused_by_both_drivers(vm, at):
    row = [1, 20, 300, 4000, 5000, -600, 1000, 10]
    for mask in (1 << bit for bit in range(8)):
        begin(vm, [row])
        vm.call("advance", SECOND)
        vm.call("flip", at, mask)
        with pytest.raises(VmError) as caught:
            vm.call("measure")
        assert caught.value.kind == "SensorError"
        assert f"CRC of word {at // 3}" in caught.value.text
        assert vm.call("get", "bad") == 1
        assert vm.call("rows") == []
        clock, wires, sensor = sensirion([row])
        sensor.start_measurement()
        clock.sleep(1)
        wires.flip = (at, mask)
        with pytest.raises(I2cChecksumError):
            sensor.read_measured_values()


def test_both_mark_what_is_not_known_yet(vm):
    rows = [[i] * 8 for i in range(1, 15)]
    begin(vm, rows)
    ours = vm.call("measure") + ask(vm, 12)
    assert ours[0] == [None] * 8
    assert ours[1] == [1] * 7 + [None]
    assert ours[9] == [9] * 7 + [None]
    assert ours[12] == [12] * 8
    clock, _, sensor = sensirion(rows)
    sensor.start_measurement()
    for row in ours:
        assert values(sensor.read_measured_values()) == pytest.approx(physical(row))
        clock.sleep(1)


@pytest.mark.parametrize(("name", "known"), [("SEN50", 4), ("SEN54", 7), ("SEN55", 8)])
def test_what_a_part_does_not_have_is_invalid(vm, name, known):
    warm(vm, [[5] * 8] * 3)
    vm.call("model_set", "name", name)
    assert ask(vm, 1) == [[5] * known + [None] * (8 - known)]


def test_particles_can_be_off_and_on_again(vm):
    warm(vm, [[5] * 8] * 9, options={"particles": "off"})
    assert ask(vm, 1) == [[None] * 4 + [5] * 4]
    vm.call("start", {"particles": "on"})
    assert ask(vm, 1) == [[5] * 8]


def test_a_start_while_it_measures_keeps_what_it_knows(vm):
    warm(vm, [[5] * 8] * 9)
    vm.call("start", {})
    assert vm.call("measure") == [[5] * 8]


def test_stop_leaves_it_idle(vm):
    begin(vm, [[5] * 8] * 9)
    vm.call("stop")
    assert vm.call("model_get", "mode") is None


def test_a_part_that_lost_its_supply_is_told_and_started_again(vm):
    warm(vm, [[5] * 8] * 99)
    assert ask(vm, 1) == [[5] * 8]
    vm.call("fault", "brownout")
    assert ask(vm, 5) == [[None] * 8] * 5
    for _ in range(2):
        with pytest.raises(VmError) as caught:
            ask(vm, 1)
        assert caught.value.text == (
            "SEN55 at 0x69: it has stopped measuring (supply interrupted?)"
        )
        assert vm.call("rows") == []
    vm.call("start", {})
    assert ask(vm, 2)[-1] == [5] * 7 + [None]


def test_another_of_its_makers_parts_is_told(vm):
    vm.call("new", NAME, [], True, {})
    vm.call("model_set", "name", "SEN66")
    with pytest.raises(VmError, match="SEN55 at 0x69: its name does not begin with SEN5"):
        vm.call("start", {})
    assert sensirion([], name="SEN55")[2].get_product_name() == "SEN55"


def test_another_part_at_the_address_is_told(vm):
    vm.call("new", NAME, [], True, {})
    vm.call("fault", "wrong_id")
    with pytest.raises(VmError, match="SEN55 at 0x69: CRC of word 0 is 0x00, expected 0x81"):
        vm.call("start", {})


def test_takes_no_heap_per_sample(vm):
    data = "000081" * 8
    assert vm.call("locked_burst", NAME, data, 8) == 8
    assert vm.call("bytes_allocated", NAME, data, 8, 50) == 0

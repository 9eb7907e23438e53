"""Accelerometers with and without a FIFO: our drivers on the VM, on register-level models."""

from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motefw import drivers
from motefw.options import channels_of
from tests.coprocess import VmError


class Part(NamedTuple):
    """What the tests know of a part, from its datasheet."""

    name: str
    ranges: tuple[int, ...]
    rates: tuple[int, ...]
    bits: int
    depth: int  # samples in the FIFO, 3 channels
    stopped: tuple[int, int]  # register, what it holds once the driver has stopped the part
    left: tuple[str, ...]  # what another program may have left: writes
    count: int  # register of the FIFO's level
    idle: str  # a reply to every read that means sixteen samples


LIS3DH = Part(
    name="lis3dh",
    ranges=(2, 4, 8, 16),
    rates=(1, 10, 25, 50, 100, 200, 400, 1344),
    bits=12,
    depth=32,
    stopped=(0x20, 0),
    left=("201f", "21ff", "22ff", "23ff", "2440", "2e5f"),
    count=0x2F,
    idle="101010101010",
)
SC7A20 = LIS3DH._replace(name="sc7a20", rates=(25, 50, 100, 200, 400))
MPU6050 = Part(
    name="mpu6050",
    ranges=(2, 4, 8, 16),
    rates=(4, 5, 8, 10, 20, 25, 40, 50, 100, 125, 200, 250, 500, 1000),
    bits=16,
    depth=171,
    stopped=(0x6B, 0x40),
    left=("6b00", "1aff", "19ff", "1bff", "1cff", "23ff", "6a40"),
    count=0x73,
    idle="006000600060",
)
QMI8658 = Part(
    name="qmi8658",
    ranges=(2, 4, 8, 16),
    rates=(31, 62, 125, 250),
    bits=16,
    depth=128,
    stopped=(0x08, 0),
    left=("0220", "0337", "0433", "0803", "1405", "0a05"),
    count=0x15,
    idle="",
)
QMA6100P = Part(
    name="qma6100p",
    ranges=(2, 4, 8, 16, 32),
    rates=(25, 50, 100, 200, 400, 800),
    bits=14,
    depth=64,
    stopped=(0x11, 0),
    left=("1185", "0fff", "1007", "3e41", "36b6"),
    count=0x0E,
    idle="101010101010",
)
FIFOS = (LIS3DH, SC7A20, MPU6050, QMI8658, QMA6100P)
KEEPS_LATEST = (LIS3DH, SC7A20, QMI8658, QMA6100P)  # when it runs over
PLAIN = (LIS3DH, SC7A20, MPU6050, QMA6100P)  # can be read whenever one likes
GYROS = {"mpu6050": (250, 500, 1000, 2000), "qmi8658": (16, 32, 64, 128, 256, 512, 1024)}


def by_name(parts):
    return pytest.mark.parametrize("part", parts, ids=lambda part: part.name)


def begin(vm, name, rows, options=None, raw=True, ramp=None, **_):
    options = options or {}
    vm.call("new", name, rows, raw, options, 64, ramp)
    return vm.call("start", options)


def ramp(first, n):
    return [[i % 4000 - 2000 + c for c in range(3)] for i in range(first, first + n)]


def edges(part, n):
    top = 1 << (part.bits - 1)
    return [[top - 1, -top, i - 50] for i in range(n)]


def settled(vm):
    """Let the part's turn-on time pass."""
    vm.call("advance", 40_000)
    vm.call("stream", 0, 1)


@by_name(FIFOS)
def test_every_rate_and_range_gives_each_sample_once(vm, part):
    cls = drivers.load(part.name)
    options = {name: allowed for name, _, allowed in cls.OPTIONS}
    assert options["rate_hz"] == part.rates
    assert options["range_g"] == part.ranges
    for rate in part.rates:
        for range_g in part.ranges:
            rows = edges(part, 40)
            period_us = begin(vm, part.name, rows, {"rate_hz": rate, "range_g": range_g})
            assert period_us == pytest.approx(1_000_000 / rate, rel=0.01)
            got, gaps = vm.call("stream", 8 * period_us, 12)
            assert got == rows
            assert gaps == 0


@by_name(FIFOS)
@pytest.mark.parametrize("axis", range(3))
def test_counts_times_scale_are_the_acceleration(vm, part, axis):
    for range_g in part.ranges:
        scale = channels_of(drivers.load(part.name), {"range_g": range_g})[axis][2]
        for g in (0, 0.35, 1, -1, range_g * 0.9, -range_g * 0.9):
            rows = [[g if c == axis else 0 for c in range(3)]] * 8
            period_us = begin(vm, part.name, rows, {"range_g": range_g}, raw=False)
            got, _ = vm.call("stream", 8 * period_us, 3)
            assert len(got) == 8
            assert got[0][axis] * scale == pytest.approx(g, abs=0.51 * scale)
            assert got[0][axis - 1] == got[0][axis - 2] == 0


@pytest.mark.parametrize("name", GYROS)
def test_a_gyroscope_adds_its_channels_in_degrees_a_second(vm, name):
    for dps in GYROS[name]:
        options = {"gyro_dps": dps}
        channels = channels_of(drivers.load(name), options)
        assert [unit for _, unit, _, _ in channels] == ["g"] * 3 + ["deg/s"] * 3
        assert channels[3][2] == dps / 32768
        row = [0.5, -0.25, 1, 0.9 * dps, -0.9 * dps, dps / 8]
        period_us = begin(vm, name, [row] * 16, options, raw=False)
        got, gaps = vm.call("stream", 8 * period_us, 4)
        assert (len(got), gaps) == (16, 0)
        for count, (_, _, scale, _), value in zip(got[0], channels, row, strict=True):
            assert count * scale == pytest.approx(value, abs=0.51 * scale)


def test_the_gyroscope_paces_a_qmi8658(vm):
    assert begin(vm, "qmi8658", [], {"rate_hz": 125}) == 8000
    with_gyro_us = begin(vm, "qmi8658", [[0] * 6], {"rate_hz": 125, "gyro_dps": 256})
    assert with_gyro_us == pytest.approx(1e6 / 112.1, rel=1e-4)


AXIS = st.integers(-2048, 2047)
ROWS = st.lists(st.tuples(AXIS, AXIS, AXIS), min_size=1, max_size=200)


@settings(deadline=None, max_examples=60)
@given(
    part=st.sampled_from(PLAIN),
    rows=ROWS,
    polls=st.lists(st.integers(100, 150_000), min_size=1, max_size=20),
)
def test_raw_counts_come_through_whatever_the_polling(vm, part, rows, polls):
    begin(vm, part.name, rows, {"rate_hz": 200})
    got = []
    for poll_us in [*polls, *[100_000] * 15]:
        some, gaps = vm.call("stream", poll_us, 1)
        assert gaps == 0
        got += some
    assert got == [list(row) for row in rows]


@settings(deadline=None, max_examples=40)
@given(polls=st.lists(st.integers(100, 150_000), min_size=30, max_size=60))
def test_a_qmi8658_loses_nothing_that_it_does_not_tell(vm, polls):
    """It takes no samples while it is read: whatever is missing is behind a gap."""
    begin(vm, "qmi8658", None, {"rate_hz": 125}, ramp=3)
    got = []
    for poll_us in polls:
        some, gaps = vm.call("stream", poll_us, 1)
        assert gaps == 0
        got += [row[0] + 2000 for row in some]
    assert got == list(range(len(got)))


@by_name(FIFOS)
def test_configures_over_what_another_program_left(vm, part):
    rows = edges(part, 40)
    vm.call("new", part.name, rows, True, {})
    for left in part.left:
        vm.call("write", left)
    period_us = vm.call("start", {})
    vm.call("write", "00")  # an address alone changes nothing
    got, gaps = vm.call("stream", 8 * period_us, 12)
    assert got[-30:] == rows[-30:]
    assert gaps == 0


@by_name(FIFOS)
def test_starts_empty_whatever_was_in_the_fifo(vm, part):
    begin(vm, part.name, None, ramp=3)
    vm.call("advance", 100_000)
    vm.call("start", {})
    assert vm.call("pending") == [0, False]


@by_name(FIFOS)
def test_says_which_chip_answers_instead(vm, part):
    vm.call("new", part.name, [], True, {})
    vm.call("fault", "wrong_id")
    with pytest.raises(VmError, match=r": id is 0x[0-9a-f]{2}, expected 0x[0-9a-f]{2} \(wrong"):
        vm.call("start", {})


@by_name(FIFOS)
def test_an_absent_part_is_an_os_error_and_it_may_come_back(vm, part):
    begin(vm, part.name, None, ramp=3)
    vm.call("fault", "nack")
    with pytest.raises(VmError) as caught:
        vm.call("pending")
    assert caught.value.kind == "OSError"
    vm.call("fault", "nack", False)
    vm.call("start", {})
    got, _ = vm.call("stream", 80_000, 4)
    assert len(got) >= 16
    assert [b[0] - a[0] for a, b in pairwise(got)] == [1] * (len(got) - 1)


@by_name(FIFOS)
def test_a_stuck_bus_is_an_os_error_until_it_is_recovered(vm, part):
    begin(vm, part.name, None, ramp=3)
    vm.call("bus_fault", "stuck")
    with pytest.raises(VmError) as caught:
        vm.call("pending")
    assert caught.value.kind == "OSError"
    vm.call("recover")
    vm.call("start", {})
    assert vm.call("stream", 100_000, 3)[0]


@by_name(FIFOS)
def test_notices_that_the_supply_was_interrupted(vm, part):
    begin(vm, part.name, None, ramp=3)
    vm.call("fault", "brownout")
    vm.call("advance", 100_000)
    with pytest.raises(VmError, match="it has stopped measuring") as caught:
        vm.call("pending")
    assert caught.value.kind == "SensorError"


@by_name((LIS3DH, SC7A20, QMI8658, QMA6100P))
def test_a_supply_that_goes_between_pending_and_drain_promises_nothing(vm, part):
    begin(vm, part.name, None, ramp=3)
    vm.call("advance", 200_000)
    waiting, _ = vm.call("pending")
    vm.call("fault", "brownout")
    vm.call("drain", waiting)
    assert vm.call("rows") == []


@by_name(FIFOS)
def test_a_part_that_falls_silent_gives_no_sample(vm, part):
    begin(vm, part.name, None, ramp=3)
    vm.call("stream", 100_000, 4)
    vm.call("fault", "silent")
    vm.call("stream", 100_000, 3)
    assert vm.call("stream", 100_000, 3) == [[], 0]


@by_name((QMA6100P, QMI8658))
def test_a_bus_that_reads_ones_is_no_fifo(vm, part):
    begin(vm, part.name, None, ramp=3)
    with pytest.raises(VmError, match="samples wait, at most"):
        vm.call("locked_burst", part.name, "ffffffffffffffffffffffff", 16)


@by_name(FIFOS)
def test_stop_ends_sampling(vm, part):
    begin(vm, part.name, None, ramp=3)
    vm.call("stop")
    assert vm.call("register", part.stopped[0]) == part.stopped[1]
    level = vm.call("register", part.count)
    vm.call("advance", 500_000)
    assert vm.call("register", part.count) == level


@by_name(KEEPS_LATEST)
def test_an_overrun_is_a_gap_and_the_latest_samples_are_kept(vm, part):
    period_us = begin(vm, part.name, None, ramp=3)
    vm.call("advance", 3000 + period_us * (part.depth + 18))
    assert vm.call("pending") == [part.depth, True]
    assert vm.call("model_get", "lost") == pytest.approx(18, abs=1)
    lost = vm.call("model_get", "lost")
    assert not vm.call("drain", 8)  # told once
    got = vm.call("rows")
    assert got == ramp(got[0][0] + 2000, 8)
    assert got[0][0] + 2000 >= lost


def test_an_overrun_of_the_mpu6050_throws_its_torn_sample_away_with_all_others(vm):
    begin(vm, "mpu6050", None, {"rate_hz": 1000}, ramp=3)
    vm.call("advance", 400_000)
    assert vm.call("pending") == [0, True]
    vm.call("advance", 20_000)
    waiting, gap = vm.call("pending")
    assert (waiting, gap) == (20, False)
    assert not vm.call("drain", waiting)
    got = vm.call("rows")
    assert got == ramp(got[0][0] + 2000, 20)


def test_an_mpu6050_that_lost_a_byte_of_a_sample_begins_anew(vm):
    begin(vm, "mpu6050", None, ramp=3)
    vm.call("advance", 200_000)
    vm.call("register", 0x74)  # another master, or a read that was cut off
    assert vm.call("pending") == [0, True]
    vm.call("advance", 50_000)
    assert vm.call("pending") == [5, False]


@by_name(KEEPS_LATEST)
def test_an_overrun_after_pending_is_a_gap_before_anything_is_drained(vm, part):
    period_us = begin(vm, part.name, None, ramp=3)
    vm.call("advance", 3000 + period_us * 16)
    waiting, gap = vm.call("pending")
    assert waiting >= 15
    assert not gap
    vm.call("advance", period_us * part.depth)
    assert vm.call("drain", waiting)
    assert vm.call("rows") == []
    assert vm.call("pending") == [part.depth, False]  # told already
    assert not vm.call("drain", 8)
    assert len(vm.call("rows")) == 8


@by_name(KEEPS_LATEST)
def test_an_overrun_between_two_drains_is_noticed(vm, part):
    period_us = begin(vm, part.name, None, ramp=3)
    vm.call("advance", 3000 + period_us * (part.depth + 8))
    assert vm.call("pending") == [part.depth, True]
    assert not vm.call("drain", 8)
    vm.call("advance", period_us * 20)
    assert vm.call("drain", 8)
    assert vm.call("pending") == [part.depth, False]


WAIT_US = st.one_of(st.integers(1, 50_000), st.integers(200_000, 2_500_000))


@settings(deadline=None, max_examples=80)
@given(
    part=st.sampled_from(FIFOS),
    polls=st.lists(st.tuples(WAIT_US, WAIT_US, st.integers(1, 64)), min_size=1, max_size=12),
)
def test_no_sample_goes_without_a_gap(vm, part, polls):
    """Whenever the FIFO runs over: before a poll, before the drain, between two drains."""
    begin(vm, part.name, None, {"rate_hz": 125 if part is QMI8658 else 100}, ramp=3)
    following = 0
    told = False
    for before_us, between_us, room in polls:
        vm.call("advance", before_us)
        waiting, gap = vm.call("pending")
        told = told or gap
        vm.call("advance", between_us)
        for n in (min(room, waiting), max(min(waiting - room, 64), 0)):
            gap = vm.call("drain", n)
            got = [row[0] + 2000 for row in vm.call("rows")]
            if got:
                assert got == [(got[0] + i) % 4000 for i in range(len(got))]
                assert told or got[0] == following
                following = (got[-1] + 1) % 4000
                told = False
            told = told or gap


def test_samples_that_a_qmi8658_missed_while_it_was_read_are_a_gap(vm):
    """With its data slow to read, the next sample comes meanwhile."""
    begin(vm, "qmi8658", None, {"rate_hz": 250}, ramp=3)
    vm.call("advance", 80_000)
    waiting, _ = vm.call("pending")
    vm.call("slow_bus", 800)
    assert vm.call("drain", waiting)
    got = vm.call("rows")
    assert len(got) == 8
    vm.call("slow_bus", 0)
    vm.call("advance", 100_000)
    waiting, _ = vm.call("pending")
    assert not vm.call("drain", waiting)
    assert vm.call("rows")[-1][0] > got[-1][0] + waiting


@by_name((MPU6050, QMI8658))
def test_a_reset_that_does_not_end_is_told(vm, part):
    vm.call("new", part.name, [], True, {})
    vm.call("freeze", {"mpu6050": 0x6B, "qmi8658": 0x4D}[part.name], 0xC0)
    with pytest.raises(VmError, match="its reset does not end") as caught:
        vm.call("start", {})
    assert caught.value.kind == "SensorError"


def test_a_command_of_a_qmi8658_that_is_never_done_is_told(vm):
    vm.call("new", "qmi8658", [], True, {})
    vm.call("freeze", 0x2D, 0x00)
    with pytest.raises(VmError, match="command 0x04 does not end"):
        vm.call("start", {})


def test_a_qma6100p_is_known_by_the_high_half_of_its_identity(vm):
    for identity in (0x90, 0x9F):
        vm.call("new", "qma6100p", [], True, {})
        vm.call("freeze", 0x00, identity)
        vm.call("start", {})
    vm.call("freeze", 0x00, 0xE7)  # a QMA7981
    with pytest.raises(VmError, match="id is 0xe7, expected 0x90"):
        vm.call("start", {})


@by_name(PLAIN)
def test_takes_no_heap_per_sample(vm, part):
    assert vm.call("locked_burst", part.name, part.idle, 16) == 16
    assert vm.call("bytes_allocated", part.name, part.idle, 16, 50) == 0


def test_a_qmi8658_takes_no_heap_per_sample(vm):
    replies = {"15": "60000000", "2d": "80/00", "30": "01/02/02", "17": "010203040506"}
    assert vm.call("locked_burst", "qmi8658", replies, 16) == 16
    assert vm.call("bytes_allocated", "qmi8658", replies, 16, 50) == 0


class TestMsa311:
    """Has no FIFO: it is asked."""

    def begin(self, vm, rows, options=None, raw=True):
        begin(vm, "msa311", rows, options, raw)

    @pytest.mark.parametrize("range_g", [2, 4, 8, 16])
    def test_each_range(self, vm, range_g):
        scale = channels_of(drivers.load("msa311"), {"range_g": range_g})[0][2]
        assert scale == range_g / 2048
        self.begin(vm, [[0.9 * range_g, -0.9 * range_g, 1]], {"range_g": range_g}, raw=False)
        (row,) = vm.call("measure")
        assert [count * scale for count in row] == pytest.approx(
            [0.9 * range_g, -0.9 * range_g, 1], abs=0.51 * scale
        )

    @pytest.mark.parametrize("bandwidth_hz", [2, 4, 8, 16, 31, 62, 125, 250, 500])
    def test_the_first_reading_waits_for_a_conversion(self, vm, bandwidth_hz):
        self.begin(vm, [[7, -8, 9]], {"bandwidth_hz": bandwidth_hz})
        assert vm.call("measure") == [[7, -8, 9]]
        registers = [vm.call("register", register) for register in (0x10, 0x11)]
        assert registers[1] == registers[0] << 1  # rate twice the bandwidth

    def test_a_reading_before_the_first_conversion_would_be_zero(self, vm):
        self.begin(vm, [[7, -8, 9]], {"bandwidth_hz": 2})
        assert vm.call("measure_early", 100) == [[0, 0, 0]]

    def test_the_extremes(self, vm):
        self.begin(vm, [[2047, -2048, 0], [-1, 1, -2]])
        assert vm.call("measure") == [[2047, -2048, 0]]
        vm.call("advance", 100_000)
        assert vm.call("measure") == [[-1, 1, -2]]

    def test_notices_that_the_supply_was_interrupted(self, vm):
        self.begin(vm, [[1, 2, 3]] * 3)
        vm.call("measure")
        vm.call("fault", "brownout")
        with pytest.raises(VmError, match="it has lost its settings") as caught:
            vm.call("measure")
        assert caught.value.kind == "SensorError"
        assert vm.call("rows") == []

    def test_stop_suspends(self, vm):
        self.begin(vm, [[1, 2, 3]] * 3)
        vm.call("stop")
        assert vm.call("register", 0x11) & 0xC0 == 0xC0

    def test_takes_no_heap_per_sample(self, vm):
        assert vm.call("locked_burst", "msa311", "00", 16) == 16
        assert vm.call("bytes_allocated", "msa311", "00", 16, 50) == 0

"""SDS011: our driver on the VM and pypms's decoder on CPython, on the same frames and model."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pms import SensorWarmingUp, WrongMessageChecksum, WrongMessageFormat
from pms.core import Sensor
from pms.sensors.novafitness import extra_commands

from motekit.sim.rom.chips.sds011 import Sds011
from tests.coprocess import VmError
from tests.like_parts import begin, finds_whole_frames, script
from tests.oracle import Clock, Rows

NAME = "sds011"
EXAMPLE = bytes.fromhex("AAC0D4043A0AA1601DAB")  # protocol V1.3: 123.6 and 261.8 ug/m3, id A160
EXAMPLE_ROW = [1236, 2618]
REAL = "AAC00600060058D93DAB"
VALUE = st.integers(0, 9999)
ROW = st.lists(VALUE, min_size=2, max_size=2).filter(any)
WARMING = [None] * 2
COMMANDS = Sensor["SDS01x"].Commands
WAKE, SLEEP = COMMANDS.wake.command, COMMANDS.sleep.command


def listen(vm, seconds):
    return vm.call("stream", 100_000, 10 * seconds)[0]


def frame_of(row):
    data = b"".join(value.to_bytes(2, "little") for value in row) + b"\xa1\x60"
    return b"\xaa\xc0" + data + bytes((sum(data) & 0xFF, 0xAB))


def pypms_row(data):
    return list(Sensor["SDS01x"].Message.decode(data, COMMANDS.passive_read))


def test_the_example_frame(vm):
    script(vm, NAME)
    assert vm.call("feed", [EXAMPLE.hex(), REAL]) == [EXAMPLE_ROW, [6, 6]]


@settings(deadline=None, max_examples=50)
@given(rows=st.lists(ROW, min_size=1, max_size=6))
def test_agrees_with_pypms(vm, rows):
    script(vm, NAME)
    assert vm.call("feed", [frame_of(row).hex() for row in rows]) == rows
    assert [pypms_row(frame_of(row)) for row in rows] == rows


@pytest.mark.parametrize("at", range(10))
def test_any_wrong_byte_is_refused_by_both_drivers(vm, at):
    for mask in (0x01, 0x80, 0xFF):
        data = bytearray(EXAMPLE)
        data[at] ^= mask
        script(vm, NAME)
        assert vm.call("feed", [data.hex(), frame_of([9, 9]).hex(), "00" * 20]) == [[9, 9]]
        assert vm.call("get", "bad") == (at >= 2)
        with pytest.raises((WrongMessageFormat, WrongMessageChecksum)):
            pypms_row(bytes(data))


@settings(deadline=None, max_examples=60)
@given(
    parts=st.lists(
        st.one_of(
            ROW,
            st.binary(max_size=30),
            st.sampled_from((b"\xaa", b"\xaa\xc0", b"\xaa\xc5\x02", b"\xaa\xc0\x01\x02\xaa\xc0")),
        ),
        max_size=12,
    ),
    size=st.integers(1, 60),
)
def test_finds_every_whole_frame_among_garbage(vm, parts, size):
    """However the line is cut, and even where garbage begins like a frame."""
    script(vm, NAME)
    finds_whole_frames(vm, frame_of, parts, size, 20)


def test_several_frames_at_once_are_several_samples(vm):
    script(vm, NAME)
    rows = [[i, i + 1] for i in range(1, 20)]
    assert vm.call("feed", ["".join(frame_of(row).hex() for row in rows)]) == rows


def test_a_sample_that_waits_is_found_again(vm):
    script(vm, NAME)
    vm.call("put", (frame_of([1, 2]) + frame_of([3, 4])).hex())
    for expected in ([1, 2], [3, 4]):
        for _ in range(2):
            assert vm.call("pending") == [1, False]
        vm.call("drain", 1)
        assert vm.call("rows") == [expected]
    assert vm.call("pending") == [0, False]


def test_wakes_the_part_asks_for_its_settings_and_puts_it_to_sleep(vm):
    script(vm, NAME)
    said = bytes.fromhex(vm.call("written"))
    assert said[:19] == WAKE
    mode = bytearray(COMMANDS.active_mode.command)
    mode[3:5], mode[17] = b"\x00\x00", 0x00
    period = bytearray(extra_commands.work_period(0).command)
    period[3:5], period[17] = b"\x00\x00", 0x06
    assert said[19:] == bytes(mode) + bytes(period)
    vm.call("stop")
    assert bytes.fromhex(vm.call("written")) == SLEEP


def test_settings_that_differ_are_corrected_once(vm):
    vm.call("new", NAME, [[i, i] for i in range(1, 99)], True, {"warmup_s": 0})
    vm.call("model_set", "query", True)
    vm.call("model_set", "minutes", 7)
    vm.call("start", {"warmup_s": 0})
    assert len(listen(vm, 9)) >= 7
    assert not vm.call("model_get", "query")
    assert vm.call("model_get", "minutes") == 0
    assert vm.call("model_get", "kept") == 2
    vm.call("start", {"warmup_s": 0})
    listen(vm, 9)
    assert vm.call("model_get", "kept") == 2


def test_the_correction_is_what_pypms_would_send(vm):
    script(vm, NAME, {"work_period_min": 5})
    vm.call("written")
    answers = "aac502000100a16004ab" + "aac508000200a1600bab"
    assert vm.call("feed", [answers]) == []
    active, period = COMMANDS.active_mode.command, extra_commands.work_period(5).command
    assert bytes.fromhex(vm.call("written")) == active + period


@pytest.mark.parametrize("minutes", [1, 5, 30])
def test_a_work_period_gives_a_sample_a_period(vm, minutes):
    rows = [[i, i] for i in range(1, 9)]
    assert begin(vm, NAME, rows, {"work_period_min": minutes}) == 60_000_000 * minutes
    assert listen(vm, 1) == []  # the setting is corrected
    assert vm.call("stream", 1_000_000, 60 * 3 * minutes)[0] == rows[:3]


def test_gives_one_sample_a_report(vm):
    rows = [[i, i] for i in range(1, 9)]
    begin(vm, NAME, rows)
    assert listen(vm, 9) == rows


def test_marks_the_warm_up_as_invalid(vm):
    rows = [[i, i] for i in range(1, 99)]
    begin(vm, NAME, rows, {"warmup_s": 30})
    got = listen(vm, 35)
    assert got[:29] == [WARMING] * 29
    assert [row for row in got if row != WARMING] == rows[: len(got) - got.count(WARMING)]


def test_marks_what_comes_before_the_warm_up_is_over(vm):
    script(vm, NAME, {"warmup_s": 30})
    vm.call("advance", 29_900_000)
    assert vm.call("feed", [EXAMPLE.hex()]) == [WARMING]
    vm.call("advance", 100_000)
    assert vm.call("feed", [EXAMPLE.hex()]) == [EXAMPLE_ROW]


def test_zeros_are_no_measurement_for_either(vm):
    script(vm, NAME)
    assert vm.call("feed", [frame_of([0, 0]).hex(), frame_of([0, 1]).hex()]) == [WARMING, [0, 1]]
    with pytest.raises(SensorWarmingUp):
        pypms_row(frame_of([0, 0]))


def test_silence_is_an_error_after_ten_seconds_and_ends_by_itself(vm):
    begin(vm, NAME, [[1, 1], [2, 2]])
    vm.call("fault", "silent")
    listen(vm, 10)
    with pytest.raises(VmError) as caught:
        listen(vm, 2)
    assert caught.value.kind == "SensorError"
    assert caught.value.text == "SDS011: no frame for 10 s (5 V supply, wiring, 9600 baud?)"


def test_a_wrong_baud_rate_gives_no_sample(vm):
    begin(vm, NAME, [[1, 1]] * 20, baud=19200)
    with pytest.raises(VmError, match=r"9600 baud\?"):
        listen(vm, 12)


@pytest.mark.parametrize(("kind", "lost"), [("bad_sum", True), ("garbage", False)])
def test_rides_out_faults_of_the_part(vm, kind, lost):
    rows = [[i, i] for i in range(1, 30)]
    begin(vm, NAME, rows)
    before = vm.call("stream", 100_000, 35)[0]
    vm.call("fault", kind)
    during = listen(vm, 5)
    vm.call("fault", kind, False)
    got = before + during + listen(vm, 3)
    assert got == [row for row in rows if row in got]
    assert len(during) == (0 if lost else 5)
    assert vm.call("get", "bad") >= 5


def test_a_part_that_lost_its_supply_goes_on(vm):
    begin(vm, NAME, [[i, i] for i in range(1, 30)])
    listen(vm, 3)
    vm.call("fault", "brownout")
    assert listen(vm, 3)


def test_takes_no_heap_per_sample(vm):
    assert vm.call("locked_burst", NAME, EXAMPLE.hex(), 1) == 1
    assert vm.call("bytes_allocated", NAME, EXAMPLE.hex(), 1, 50) == 0


@settings(deadline=None, max_examples=20)
@given(rows=st.lists(ROW, min_size=1, max_size=5))
def test_pypms_reads_the_model(rows):
    clock = Clock()
    model = Sds011(Rows(rows), clock.clock_us, {"warmup_s": 0})
    for row in rows:
        clock.sleep(1)
        assert pypms_row(model.poll(clock.now_us)) == row


def test_the_model_answers_pypms_commands():
    clock = Clock()
    model = Sds011(Rows([[7, 8]]), clock.clock_us, {"warmup_s": 0})

    def say(command):
        model.write(command)
        clock.sleep(0.02)
        return model.poll(clock.now_us)

    assert say(COMMANDS.passive_mode.command)[:5].hex() == "aac5020101"
    assert pypms_row(say(COMMANDS.passive_read.command)) == [7, 8]
    assert say(SLEEP)[:5].hex() == "aac5060100"
    assert say(COMMANDS.passive_read.command) == b""
    assert say(WAKE)[:5].hex() == "aac5060101"
    assert say(extra_commands.work_period(3).command)[:5].hex() == "aac5080103"
    assert model.minutes == 3
    other = extra_commands.work_period(4, device=0x1234).command
    assert say(other) == b""
    assert model.minutes == 3

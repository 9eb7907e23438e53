"""PMS5003: our driver on the VM, Adafruit's on CPython, on the same frames and the same model."""

import pytest
from adafruit_pm25.uart import PM25_UART
from hypothesis import given, settings
from hypothesis import strategies as st

from motekit.sim.rom.chips.pms5003 import Pms5003, frame
from tests.coprocess import VmError
from tests.like_parts import begin, finds_whole_frames, particle_row, script
from tests.oracle import BusioUart, Clock, Rows

NAME = "pms5003"
EXAMPLE = bytes.fromhex("424D001C0007000C000F0007000C000F0384012C003C00080002000197000281")
EXAMPLE_ROW = [7, 12, 15, 7, 12, 15, 900, 300, 60, 8, 2, 1]
WORD = st.integers(0, 65535)
ROW = st.lists(WORD, min_size=12, max_size=12)
WARMING = [None] * 12
WAKE, ACTIVE, PASSIVE = "424de400010174", "424de100010171", "424de100000170"
READ, SLEEP = "424de200000171", "424de400000173"


def frame_of(row):
    """Return the frame of a sample: "CF=1" first, then what is in the air, then counts."""
    words = [*row[3:6], *row[:3], *row[6:], 0x9700]
    return frame(b"".join(w.to_bytes(2, "big") for w in words))


def adafruit_row(data):
    """Return what Adafruit's driver reads from the bytes, in the order of our channels."""
    return particle_row(PM25_UART(BusioUart(data)).read())


def test_the_example_frame(vm):
    script(vm, NAME)
    assert vm.call("feed", [EXAMPLE.hex()]) == [EXAMPLE_ROW]


@settings(deadline=None, max_examples=50)
@given(rows=st.lists(ROW, min_size=1, max_size=6))
def test_agrees_with_adafruits_driver(vm, rows):
    script(vm, NAME)
    assert vm.call("feed", [frame_of(row).hex() for row in rows]) == rows
    assert [adafruit_row(frame_of(row)) for row in rows] == rows


@pytest.mark.parametrize("at", range(32))
def test_any_wrong_byte_is_refused_by_both_drivers(vm, at):
    for mask in (0x01, 0x80, 0xFF):
        data = bytearray(frame_of(EXAMPLE_ROW))
        data[at] ^= mask
        script(vm, NAME)
        assert vm.call("feed", [data.hex(), frame_of([9] * 12).hex(), "00" * 40]) == [[9] * 12]
        with pytest.raises(RuntimeError, match=r"header|length|checksum|start of frame"):
            adafruit_row(bytes(data))


def test_counts_frames_whose_sum_is_wrong(vm):
    script(vm, NAME)
    data = bytearray(EXAMPLE)
    data[-1] ^= 1
    assert vm.call("feed", [data.hex()] * 3) == []
    assert vm.call("get", "bad") == 3


@settings(deadline=None, max_examples=60)
@given(
    parts=st.lists(
        st.one_of(
            ROW,
            st.binary(max_size=60),
            st.sampled_from((b"\x42", b"\x42\x4d", b"\x42\x4d\x00\x1c", b"\x42\x4d\x00\x24\x42")),
        ),
        max_size=12,
    ),
    size=st.integers(1, 90),
)
def test_finds_every_whole_frame_among_garbage(vm, parts, size):
    """However the line is cut, and even where garbage begins like a frame."""
    script(vm, NAME)
    finds_whole_frames(vm, frame_of, parts, size, 40)


def test_wakes_the_part_sets_its_mode_and_puts_it_to_sleep(vm):
    script(vm, NAME)
    assert vm.call("written") == WAKE + ACTIVE
    vm.call("stop")
    assert vm.call("written") == SLEEP
    script(vm, NAME, {"mode": "passive"})
    assert vm.call("written") == WAKE + PASSIVE


def test_asks_in_passive_mode_at_the_pace_of_the_option(vm):
    rows = [[i] * 12 for i in range(1, 9)]
    assert begin(vm, NAME, rows, {"mode": "passive", "period_s": 5}) == 5_000_000
    got, gaps = vm.call("stream", 100_000, 220)
    assert got == rows[:4]
    assert gaps == 0


def test_gives_one_sample_a_frame_in_active_mode(vm):
    rows = [[i] * 12 for i in range(1, 9)]
    begin(vm, NAME, rows)
    got, gaps = vm.call("stream", 100_000, 90)
    assert got == rows
    assert gaps == 0


def test_marks_the_warm_up_as_invalid(vm):
    rows = [[i] * 12 for i in range(1, 9)]
    begin(vm, NAME, rows, {"warmup_s": 30})
    got, _ = vm.call("stream", 100_000, 330)
    assert got[:29] == [WARMING] * 29
    assert [row for row in got if row != WARMING] == rows[:2] + rows[2 : len(got) - 30]


def test_marks_what_comes_before_the_warm_up_is_over(vm):
    script(vm, NAME, {"warmup_s": 30})
    vm.call("advance", 29_900_000)
    assert vm.call("feed", [EXAMPLE.hex()]) == [WARMING]
    vm.call("advance", 100_000)
    assert vm.call("feed", [EXAMPLE.hex()]) == [EXAMPLE_ROW]


def test_marks_a_payload_of_zeros_as_invalid(vm):
    script(vm, NAME)
    assert vm.call("feed", [frame(bytes(26)).hex(), EXAMPLE.hex()]) == [WARMING, EXAMPLE_ROW]


def test_validity_stays_with_its_sample_however_many_are_drained(vm):
    script(vm, NAME)
    zeros = frame(bytes(26)).hex()
    assert vm.call("feed", [EXAMPLE.hex(), zeros, EXAMPLE.hex()]) == [
        EXAMPLE_ROW,
        WARMING,
        EXAMPLE_ROW,
    ]
    vm.call("put", zeros + EXAMPLE.hex() + zeros)
    assert vm.call("pending") == [3, False]
    got = []
    for n in (1, 2):
        vm.call("drain", n)
        got += vm.call("rows")
    assert got == [WARMING, EXAMPLE_ROW, WARMING]


def test_a_frame_with_another_header_is_none_though_its_sum_is_right(vm):
    script(vm, NAME)
    data = bytearray(frame_of(EXAMPLE_ROW))
    data[1] -= 1
    data[-1] -= 1
    assert vm.call("feed", [data.hex(), "00" * 40]) == []


def test_clean_air_is_no_warm_up(vm):
    """A running part says its version, so masses and counts of zero are a measurement."""
    script(vm, NAME)
    assert vm.call("feed", [frame_of([0] * 12).hex()]) == [[0] * 12]


@pytest.mark.parametrize(("size", "part"), [(20, "PMS3003"), (36, "PMS5003ST")])
def test_names_a_variant_by_its_frame(vm, size, part):
    script(vm, NAME)
    with pytest.raises(VmError) as caught:
        vm.call("feed", [frame(bytes(range(1, size - 1))).hex()])
    assert caught.value.kind == "SensorError"
    assert caught.value.text == f"PMS5003: its frames are those of a {part}"


def test_answers_to_commands_are_no_samples(vm):
    script(vm, NAME)
    assert vm.call("feed", ["424d0004e1000174", EXAMPLE.hex()]) == [EXAMPLE_ROW]
    assert vm.call("get", "bad") == 0


def test_silence_is_an_error_after_ten_seconds_and_ends_by_itself(vm):
    begin(vm, NAME, [[1] * 12, [2] * 12])
    vm.call("fault", "silent")
    vm.call("stream", 100_000, 100)
    with pytest.raises(VmError) as caught:
        vm.call("stream", 100_000, 20)
    assert caught.value.kind == "SensorError"
    assert caught.value.text == "PMS5003: no frame for 10 s (5 V supply, wiring, 9600 baud?)"
    vm.call("fault", "silent", False)
    assert vm.call("stream", 100_000, 25)[0] == [[1] * 12, [2] * 12]


def test_a_wrong_baud_rate_gives_no_sample(vm):
    begin(vm, NAME, [[1] * 12] * 20, baud=19200)
    with pytest.raises(VmError) as caught:
        vm.call("stream", 100_000, 120)
    assert "9600 baud?" in caught.value.text


@pytest.mark.parametrize(("kind", "bad"), [("bad_sum", True), ("garbage", False)])
def test_rides_out_faults_of_the_part(vm, kind, bad):
    rows = [[i] * 12 for i in range(1, 30)]
    begin(vm, NAME, rows)
    before, _ = vm.call("stream", 100_000, 35)
    vm.call("fault", kind)
    during, _ = vm.call("stream", 100_000, 50)
    vm.call("fault", kind, False)
    after, _ = vm.call("stream", 100_000, 30)
    got = before + during + after
    assert got == [row for row in rows if row in got]
    assert len(during) == (0 if bad else 5)
    assert vm.call("get", "bad") == 5


def test_a_line_that_was_not_read_for_long_loses_the_newest_and_recovers(vm):
    rows = [[i] * 12 for i in range(1, 30)]
    begin(vm, NAME, rows)
    vm.call("advance", 20_500_000)
    got, _ = vm.call("stream", 100_000, 1)
    got += vm.call("stream", 100_000, 30)[0]
    assert got[:7] == rows[:7]
    assert got[-1][0] >= 22
    assert got == [row for row in rows if row in got]


def test_takes_no_heap_per_sample(vm):
    data = frame_of(EXAMPLE_ROW).hex()
    assert vm.call("locked_burst", NAME, data, 3) == 3
    assert vm.call("bytes_allocated", NAME, data, 3, 50) == 0


@settings(deadline=None, max_examples=20)
@given(rows=st.lists(ROW, min_size=1, max_size=5))
def test_adafruits_driver_reads_the_model(rows):
    clock = Clock()
    model = Pms5003(Rows(rows), clock.clock_us, {"warmup_s": 0})
    for row in rows:
        clock.sleep(1)
        assert adafruit_row(model.poll(clock.now_us)) == row

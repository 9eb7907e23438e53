"""Senseair S8: our driver on the VM, on the frames of its Modbus guide and on the model.

There is no independent driver to compare with; the frames and CRCs are the guide's.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motekit.sim.rom.chips.s8 import S8, crc16
from tests.coprocess import VmError
from tests.oracle import Clock, Rows

NAME = "s8"
READ = "fe0400000004e5c6"
EXAMPLE = "fe0408000000000000019016e6"  # 400 ppm, no error
SECOND = 1_000_000


def begin(vm, rows, options=None, baud=9600):
    vm.call("new", NAME, rows, True, options or {}, 64, None, baud)
    return vm.call("start", options or {})


def ask(vm, n):
    got = []
    for _ in range(n):
        vm.call("advance", 2 * SECOND)
        got += vm.call("measure")
    return got


def script(vm, options=None):
    vm.call("new_script", NAME)
    vm.call("start", options or {})


def reply(vm, data):
    """Ask on a line that the test feeds, answer with these bytes; return the rows."""
    vm.call("begin_measuring")
    vm.call("put", data.hex())
    return vm.call("read")


def framed(text):
    data = bytes.fromhex(text)
    return data + crc16(data)


def test_the_worked_example(vm):
    script(vm)
    assert reply(vm, bytes.fromhex(EXAMPLE)) == [[400]]


def test_asks_as_the_guide_says(vm):
    script(vm)
    vm.call("begin_measuring")
    assert vm.call("written") == READ


@pytest.mark.parametrize(
    "frame",
    [
        *(READ, EXAMPLE, "fe0400030001d5c5", "fe04020190acd8", "fe040000000125c5"),
        *("fe04020000ad24", "fe06001f0000ac03", "fe06001f00b4ac74", "fe03001f0001a1c3"),
    ],
)
def test_the_models_crc_is_the_guides(frame):
    data = bytes.fromhex(frame)
    assert crc16(data[:-2]) == data[-2:]


@settings(deadline=None, max_examples=30)
@given(rows=st.lists(st.tuples(st.integers(1, 10000)), min_size=1, max_size=10))
def test_the_whole_range_comes_through(vm, rows):
    begin(vm, rows)
    assert ask(vm, len(rows)) == [list(row) for row in rows]


@pytest.mark.parametrize("at", range(13))
def test_any_wrong_bit_is_refused(vm, at):
    for mask in (1 << bit for bit in range(8)):
        data = bytearray.fromhex(EXAMPLE)
        data[at] ^= mask
        script(vm)
        with pytest.raises(VmError) as caught:
            reply(vm, data)
        assert caught.value.kind == "SensorError"
        assert vm.call("get", "bad") == (at >= 3)
        assert vm.call("rows") == []
        why = "checksum of its reply is wrong" if at >= 3 else "no reply"
        assert caught.value.text.startswith(f"S8: {why}")


@settings(deadline=None, max_examples=50)
@given(before=st.binary(max_size=30), after=st.binary(max_size=30))
def test_finds_the_reply_among_garbage(vm, before, after):
    script(vm)
    vm.call("put", (before + bytes.fromhex(EXAMPLE)).hex())
    clean = before.replace(b"\xfe", b"\x00")
    assert reply(vm, clean + bytes.fromhex(EXAMPLE) + after) == [[400]]


def test_silence_is_an_error_and_ends_by_itself(vm):
    begin(vm, [[450]] * 9)
    assert ask(vm, 1) == [[450]]
    vm.call("fault", "silent")
    with pytest.raises(VmError) as caught:
        ask(vm, 1)
    assert caught.value.text == "S8: no reply (5 V supply, wiring, 9600 baud?)"
    vm.call("fault", "silent", False)
    assert ask(vm, 1) == [[450]]


def test_a_wrong_baud_rate_gives_no_sample(vm):
    begin(vm, [[450]] * 9, baud=19200)
    with pytest.raises(VmError, match=r"9600 baud\?"):
        ask(vm, 1)


def test_rides_out_garbage_and_wrong_checksums(vm):
    begin(vm, [[450]] * 99)
    vm.call("fault", "garbage")
    assert ask(vm, 5) == [[450]] * 5
    vm.call("fault", "garbage", False)
    vm.call("fault", "bad_sum")
    with pytest.raises(VmError, match="checksum of its reply is wrong"):
        ask(vm, 1)
    vm.call("fault", "bad_sum", False)
    assert ask(vm, 1) == [[450]]


@pytest.mark.parametrize("bit", [0, 1, 2, 3, 4, 6, 8])
def test_an_error_of_the_meter_is_told(vm, bit):
    begin(vm, [[450]] * 9)
    vm.call("model_set", "status", 1 << bit)
    with pytest.raises(VmError) as caught:
        ask(vm, 1)
    assert caught.value.text == f"S8: its meter status is 0x{1 << bit:04x}, expected 0"
    assert vm.call("rows") == []
    vm.call("model_set", "status", 0)
    assert ask(vm, 1) == [[450]]


def test_out_of_range_and_zero_are_invalid(vm):
    begin(vm, [[450], [0], [451]])
    vm.call("model_set", "status", 0x20)
    assert ask(vm, 1) == [[None]]
    vm.call("model_set", "status", 0)
    assert ask(vm, 2) == [[None], [451]]


@pytest.mark.parametrize("hours", [0, 1, 180, 4800])
def test_self_calibration_is_set_once_the_part_is_heard(vm, hours):
    begin(vm, [[450]] * 9, {"self_calibration_h": hours})
    vm.call("model_set", "abc", 7)
    ask(vm, 3)
    assert vm.call("model_get", "abc") == hours


def test_self_calibration_is_said_once_a_start(vm):
    for hours, said in ((0, "fe06001f0000ac03"), (180, "fe06001f00b4ac74")):
        script(vm, {"self_calibration_h": hours})
        assert vm.call("written") == ""
        for expected in (READ + said, READ, READ):
            reply(vm, bytes.fromhex(EXAMPLE))
            assert vm.call("written") == expected


def test_the_echo_of_a_setting_is_no_reply(vm):
    script(vm)
    assert reply(vm, framed("fe06001f00b4") + bytes.fromhex(EXAMPLE)) == [[400]]
    with pytest.raises(VmError, match="S8: no reply"):
        reply(vm, framed("fe8402"))


def test_takes_no_heap_per_sample(vm):
    assert vm.call("locked_burst", NAME, EXAMPLE, 8) == 8
    assert vm.call("bytes_allocated", NAME, EXAMPLE, 8, 50) == 0


def talk(model, clock, text):
    model.write(framed(text))
    clock.sleep(0.1)
    return model.poll(clock.now_us).hex()


def test_the_model_answers_the_guides_examples_and_refuses_the_rest():
    clock = Clock()
    model = S8(Rows([[400]]), clock.clock_us)
    assert talk(model, clock, "fe0400030001") == "fe04020190acd8"
    assert talk(model, clock, "fe0400000004") == EXAMPLE
    assert talk(model, clock, "fe03001f0001") == framed("fe030200b4").hex()
    assert talk(model, clock, "fe06001f0000") == "fe06001f0000ac03"
    assert talk(model, clock, "680400000001") == framed("6804020000").hex()
    assert talk(model, clock, "fe0400040001") == framed("fe8402").hex()
    assert talk(model, clock, "fe0400000009") == framed("fe8402").hex()
    assert talk(model, clock, "fe0100000001") == framed("fe8101").hex()
    model.write(bytes.fromhex("fe0400000004e5c7"))
    clock.sleep(0.1)
    assert model.poll(clock.now_us) == b""

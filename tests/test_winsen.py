"""MH-Z19C and ZH03B: our drivers on the VM and pypms's decoders on CPython, on the same models."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pms import SensorWarmingUp, WrongMessageChecksum, WrongMessageFormat
from pms.core import Sensor

from motekit.sim.rom.bus import Uart
from motekit.sim.rom.chips import mhz19c, zh03b
from motekit.sim.rom.chips._winsen import frame
from tests.coprocess import VmError
from tests.like_parts import begin, script
from tests.oracle import Clock, Rows

NAMES = ("mhz19c", "zh03b")
CLASSES = {"mhz19c": "MHZ19C", "zh03b": "ZH03B"}
MODELS = {"mhz19c": mhz19c.Mhz19c, "zh03b": zh03b.Zh03b}
PYPMS = {"mhz19c": Sensor["MHZ19B"], "zh03b": Sensor["ZH0xx"]}
EXAMPLES = {  # of the manuals: 544 ppm; 101, 133 and 150 ug/m3
    "mhz19c": ("FF8602200000000058", [544]),
    "zh03b": ("FF86008500960065FA", [101, 133, 150]),
}
RANGES = {"mhz19c": (1, 10000), "zh03b": (1, 1000)}
READ = "ff0186000000000079"
ABC_ON, ABC_OFF = "ff0179a000000000e6", "ff0179000000000086"
SECOND = 1_000_000


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def ask(vm, n):
    got = []
    for _ in range(n):
        vm.call("advance", SECOND)
        got += vm.call("measure")
    return got


def reply(vm, data):
    """Ask on a line that the test feeds, answer with these bytes; return the rows."""
    vm.call("begin_measuring")
    vm.call("put", data.hex())
    return vm.call("read")


def pypms_row(name, data):
    """Return what pypms decodes, in the order of our channels."""
    found = PYPMS[name].Message.decode(data, PYPMS[name].Commands.passive_read)
    return [found[2], found[0], found[1]] if name == "zh03b" else list(found)


def test_the_worked_example(vm, name):
    data, row = EXAMPLES[name]
    script(vm, name)
    assert reply(vm, bytes.fromhex(data)) == [row]
    assert pypms_row(name, bytes.fromhex(data)) == row


def test_asks_as_pypms_does(vm, name):
    script(vm, name)
    vm.call("written")
    vm.call("begin_measuring")
    assert vm.call("written") == READ == PYPMS[name].Commands.passive_read.command.hex()


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_agrees_with_pypms_over_the_whole_range(vm, data):
    for name in NAMES:
        value = st.integers(*RANGES[name])
        width = len(EXAMPLES[name][1])
        rows = data.draw(st.lists(st.lists(value, min_size=width, max_size=width), min_size=1))
        begin(vm, name, rows)
        assert ask(vm, len(rows)) == rows
        clock = Clock()
        model = MODELS[name](Rows(rows), clock.clock_us, {"warmup_s": 0})
        line = Uart(model, clock.clock_us)
        if name == "zh03b":
            line.write(PYPMS[name].Commands.passive_mode.command)
        for row in rows:
            line.write(PYPMS[name].Commands.passive_read.command)
            line.any()
            clock.sleep(0.1)
            said = line.read()
            if not said[8]:
                continue  # pypms takes such a frame's checksum for 0x100
            assert pypms_row(name, said) == row


def test_a_checksum_of_zero_is_one(vm):
    data = frame((0xFF, 0x86, 0x02, 0x38, 0x40))
    assert data[-1] == 0
    script(vm, "mhz19c")
    assert reply(vm, data) == [[568]]


@pytest.mark.parametrize("at", range(9))
def test_any_wrong_byte_is_refused_by_both_drivers(vm, name, at):
    for mask in (0x01, 0x80, 0xFF):
        data = bytearray.fromhex(EXAMPLES[name][0])
        data[at] ^= mask
        script(vm, name)
        with pytest.raises(VmError) as caught:
            reply(vm, data)
        assert caught.value.kind == "SensorError"
        assert vm.call("get", "bad") == (at >= 2)
        assert vm.call("rows") == []
        why = "checksum of its reply is wrong" if at >= 2 else "no reply"
        assert caught.value.text.startswith(f"{CLASSES[name]}: {why}")
        with pytest.raises((WrongMessageFormat, WrongMessageChecksum)):
            pypms_row(name, bytes(data))


@settings(deadline=None, max_examples=60)
@given(before=st.binary(max_size=30), after=st.binary(max_size=30))
def test_finds_the_reply_among_garbage(vm, before, after):
    for name in NAMES:
        data, row = EXAMPLES[name]
        script(vm, name)
        # What is on the line before it is asked does not matter at all.
        vm.call("put", (before + bytes.fromhex(data)).hex())
        assert reply(vm, before.replace(b"\xff", b"\x00") + bytes.fromhex(data) + after) == [row]


def test_an_old_reply_is_not_taken_for_a_new_one(vm, name):
    script(vm, name)
    vm.call("put", EXAMPLES[name][0])
    with pytest.raises(VmError, match="no reply"):
        reply(vm, b"")


def test_waits_for_a_reply_at_this_line_rate(vm, name):
    rows = [[i] * len(EXAMPLES[name][1]) for i in range(1, 5)]
    assert begin(vm, name, rows) == SECOND
    assert ask(vm, 4) == rows


def test_silence_is_an_error_and_ends_by_itself(vm, name):
    row = EXAMPLES[name][1]
    begin(vm, name, [row] * 9)
    assert ask(vm, 1) == [row]
    vm.call("fault", "silent")
    for _ in range(3):
        with pytest.raises(VmError) as caught:
            ask(vm, 1)
        assert caught.value.text == (f"{CLASSES[name]}: no reply (5 V supply, wiring, 9600 baud?)")
    vm.call("fault", "silent", False)
    assert ask(vm, 1) == [row]


def test_a_wrong_baud_rate_gives_no_sample(vm, name):
    begin(vm, name, [EXAMPLES[name][1]] * 9, baud=19200)
    with pytest.raises(VmError, match=r"9600 baud\?"):
        ask(vm, 1)


@pytest.mark.parametrize(("kind", "lost"), [("bad_sum", True), ("garbage", False)])
def test_rides_out_faults_of_the_part(vm, name, kind, lost):
    row = EXAMPLES[name][1]
    begin(vm, name, [row] * 99)
    assert ask(vm, 3) == [row] * 3
    vm.call("fault", kind)
    if lost:
        with pytest.raises(VmError, match="checksum of its reply is wrong"):
            ask(vm, 1)
        assert vm.call("get", "bad") == 1
    else:
        assert ask(vm, 5) == [row] * 5
    vm.call("fault", kind, False)
    assert ask(vm, 3) == [row] * 3


def test_the_warm_up_is_invalid(vm, name):
    row = EXAMPLES[name][1]
    begin(vm, name, [row] * 99, {"warmup_s": 10})
    got = ask(vm, 15)
    assert got[:9] == [[None] * len(row)] * 9
    assert got[-4:] == [row] * 4


def test_zero_is_no_measurement_for_either(vm, name):
    zeros = frame((0xFF, 0x86))
    script(vm, name)
    assert reply(vm, zeros) == [[None] * len(EXAMPLES[name][1])]
    with pytest.raises(SensorWarmingUp):
        pypms_row(name, zeros)


def test_takes_no_heap_per_sample(vm, name):
    data = EXAMPLES[name][0]
    assert vm.call("locked_burst", name, data, 8) == 8
    assert vm.call("bytes_allocated", name, data, 8, 50) == 0


@pytest.mark.parametrize(("choice", "on"), [("on", True), ("off", False)])
def test_self_calibration_is_set_once_the_part_is_heard(vm, choice, on):
    vm.call("new", "mhz19c", [[400]] * 9, True, {"warmup_s": 0})
    vm.call("model_set", "self_calibration", not on)
    vm.call("start", {"warmup_s": 0, "self_calibration": choice})
    assert vm.call("model_get", "self_calibration") != on
    ask(vm, 3)
    assert vm.call("model_get", "self_calibration") == on
    assert vm.call("model_get", "calibrated") == []


def test_self_calibration_is_said_once_a_start(vm):
    for choice, said in (("on", ABC_ON), ("off", ABC_OFF)):
        script(vm, "mhz19c", {"self_calibration": choice})
        assert vm.call("written") == ""
        example = bytes.fromhex(EXAMPLES["mhz19c"][0])
        for expected in (READ + said, READ, READ):
            reply(vm, example)
            assert vm.call("written") == expected


def test_a_zh03b_is_woken_told_to_wait_and_put_to_sleep(vm):
    script(vm, "zh03b")
    commands = PYPMS["zh03b"].Commands
    assert vm.call("written") == (commands.wake.command + commands.passive_mode.command).hex()
    vm.call("stop")
    assert vm.call("written") == commands.sleep.command.hex()


def test_a_zh03b_that_lost_its_supply_needs_a_start(vm):
    begin(vm, "zh03b", [[1, 2, 3]] * 99)
    assert ask(vm, 1) == [[1, 2, 3]]
    vm.call("fault", "brownout")
    with pytest.raises(VmError, match="ZH03B: no reply"):
        ask(vm, 1)
    vm.call("start", {"warmup_s": 0})
    assert ask(vm, 2) == [[1, 2, 3]] * 2


def test_an_unasked_zh03b_reports_like_others_parts_do():
    clock = Clock()
    model = zh03b.Zh03b(Rows([[1, 2, 3]]), clock.clock_us, {"warmup_s": 0})
    clock.sleep(1)
    said = model.poll(clock.now_us)
    assert said[:4].hex() == "424d0014"
    assert [int.from_bytes(said[i : i + 2], "big") for i in (10, 12, 14)] == [1, 2, 3]
    assert sum(said[:22]) == int.from_bytes(said[22:], "big")


def test_the_mhz19c_model_keeps_what_it_is_calibrated_to():
    clock = Clock()
    model = mhz19c.Mhz19c(Rows([[1]]), clock.clock_us)
    for command in ("ff0187000000000078", "ff018807d0000000a0", "ff01990000001388cb"):
        model.write(bytes.fromhex(command))
    assert model.calibrated == [0, 2000]
    assert model.range_ppm == 5000
    clock.sleep(1)
    model.write(bytes.fromhex(READ))
    clock.sleep(1)
    assert model.poll(clock.now_us)[2:4] == b"\x01\x90"  # not warm

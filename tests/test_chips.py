"""The chip models, transaction by transaction; the same on the VM and on CPython."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motekit.sim import models
from motekit.sim.rom import chips
from motekit.sim.rom.bus import I2CBus, Uart
from motekit.sim.rom.chips.adxl345 import Adxl345
from motekit.sim.rom.chips.pms5003 import Pms5003
from motekit.sim.rom.chips.sht4x import Sht4x
from tests.on_vm.transcript import Wave, play
from tests.oracle import Clock, Rows

ENODEV = 19


class Finite(Rows):
    """Rows that end."""

    def sample(self, i):
        return tuple(self.rows[i]) if i < len(self.rows) else None


def adxl(*ops, rows=None):
    rows = rows or [[i, -i, 2 * i] for i in range(1, 400)]
    return play(chips, "adxl345", Finite(rows), {}, ops)


def sht(*ops, rows=((0xBEEF, 0), (1, 2))):
    return play(chips, "sht4x", Finite(rows), {}, [["wait", 1000], *ops])


def pms(*ops):
    rows = [[i] * 12 for i in range(1, 100)]
    return play(chips, "pms5003", Finite(rows), {"warmup_s": 0}, ops)


def counts(hexadecimal):
    data = bytes.fromhex(hexadecimal)
    return [int.from_bytes(data[i : i + 2], "little", signed=True) for i in (0, 2, 4)]


MEASURE = ["write", "2d08"]
AFTER_ONE = ["wait", 1100 + 10_000]


class TestAdxl345:
    def test_registers_after_power_on(self):
        ops = [["write", "00"], ["read", 0x3A]]
        data = bytes.fromhex(adxl(*ops)[1])
        assert {i: b for i, b in enumerate(data) if b} == {0x00: 0xE5, 0x2C: 0x0A, 0x30: 0x02}

    def test_the_pointer_moves_on_and_data_come_without_a_fifo(self):
        got = adxl(MEASURE, AFTER_ONE, ["write", "32"], ["read", 2], ["read", 4])
        assert counts(got[3] + got[4]) == [1, -1, 2]

    def test_read_only_registers_stay(self):
        got = adxl(["write", "0055"], ["write", "00"], ["read", 1], ["write", "30ff"], ["read", 1])
        assert got[2] == "e5"

    def test_bypass_keeps_the_latest_and_tells_of_the_unread(self):
        got = adxl(
            MEASURE,
            ["wait", 1100 + 30_000],
            ["write", "30"],
            ["read", 1],
            ["write", "32"],
            ["read", 6],
            ["write", "30"],
            ["read", 1],
        )
        assert int(got[3], 16) & 0x81 == 0x81
        assert counts(got[5]) == [3, -3, 6]
        assert int(got[7], 16) & 0x81 == 0

    def test_fifo_mode_keeps_the_first_33(self):
        """32, and one in the output filter: datasheet, register 0x39, "Entries Bits"."""
        got = adxl(
            ["write", "3840"],
            MEASURE,
            ["wait", 1100 + 400_000],
            ["write", "39"],
            ["read", 1],
            ["write", "32"],
            ["read", 6],
        )
        assert got[4] == "21"
        assert counts(got[6]) == [1, -1, 2]

    def test_stream_mode_keeps_the_latest_33(self):
        got = adxl(
            ["write", "3880"],
            MEASURE,
            ["wait", 1100 + 400_000],
            ["write", "39"],
            ["read", 1],
            ["write", "32"],
            ["read", 6],
            ["write", "39"],
            ["read", 1],
        )
        assert got[4] == "21"
        assert counts(got[6]) == [8, -8, 16]
        assert got[8] == "20"

    def test_watermark_and_overrun(self):
        ops = [["write", "3890"], MEASURE]
        for wait in (1100 + 150_000, 10_000, 160_000, 10_000):
            ops += [["wait", wait], ["write", "30"], ["read", 1]]
        got = [int(x, 16) & 0x03 for x in adxl(*ops)[4::3]]
        assert got == [0, 2, 2, 3]  # 15, 16, 32 and 33 samples

    @pytest.mark.parametrize(
        ("data_format", "word"),
        [("08", 511), ("0b", 4095), ("00", 511), ("03", 511), ("0c", 511 << 6), ("0f", 4095 << 3)],
    )
    def test_range_resolution_and_justification(self, data_format, word):
        got = adxl(
            ["write", "31" + data_format],
            MEASURE,
            AFTER_ONE,
            ["write", "32"],
            ["read", 6],
            rows=[[5000, -5000, 0]],
        )
        assert counts(got[4])[0] == word

    def test_offsets_add_four_counts_a_bit(self):
        got = adxl(
            ["write", "1e01ff7f"],
            ["write", "310b"],
            MEASURE,
            AFTER_ONE,
            ["write", "32"],
            ["read", 6],
            rows=[[0, 0, 0]],
        )
        assert counts(got[5]) == [4, -4, 508]

    def test_the_last_bit_is_zero_above_800_hz(self):
        got = adxl(
            ["write", "310b"],
            ["write", "2c0f"],
            MEASURE,
            AFTER_ONE,
            ["write", "32"],
            ["read", 6],
            rows=[[7, 8, 9]] * 100,
        )
        assert counts(got[5]) == [6, 8, 8]

    def test_1000_s_at_3200_hz_are_3_200_000_samples(self):
        """The odd half microseconds of the fastest rate add up to none lost."""
        clock = Clock()
        source = Rows([[0, 0, 0]])
        model = Adxl345(source, clock.clock_us)
        model.write(b"\x2c\x0f")
        model.write(b"\x2d\x08")
        clock.now_us += 1100
        for _ in range(999):
            clock.now_us += 1001
            model.write(b"\x39")
        assert model.index == 999 * 1001 * 3200 // 1_000_000

    def test_silence_once_the_recording_ends(self):
        got = adxl(
            ["write", "3880"],
            MEASURE,
            ["wait", 10**9],
            ["write", "39"],
            ["read", 1],
            rows=[[1, 1, 1]] * 5,
        )
        assert got[4] == "05"

    def test_limits_follow_the_range(self):
        assert Adxl345.limits({"range_g": 2}) == ((-512, 511),) * 3
        assert Adxl345.limits({}) == ((-4096, 4095),) * 3


class TestSht4x:
    def test_a_result_can_be_read_once(self):
        got = sht(["write", "fd"], ["wait", 8300], ["read", 6], ["read", 6])
        assert got[3:] == ["beef92000081", ENODEV]

    @pytest.mark.parametrize(("command", "us"), [("fd", 8300), ("f6", 4500), ("e0", 1600)])
    def test_acknowledges_nothing_while_it_measures(self, command, us):
        got = sht(
            ["write", command],
            ["wait", us - 1],
            ["read", 6],
            ["write", "fd"],
            ["write", ""],
            ["wait", 1],
            ["read", 6],
        )
        assert got[3:6] == [ENODEV] * 3
        assert got[7] == "beef92000081"

    def test_a_reset_ends_a_measurement_and_takes_a_millisecond(self):
        got = sht(
            ["write", "fd"],
            ["write", "94"],
            ["wait", 999],
            ["write", "fd"],
            ["wait", 1],
            ["read", 6],
            ["write", "fd"],
        )
        assert got[4] == ENODEV
        assert got[6:] == [ENODEV, None]

    def test_a_heater_pulse_ends_by_itself_and_then_there_is_a_result(self):
        clock = Clock()
        model = Sht4x(Rows([[1, 2]]), clock.clock_us)
        clock.now_us += 1000
        model.write(b"\x39")
        clock.now_us += 999_999
        assert model.heating
        clock.now_us += 1
        assert not model.heating
        assert model.heated_us == 1_000_000
        clock.now_us += 8300
        model.read_into(bytearray(6))

    def test_a_reply_with_both_checksums(self):
        got = sht(["write", "fd"], ["wait", 8300], ["read", 6], rows=((0x6434, 0x69AC),))
        assert got[3] == "64345669ac96"  # 23.50 Cel, 45.60 %RH

    def test_an_unknown_command_is_not_acknowledged(self):
        assert sht(["write", "55"], ["read", 6])[1:] == [ENODEV, ENODEV]

    def test_the_serial_number(self):
        assert sht(["write", "89"], ["read", 6])[2][:4] == "0f4a"

    def test_physical_values_become_words(self):
        clock = Clock()
        model = Sht4x(Rows([[-45, -6], [130, 119], [-99, 200]], raw=False), clock.clock_us)
        clock.now_us += 1000
        words = []
        for _ in range(3):
            model.write(b"\xfd")
            clock.now_us += 8300
            buf = bytearray(6)
            model.read_into(buf)
            words.append((buf[0] << 8 | buf[1], buf[3] << 8 | buf[4]))
        assert words == [(0, 0), (65535, 65535), (0, 65535)]


class TestPms5003:
    def test_a_frame_a_second(self):
        got = pms(
            ["wait", 999_999], ["poll"], ["wait", 1], ["poll"], ["wait", 2_000_000], ["poll"]
        )
        assert [len(x or "") // 2 for x in got] == [0, 0, 0, 32, 0, 64]

    def test_passive_mode_answers_and_waits_to_be_asked(self):
        got = pms(
            ["write", "424de100000170"],
            ["poll"],
            ["wait", 3_000_000],
            ["poll"],
            ["write", "424de200000171"],
            ["poll"],
        )
        assert got[1] == "424d0004e1000174"
        assert got[3] == ""
        assert got[5].startswith("424d001c00010001")

    def test_sleep_ends_everything_but_waking(self):
        got = pms(
            ["write", "424de400000173"],
            ["poll"],
            ["write", "424de100010171"],
            ["wait", 5_000_000],
            ["poll"],
            ["write", "424de400010174"],
            ["wait", 1_000_000],
            ["poll"],
        )
        assert got[1] == "424d0004e4000177"
        assert got[4] == ""
        assert len(got[7]) == 64

    def test_warms_up_with_zeros_and_asks_for_no_sample_meanwhile(self):
        clock = Clock()
        source = Rows([[5] * 12])
        model = Pms5003(source, clock.clock_us)
        clock.sleep(30)
        assert set(model.poll(clock.now_us)[4:30]) == {0}
        clock.sleep(1)
        assert model.poll(clock.now_us)[4:28] == b"\x00\x05" * 12

    def test_finds_a_command_among_garbage(self):
        got = pms(["write", "ff42" + "424d" + "424de100000170"], ["poll"])
        assert got[1] == "424d0004e1000174"

    def test_a_command_with_a_wrong_sum_is_none(self):
        assert pms(["write", "424de100000171"], ["poll"])[1] == ""

    def test_three_columns_are_masses(self):
        clock = Clock()
        model = Pms5003(Rows([[7, 12, 15]]), clock.clock_us, {"warmup_s": 0})
        clock.sleep(1)
        assert model.poll(clock.now_us)[4:28].hex() == "0007000c000f" * 2 + "0000" * 6


class TestI2CBus:
    def test_scan_finds_who_acknowledges(self):
        clock = Clock()
        sht4x = Sht4x(Rows([]), clock.clock_us)
        bus = I2CBus([(0x53, Adxl345(Rows([]), clock.clock_us)), (0x44, sht4x)])
        clock.now_us += 1000
        assert bus.scan() == [0x44, 0x53]
        sht4x.fault("nack")
        assert bus.scan() == [0x53]

    def test_methods_of_machine_i2c(self):
        bus = I2CBus([(0x53, Adxl345(Rows([]), Clock().clock_us))])
        assert bus.readfrom_mem(0x53, 0x00, 1) == b"\xe5"
        bus.writeto_mem(0x53, 0x2C, b"\x0d")
        assert bus.writeto(0x53, b"\x2c") == 1
        assert bus.readfrom(0x53, 1) == b"\x0d"
        assert bus.writevto(0x53, [b"\x2c", b"\x0e"]) == 2
        buf = bytearray(2)
        bus.readfrom_mem_into(0x53, 0x2B, buf)
        assert buf == b"\x00\x0e"

    @pytest.mark.parametrize(
        ("fault", "errno", "freed"), [("stuck", 110, True), ("shorted", 110, False)]
    )
    def test_a_line_that_is_held_low(self, fault, errno, freed):
        bus = I2CBus([(0x53, Adxl345(Rows([]), Clock().clock_us))])
        bus.fault(fault)
        with pytest.raises(OSError, match=f"^{errno}$"):
            bus.readfrom_mem(0x53, 0, 1)
        assert bus.scan() == []
        bus.recover()
        assert bus.scan() == ([0x53] if freed else [])

    def test_an_absent_address(self):
        with pytest.raises(OSError, match=f"^{ENODEV}$"):
            I2CBus([]).writeto(0x44, b"")


class TestUart:
    def test_bytes_arrive_at_the_pace_of_the_line(self):
        clock = Clock()
        uart = Uart(Pms5003(Rows([[5] * 12]), clock.clock_us, {"warmup_s": 0}), clock.clock_us)
        clock.now_us += 999_000
        assert uart.any() == 0
        clock.now_us += 1000
        assert uart.any() <= 1
        clock.now_us += 10_410
        assert 9 <= uart.any() <= 11
        clock.now_us += 25_000
        assert uart.any() == 32
        assert len(uart.read(5)) == 5
        buf = bytearray(40)
        assert uart.readinto(buf) == 27
        assert uart.readinto(buf) is None

    def test_what_the_buffer_has_no_room_for_is_gone_and_counted(self):
        clock = Clock()
        uart = Uart(Pms5003(Rows([[5] * 12]), clock.clock_us, {"warmup_s": 0}), clock.clock_us)
        for _ in range(10):
            clock.sleep(1)
            uart.any()
        clock.sleep(0.5)
        assert uart.any() == 256
        assert uart.dropped == 64


@pytest.mark.parametrize("name", models.NAMES)
def test_an_unknown_fault_is_refused(name):
    model = chips.load(name)(Rows([]), Clock().clock_us)
    with pytest.raises(ValueError, match="known are"):
        model.fault("tired")


def test_no_model_for_an_unknown_driver():
    assert chips.load("nose") is None


WAIT = st.tuples(st.just("wait"), st.integers(0, 500_000))
READS = st.tuples(st.just("read"), st.integers(1, 12))
REGISTER = st.integers(0x1D, 0x39).map(lambda r: f"{r:02x}")
ADXL_WRITE = st.tuples(
    st.just("write"),
    st.one_of(
        REGISTER,
        st.builds("{}{:02x}".format, REGISTER, st.integers(0, 255)),
        st.sampled_from(("2d08", "3880", "3840", "3800", "2c0d", "32", "39", "30")),
    ),
)
ADXL_FAULT = st.tuples(st.just("fault"), st.sampled_from(Adxl345.FAULTS), st.booleans())
SHT_WRITE = st.tuples(
    st.just("write"), st.sampled_from(("fd", "f6", "e0", "89", "94", "39", "32", "", "55"))
)
SHT_FAULT = st.tuples(st.just("fault"), st.sampled_from(Sht4x.FAULTS), st.booleans())
PMS_WRITE = st.tuples(
    st.just("write"),
    st.sampled_from(
        ("424de100000170", "424de100010171", "424de200000171", "424de400000173", "424de400010174")
    ),
)
PMS_FAULT = st.tuples(st.just("fault"), st.sampled_from(Pms5003.FAULTS), st.booleans())
POLL = st.just(("poll",))
PLAYS = st.one_of(
    st.tuples(
        st.just("adxl345"), st.lists(st.one_of(WAIT, READS, ADXL_WRITE, ADXL_FAULT), max_size=40)
    ),
    st.tuples(
        st.just("sht4x"), st.lists(st.one_of(WAIT, READS, SHT_WRITE, SHT_FAULT), max_size=40)
    ),
    st.tuples(
        st.just("pms5003"), st.lists(st.one_of(WAIT, POLL, PMS_WRITE, PMS_FAULT), max_size=40)
    ),
)


@settings(deadline=None, max_examples=60)
@given(played=PLAYS, raw=st.booleans())
def test_a_model_does_the_same_on_both_interpreters(vm, played, raw):
    name, ops = played
    width = {"adxl345": 3, "sht4x": 2, "pms5003": 12}[name]
    here = play(chips, name, Wave(width, raw), {"warmup_s": 0}, ops)
    assert vm.call("transcript", name, width, raw, {"warmup_s": 0}, ops) == here

"""The models of accelerometers, transaction by transaction; the same on the VM and on CPython."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motekit.sim.rom import chips
from tests.on_vm.transcript import Wave, play
from tests.oracle import Rows

ENODEV = 19
# name: what the identity register is and holds, writes that start it in stream mode
PARTS = {
    "lis3dh": ("0f", "33", ("2388", "2440", "2e80", "2057")),
    "sc7a20": ("0f", "11", ("2388", "2440", "2e80", "2057")),
    "mpu6050": ("75", "68", ("6b01", "1909", "1a03", "2308", "6a40")),
    "qmi8658": ("00", "05", ("0240", "0306", "0980", "140e", "0801")),
    "qma6100p": ("00", "97", ("1184", "0f01", "1000", "3e87")),
    "msa311": ("01", "13", ("0f00", "1007", "110e")),
}


def run(name, *ops, rows=None, raw=True):
    rows = rows or [[i, -i, 2 * i] for i in range(1, 400)]
    return play(chips, name, Rows(rows, raw), {}, ops)


def started(name):
    return [["write", data] for data in PARTS[name][2]]


@pytest.mark.parametrize("name", PARTS)
def test_identity_and_that_it_cannot_be_written(name):
    register, value, _ = PARTS[name]
    got = run(name, ["write", register + "55"], ["write", register], ["read", 1])
    assert got[2] == value


@pytest.mark.parametrize("name", PARTS)
def test_takes_no_sample_after_power_on(name):
    data = {"lis3dh": "a8", "sc7a20": "a8", "mpu6050": "3b", "qmi8658": "35"}
    register = data.get(name, "01" if name == "qma6100p" else "02")
    got = run(name, ["wait", 10**7], ["write", register], ["read", 6])
    assert set(got[2][:2]) == {"0"}


@pytest.mark.parametrize(
    ("name", "g", "register", "word"),
    [
        ("lis3dh", 0.35, "a8", "e015"),  # AN3308, "Output data registers": 15E0h at 350 mg
        ("lis3dh", -0.35, "a8", "20ea"),
        ("sc7a20", 1, "a8", "0040"),  # 1024 counts, left-justified
        ("mpu6050", 1, "3b", "4000"),  # 16384 LSB/g, high byte first
        ("mpu6050", -1, "3b", "c000"),
        ("qmi8658", 1, "35", "0040"),  # 16384 LSB/g
        ("qma6100p", 1, "01", "0140"),  # 4096 LSB/g, left-justified, the bit of new data
        ("msa311", 1, "02", "0040"),  # 1024 LSB/g, left-justified
    ],
)
def test_the_words_of_the_datasheets_at_the_range_of_2_g(name, g, register, word):
    ops = [*started(name), ["wait", 100_000], ["write", register], ["read", 2]]
    if name in ("lis3dh", "sc7a20"):
        ops.insert(0, ["write", "2400"])
    assert run(name, *ops, rows=[[g, 0, 0]], raw=False)[-1] == word


def test_an_mpu6050_shows_temperature_as_the_register_map_says():
    high, low = bytes.fromhex(run("mpu6050", ["write", "41"], ["read", 2])[1])
    assert (high << 8 | low) - 0x10000 == round((21.5 - 36.53) * 340)


def test_a_lis3dh_counts_addresses_up_only_if_asked():
    ops = [*started("lis3dh"), ["wait", 12_000], ["write", "28"], ["read", 4]]
    assert run("lis3dh", *ops)[-1] == "10101010"
    ops[-2] = ["write", "a8"]
    assert run("lis3dh", *ops)[-1] == "1000f0ff"


def test_a_lis3dh_tells_its_fifo():
    ops = started("lis3dh")
    for wait in (0, 12_000, 300_000, 10_000, 50_000):
        ops += [["wait", wait], ["write", "2f"], ["read", 1]]
    levels = [int(x, 16) for x in run("lis3dh", *ops) if x]
    assert [level & 0x7F for level in levels] == [0x20, 1, 31, 0x40 | 31, 0x40 | 31]


def test_an_mpu6050_resets_itself_and_sleeps_then():
    ops = [["write", "6b"], ["read", 1], ["wait", 2000], ["write", "6b"], ["read", 1]]
    got = run("mpu6050", ["write", "6b80"], *ops)
    assert [got[2], got[5]] == ["c0", "40"]


def test_an_mpu6050_holds_1024_bytes_and_tells_of_an_overflow_once():
    ops = [*started("mpu6050"), ["wait", 10**7], ["write", "72"], ["read", 2]]
    ops += [["write", "3a"], ["read", 1], ["write", "3a"], ["read", 1]]
    got = run("mpu6050", *ops)
    assert got[-5] == "0400"
    assert int(got[-3], 16) & 0x10
    assert not int(got[-1], 16) & 0x10


def test_a_qmi8658_keeps_its_data_to_itself_until_asked_and_takes_none_meanwhile():
    level = [["write", "15"], ["read", 2], ["write", "17"], ["read", 2]]
    ops = [*started("qmi8658"), ["wait", 3000 + 8000 * 4], *level, ["write", "0a05"]]
    ops += [["wait", 80_000], *level, ["write", "2d"], ["read", 1]]
    got = run("qmi8658", *ops)
    assert [got[7], got[9]] == ["0c10", "0000"]
    assert got[13] == "0c30"  # not one more; data were dropped
    assert got[15] == "0100"
    assert int(got[17], 16) & 0x80


def test_a_qma6100p_is_held_in_reset_until_it_is_let_go():
    ops = [["write", "36b6"], ["write", "1184"], ["write", "11"], ["read", 1]]
    assert run("qma6100p", *ops)[3] == "00"
    assert run("qma6100p", ops[0], ["write", "3600"], *ops[1:])[4] == "84"


def test_an_absent_part_acknowledges_nothing():
    for name in PARTS:
        assert run(name, ["fault", "nack", True], ["write", ""], ["read", 1])[1:] == [ENODEV] * 2


WAIT = st.tuples(st.just("wait"), st.integers(0, 500_000))
READ = st.tuples(st.just("read"), st.integers(1, 14))
FAULTS = ("nack", "wrong_id", "silent", "brownout")
FAULT = st.tuples(st.just("fault"), st.sampled_from(FAULTS), st.booleans())
WRITE = st.tuples(
    st.just("write"),
    st.one_of(
        st.sampled_from([data for _, _, writes in PARTS.values() for data in writes]),
        st.binary(min_size=1, max_size=3).map(bytes.hex),
        st.sampled_from(["a8", "2f", "27", "3a", "74", "72", "15", "17", "0a05", "0a00", "3f"]),
    ),
)


@settings(deadline=None, max_examples=120)
@given(
    name=st.sampled_from(sorted(PARTS)),
    ops=st.lists(st.one_of(WAIT, READ, WRITE, FAULT), max_size=40),
    raw=st.booleans(),
)
def test_a_model_does_the_same_on_both_interpreters(vm, name, ops, raw):
    ops = [*started(name), *ops]
    here = play(chips, name, Wave(6, raw), {}, ops)
    assert vm.call("transcript", name, 6, raw, {}, ops) == here

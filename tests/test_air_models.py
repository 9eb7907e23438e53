"""The models of the air quality parts do the same on the VM and on CPython, whatever is tried."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motekit.sim.rom import chips
from tests.on_vm.transcript import Wave, play

LONG = st.sampled_from((1_000, 50_000, 1_000_000, 5_000_000, 30_000_000))
WAIT = st.tuples(st.just("wait"), st.one_of(st.integers(0, 500_000), LONG))
READ = st.tuples(st.just("read"), st.integers(1, 48))
POLL = st.just(("poll",))
WRITES = {  # name: (channels, what drivers say to it, and some that none should)
    "pmsa003i": (12, ("", "00")),
    "scd4x": (
        3,
        ("21b1", "21ac", "e4b8", "ec05", "3f86", "3682", "202f", "241600007e", "24160001b0"),
    ),
    "sgp41": (2, ("26198000a2666693", "26128000a2666693", "26128000a3666693", "3615", "3682")),
    "sen55": (8, ("0021", "0037", "0104", "0202", "03c4", "d014", "d033", "d206", "d304", "ff")),
    "ens160": (3, ("00", "1002", "1001", "10f0", "138a4a0064", "20", "21", "48", "120e", "30")),
    "sds011": (
        2,
        (
            "aab406010100000000000000000000ffff06ab",
            "aab406010000000000000000000000ffff05ab",
            "aab402010100000000000000000000ffff02ab",
            "aab404000000000000000000000000ffff02ab",
            "aab408010100000000000000000000ffff08ab",
            "aab4ff",
        ),
    ),
    "zh03b": (
        3,
        ("ff0186000000000079", "ff0178410000000046", "ff01a7010000000057", "ff01a70000000000"),
    ),
    "mhz19c": (1, ("ff0186000000000079", "ff0179a000000000e6", "ff0187000000000078", "00ff01")),
    "s8": (1, ("fe0400000004e5c6", "fe06001f0000ac03", "fe03001f0001a1c3", "fe0400", "00")),
}


@pytest.mark.parametrize("name", WRITES)
@settings(deadline=None, max_examples=25)
@given(data=st.data(), raw=st.booleans())
def test_a_model_does_the_same_on_both_interpreters(vm, name, data, raw):
    width, writes = WRITES[name]
    model = chips.load(name)
    kinds = [
        WAIT,
        st.tuples(st.just("write"), st.sampled_from(writes)),
        st.tuples(st.just("fault"), st.sampled_from(model.FAULTS), st.booleans()),
        READ if hasattr(model, "ADDRESSES") else POLL,
    ]
    ops = data.draw(st.lists(st.one_of(kinds), max_size=30))
    here = play(chips, name, Wave(width, raw), {"warmup_s": 0}, ops)
    assert vm.call("transcript", name, width, raw, {"warmup_s": 0}, ops) == here

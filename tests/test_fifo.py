"""What a bus reads the quick way is what the model says; so are many samples at once.

The clock is the virtual board's own, whose functions are plain Python here.
"""

from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motekit.sim.rom import fast, sources
from motekit.sim.rom.bus import I2CBus
from motekit.sim.rom.chips.adxl345 import Adxl345
from motekit.sim.rom.chips.pms5003 import fill, frame, words

ADDRESS = 0x53
BUS_HZ = 100000
NOISE = ((("constant", 0.5), ("noise", 0.05)), (("ramp", -1, 1, 0.7),), (("sine", 1, 0.3, 0.1),))
SETTINGS = ((0x38, 0x80 | 16), (0x31, 0x0B), (0x2D, 0x08))  # stream, full resolution, measure
WAITING = (0x39, 1)
READS = {"waiting": WAITING, "events": (0x30, 1), "sample": (0x32, 6), "two": (0x38, 2)}
RATES = st.sampled_from((0x08, 0x0B, 0x0D))  # 25, 200, 800 Hz
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(0, 600_000)),
        st.tuples(st.just("wait"), st.integers(0, 6_000)),
        st.tuples(st.sampled_from(sorted(READS)), st.integers(1, 20)),
        st.tuples(st.sampled_from(("silent", "stretch", "off", "on")), st.just(0)),
    ),
    max_size=40,
)


class Slow:
    """A part that can be read one transaction after the other only."""

    def __init__(self, model):
        self.write, self.read_into = model.write, model.read_into


def now_us():
    return ((fast.TIME[4] << 30) + fast.TIME[3]) * 1000 + fast.TIME[2]


@pytest.fixture(autouse=True)
def _clock():
    yield
    for i in range(len(fast.TIME)):
        fast.TIME[i] = 0


def ride(steps, rate, start_ms, quick):
    """Return all that is read, and what is known of it in the end."""
    for i, value in enumerate((5, start_ms, 300, start_ms, 0, 0, 0, 0)):
        fast.TIME[i] = value
    source = sources.Generator(NOISE, 7, 5000, 0)
    model = Adxl345(source, now_us)
    bus = I2CBus([(ADDRESS, model if quick else Slow(model))], BUS_HZ)
    for register, value in ((0x2C, rate), *SETTINGS):
        bus.writeto_mem(ADDRESS, register, bytes((value,)))
    said = []
    for what, n in steps:
        if what == "wait":
            fast.advance(n)
        elif what == "silent":
            model.fault(what, what not in model.faults)
        elif what == "stretch":
            bus.fault(what, what not in bus.faults)
        elif what in ("off", "on"):
            bus.writeto_mem(ADDRESS, 0x2D, b"\x08" if what == "on" else b"\x00")
        else:
            # No more than wait, as a driver does.
            most = bus.readfrom_mem(ADDRESS, *WAITING)[0] if what == "sample" else n
            said += [bus.readfrom_mem(ADDRESS, *READS[what]) for _ in range(min(n, most))]
    said.append(bus.readfrom_mem(ADDRESS, *WAITING))
    model.settle()
    return said, model.index, model.lost, source.cursor, bus.transactions, list(fast.TIME)


@settings(deadline=None)
@given(STEPS, RATES, st.sampled_from((0, 0x3FFFFFFF - 400)))
def test_the_quick_way_says_what_the_model_says(steps, rate, start_ms):
    assert ride(steps, rate, start_ms, True) == ride(steps, rate, start_ms, False)


def test_the_quick_way_is_taken(monkeypatch):
    asked = []
    read_mem = Adxl345.read_mem

    def counting(model, register, buf):
        asked.append(register)
        read_mem(model, register, buf)

    monkeypatch.setattr(Adxl345, "read_mem", counting)
    ride([("wait", 80_000), ("waiting", 1), ("events", 1), ("sample", 15)] * 5, 0x0B, 0, True)
    assert asked == [0x39]  # the first look, by which the model knows what is due


@given(st.lists(st.integers(0, 0xFFFF), min_size=12, max_size=12), st.sampled_from((3, 12)))
def test_a_frame_is_filled_as_it_is_made(values, width):
    rows = array("H", [1] * width + values[:width])
    data = bytearray(frame(words((0,) * 12)))
    fill(data, rows, 1, width)
    assert bytes(data) == frame(words(tuple(values[:width])))

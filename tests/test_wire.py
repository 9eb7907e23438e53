"""A board's line in virtual time: its pace and its faults, the same for the same seed."""

import pytest

from motekit.sim.plan import Fault
from motekit.sim.wire import Wire

BAUD = 115_200
DATA = bytes(range(200))
FRAMES = [bytes((n, n, n, 0)) for n in range(1, 201)]


def fault(kind, at_s=0, for_s=None, value=0.0, way="both"):
    return Fault(kind, at_s, for_s, value, way)


def line(*faults, seed="a"):
    return Wire(seed, BAUD, faults)


def joined(arrivals):
    return b"".join(data for _, data in arrivals)


def frames(data):
    return [frame + b"\0" for frame in data.split(b"\0") if frame]


def test_a_clean_line_carries_every_byte_at_its_pace():
    wire = line()
    arrivals = wire.to_board(1000, DATA)
    assert joined(arrivals) == DATA
    times = [at_ms for at_ms, _ in arrivals]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(1000 + len(DATA) * 10_000 / BAUD, abs=1.01)
    later = wire.to_board(1000, DATA)  # it stands behind what is under way
    assert later[-1][0] == pytest.approx(1000 + 2 * len(DATA) * 10_000 / BAUD, abs=1.01)
    assert wire.to_board(60_000, b"x") == [(60_001, b"x")]
    assert wire.to_host(1000, DATA, 1020) == [(1020, DATA)]


def test_a_line_that_is_cut_carries_nothing_and_counts_it():
    wire = line(fault("link_down", 2, 3))
    assert joined(wire.to_board(1_999, DATA)) == DATA
    assert wire.to_board(2_000, DATA) == []
    assert wire.to_host(4_999, DATA, 5_010) == []
    assert wire.cut_bytes == 2 * len(DATA)
    assert joined(wire.to_host(5_000, DATA, 5_000)) == DATA
    assert wire.cut_bytes == 2 * len(DATA)


def test_a_cut_without_an_end_lasts():
    assert line(fault("link_down")).to_host(10**9, DATA, 10**9) == []


@pytest.mark.parametrize("way", ["to_board", "to_host"])
def test_a_half_open_line_carries_one_way(way):
    wire = line(fault("link_half_open", way=way))
    carried = {
        "to_board": joined(wire.to_board(0, DATA)),
        "to_host": joined(wire.to_host(0, DATA, 0)),
    }
    assert carried.pop(way) == b""
    assert [*carried.values()] == [DATA]


def test_damage_is_at_its_rate_in_its_time_and_the_same_for_a_seed():
    def run(seed):
        wire = line(fault("link_corrupt", 1, 1, 0.01), seed=seed)
        assert joined(wire.to_host(999, DATA * 100, 0)) == DATA * 100
        during = joined(wire.to_host(1_500, DATA * 100, 0))
        back = joined(wire.to_board(1_500, DATA))
        assert joined(wire.to_host(2_000, DATA, 0)) == DATA
        wrong = sum(a != b for a, b in zip(during + back, DATA * 101, strict=True))
        assert wrong == wire.corrupted_bytes
        assert 100 < wrong < 350  # 202 expected
        return during, back

    assert run("a") == run("a")
    assert run("a") != run("b")


def test_loss_takes_bytes_and_leaves_the_others():
    wire = line(fault("link_loss", value=0.01))
    arrived = joined(wire.to_host(0, DATA * 100, 0))
    assert len(DATA * 100) - len(arrived) == wire.corrupted_bytes
    assert 100 < wire.corrupted_bytes < 350


def test_frames_come_twice_or_late_and_whole():
    wire = line(fault("link_duplicate", value=0.1))
    arrived = frames(joined(wire.to_host(0, b"".join(FRAMES), 0)))
    assert sorted(set(arrived)) == FRAMES
    assert len(arrived) == len(FRAMES) + wire.corrupted_bytes > len(FRAMES) + 5
    wire = line(fault("link_reorder", value=0.1))
    arrived = frames(joined(wire.to_host(0, b"".join(FRAMES), 0)))
    assert arrived != sorted(arrived) == FRAMES
    assert wire.corrupted_bytes > 5


def test_a_delay_keeps_the_order():
    wire = line(fault("link_delay", 1, 1, 0.5))
    assert wire.to_host(1_500, b"a", 1_500) == [(2_000, b"a")]
    assert wire.to_host(2_000, b"b", 2_000) == [(2_000, b"b")], "not before what is under way"
    ((at_ms, _),) = wire.to_board(1_500, b"c")
    assert at_ms == 2_001

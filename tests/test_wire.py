"""A board's line in virtual time: its pace and its faults, the same for the same seed."""

import pytest

from motekit.sim.scenario import Fault
from motekit.sim.wire import Wire

BAUD = 115_200
DATA = bytes(range(200))


def cut(at_s, for_s):
    return Fault("link_down", at_s, for_s, 0.0, ())


def corruption(at_s, for_s, rate):
    return Fault("link_corrupt", at_s, for_s, rate, ())


def joined(arrivals):
    return b"".join(data for _, data in arrivals)


def test_a_clean_line_carries_every_byte_at_its_pace():
    wire = Wire("a", BAUD, ())
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
    wire = Wire("a", BAUD, (cut(2, 3),))
    assert joined(wire.to_board(1_999, DATA)) == DATA
    assert wire.to_board(2_000, DATA) == []
    assert wire.to_host(4_999, DATA, 5_010) == []
    assert wire.cut_bytes == 2 * len(DATA)
    assert joined(wire.to_host(5_000, DATA, 5_000)) == DATA
    assert wire.cut_bytes == 2 * len(DATA)


def test_a_cut_without_an_end_lasts():
    wire = Wire("a", BAUD, (cut(0, None),))
    assert wire.to_host(10**9, DATA, 10**9) == []


def test_damage_is_at_its_rate_in_its_time_and_the_same_for_a_seed():
    def run(seed):
        wire = Wire(seed, BAUD, (corruption(1, 1, 0.01),))
        before = joined(wire.to_host(999, DATA * 100, 0))
        during = joined(wire.to_host(1_500, DATA * 100, 0))
        back = joined(wire.to_board(1_500, DATA))
        assert before == DATA * 100
        assert joined(wire.to_host(2_000, DATA, 0)) == DATA
        wrong = sum(a != b for a, b in zip(during + back, DATA * 101, strict=True))
        assert wrong == wire.corrupted_bytes
        assert 100 < wrong < 350  # 202 expected
        return during, back

    assert run("a") == run("a")
    assert run("a") != run("b")

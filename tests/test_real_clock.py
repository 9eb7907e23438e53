"""A virtual board's clock in real time: what a busy machine takes of it passes later."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.coprocess import CoProcess

LATE_US = 20_000
OWED_MOST_US = 60_000_000
CALM = [(1_000_000, 0)] * 200  # in which all is made up for


@pytest.fixture(scope="module", params=(32, 64))
def clock_vm(request):
    with CoProcess(request.param, "clock_bed") as process:
        yield process


def test_a_program_that_works_for_long_has_all_the_time_that_passes(clock_vm):
    assert clock_vm.call("passes", [(500, 0), (3_000_000, 0), (1, 0)]) == [
        500,
        3_000_500,
        3_000_501,
    ]


def test_what_it_waits_for_a_processor_passes_later(clock_vm):
    first, second, third, *_ = clock_vm.call("passes", [(200_000, 190_000), (40_000, 0), *CALM])
    assert first == LATE_US + LATE_US // 4
    assert second == first + 50_000
    assert third == 1_240_000


@st.composite
def steps(draw):
    passed_us = draw(st.lists(st.integers(1, 2_000_000), max_size=20))
    return [(us, draw(st.integers(0, us))) for us in passed_us]


@settings(max_examples=40, deadline=None)
@given(steps=steps())
def test_it_never_goes_back_or_ahead_and_is_right_in_the_end(clock_vm, steps):
    times = clock_vm.call("passes", [*steps, *CALM])
    real = list(accumulate(us for us, _ in [*steps, *CALM]))
    assert all(before < after for before, after in pairwise(times))
    for time_us, real_us in zip(times, real, strict=True):
        assert real_us - OWED_MOST_US - 2_000_000 <= time_us <= real_us
    assert times[-1] == real[-1]

"""The accumulated clock of an epoch, over ticks that wrap at 2^30 us."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.coprocess import CoProcess

LONGEST_US = 32_000_000  # more than the watchdog lets a program stand still


@pytest.fixture(params=[32, 64], scope="module")
def vm(request):
    with CoProcess(request.param, "board_bed", "4m") as process:
        yield process


@settings(max_examples=50, deadline=None)
@given(
    start=st.integers(0, 1 << 31),
    steps=st.lists(st.integers(0, LONGEST_US - 1), max_size=30),
)
def test_it_counts_every_microsecond(vm, start, steps):
    assert vm.call("clock_reads", start, steps) == list(itertools.accumulate(steps))


def test_it_never_goes_back(vm):
    assert vm.call("clock_reads", 5_000_000, [10, -4_000_000, 7]) == [10, 10, 17]


@settings(max_examples=50, deadline=None)
@given(
    start=st.integers(0, 1 << 31),
    jump=st.one_of(st.integers(LONGEST_US, (1 << 29) - 1), st.integers(-(1 << 29), -1)),
)
def test_a_jump_of_the_ticks_is_no_time_that_has_passed(vm, start, jump):
    assert vm.call("clock_reads", start + (1 << 30), [10, jump, 7]) == [10, 10, 17]

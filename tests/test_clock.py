"""The accumulated clock of an epoch, over ticks that wrap at 2^30 us."""

import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st

LONGEST_US = 32_000_000  # more than the watchdog lets a program stand still


@settings(max_examples=50, deadline=None)
@given(
    start=st.integers(0, 1 << 31),
    steps=st.lists(st.integers(0, LONGEST_US - 1), max_size=30),
)
@example(start=(1 << 30) - 5, steps=[10, LONGEST_US - 1])
def test_it_counts_every_microsecond(board_vm, start, steps):
    assert board_vm.call("clock_reads", start, steps) == list(itertools.accumulate(steps))


def test_it_never_goes_back(board_vm):
    assert board_vm.call("clock_reads", 5_000_000, [10, -4_000_000, 7]) == [10, 10, 17]


@settings(max_examples=50, deadline=None)
@given(
    start=st.integers(0, 1 << 31),
    jump=st.one_of(st.integers(LONGEST_US, (1 << 29) - 1), st.integers(-(1 << 29), -1)),
)
def test_a_jump_of_the_ticks_is_no_time_that_has_passed(board_vm, start, jump):
    assert board_vm.call("clock_reads", start + (1 << 30), [10, jump, 7]) == [10, 10, 17]

"""The accumulated clock of an epoch, over ticks that wrap at 2^30 us."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.coprocess import CoProcess


@pytest.fixture(params=[32, 64], scope="module")
def vm(request):
    with CoProcess(request.param, "board_bed", "4m") as process:
        yield process


@settings(max_examples=50, deadline=None)
@given(
    start=st.integers(0, 1 << 31),
    steps=st.lists(st.integers(0, (1 << 29) - 1), max_size=30),
)
def test_it_counts_every_microsecond(vm, start, steps):
    assert vm.call("clock_reads", start, steps) == list(itertools.accumulate(steps))


def test_it_never_goes_back(vm):
    assert vm.call("clock_reads", 5_000_000, [10, -4_000_000, 7]) == [10, 10, 17]

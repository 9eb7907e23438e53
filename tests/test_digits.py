"""The digits that readings are shown with: as many as tell neighbouring counts apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motekit.query.digits import decimals, rounded, rounded_all, shown
from motekit.store import Channel

COUNTS = st.integers(-(2**31), 2**31 - 2)


@pytest.mark.parametrize(
    ("scale", "offset", "expected"),
    [
        (0.0039, 0.0, 4),  # ADXL345, g
        (175 / 65535, -45.0, 4),  # SHT4x, degrees Celsius
        (1.0, 0.0, 0),  # PMS5003, counts of particles
        (1.0, 0.5, 1),
        (0.5, 0.0, 1),
        (100.0, 0.0, 0),
        (-0.01, 20.0, 2),
        (1e-30, 0.0, None),
        (0.0, 1.5, None),
    ],
)
def test_decimals_follow_from_scale_and_offset(scale, offset, expected):
    assert decimals(Channel("x", "", scale, offset)) == expected


@given(COUNTS, st.floats(1e-6, 1e6), st.floats(-1000, 1000))
def test_neighbouring_counts_stay_apart_and_a_value_moves_by_a_tenth_of_one(raw, scale, offset):
    places = decimals(Channel("x", "", scale, offset))
    value, following = (n * scale + offset for n in (raw, raw + 1))
    tenth = scale / 10 + abs(value) * 1e-15
    assert abs(rounded(value, places) - value) <= tenth
    assert rounded(value, places) < rounded(following, places)
    assert float(shown(value, places)) != float(shown(following, places))


@given(st.lists(st.floats(-1e20, 1e20)), st.one_of(st.none(), st.integers(0, 15)))
def test_many_values_are_rounded_as_each(values, places):
    many = rounded_all(np.array(values, np.float64), places)
    assert many == pytest.approx([rounded(value, places) for value in values], abs=1e-9, rel=1e-9)
    assert "-0.0" not in map(repr, many)


def test_counts_are_whole_numbers_and_no_zero_is_negative():
    assert [repr(n) for n in rounded_all(np.array([12.0, -0.0]), 0)] == ["12", "0"]
    assert repr(rounded(-0.00001, 2)) == "0.0"
    assert shown(-0.0, 1) == "0.0"
    assert shown(1.5, 4) == "1.5000"

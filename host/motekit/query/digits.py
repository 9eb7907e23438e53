"""How many digits a channel's numbers deserve: one rule for every place that shows them."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motekit.store import Channel

DECIMALS_MAX = 15  # beyond that a scale is so small that significant digits tell more
SIGNIFICANT = 15  # of what no scale is known for: a 16th is the product's rounding
MEAN_DECIMALS = 2  # more than a reading has: a mean lies between two of them
EXACT_MAX = 1 << 53


def decimals(channel: Channel) -> int | None:
    """Return the decimals that keep neighbouring counts of a channel apart; None if too many.

    A tenth of a count, or fewer where scale and offset have fewer: 0.0039 g deserves 4, counts of
    particles none.
    """
    step = abs(channel.scale)
    if not step:
        return None
    most = max(math.ceil(-math.log10(step)) + 1, 0)
    if most > DECIMALS_MAX:
        return None
    numbers = (channel.scale, channel.offset)
    exact = (d for d in range(most) if all(round(n, d) == n for n in numbers))
    return next(exact, most)


def rounded(value: float, places: int | None) -> float:
    """Return a value with its decimals, as an int if those are none."""
    if places is None:
        return float(f"{value:.{SIGNIFICANT}g}")
    if places == 0 and abs(value) < EXACT_MAX:
        return round(value)
    return round(value, places) + 0.0


def rounded_all(values: NDArray[Any], places: int | None) -> list[float]:
    """Return `rounded` of each value."""
    if places is None or not (np.abs(values) < EXACT_MAX).all():
        return [rounded(value, places) for value in values.tolist()]
    even = np.round(values, places)
    return (even.astype(np.int64) if places == 0 else even + 0.0).tolist()  # no negative zero


def shown(value: float, places: int | None) -> str:
    """Return a value as text with all its decimals, so that numbers in a column line up."""
    return f"{value:.6g}" if places is None else f"{value + 0.0:.{places}f}"

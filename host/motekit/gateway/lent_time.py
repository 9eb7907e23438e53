"""What MicroPython's `time` has and CPython's lacks, for as long as drivers run here.

Drivers ask the module `time` for ticks and short waits, as on a board. Ticks wrap at 2^30, as
there.
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from motekit.clock import Clock

_MASK = (1 << 30) - 1
_HALF = 1 << 29


def ticks_diff(a: int, b: int) -> int:
    """As MicroPython's time.ticks_diff()."""
    return (a - b + _HALF & _MASK) - _HALF


def ticks_add(a: int, d: int) -> int:
    """As MicroPython's time.ticks_add()."""
    return a + d & _MASK


class Ticks:
    """The ticks of a clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def ms(self) -> int:
        """As MicroPython's time.ticks_ms()."""
        return int(self._clock.monotonic() * 1000) & _MASK

    def us(self) -> int:
        """As MicroPython's time.ticks_us()."""
        return self.whole_us() & _MASK

    def whole_us(self) -> int:
        """Return what `us` counts, without its wrap: a pause of any length is told by it."""
        return int(self._clock.monotonic() * 1_000_000)

    def sleep_ms(self, ms: int) -> None:
        """As MicroPython's time.sleep_ms()."""
        self._clock.sleep(ms / 1000)

    def sleep_us(self, us: int) -> None:
        """As MicroPython's time.sleep_us()."""
        self._clock.sleep(us / 1_000_000)


@contextmanager
def lent(clock: Clock) -> Generator[Ticks]:
    """Lend `time` what it lacks; what other programs use of it stays as it is."""
    ticks = Ticks(clock)
    names: dict[str, Callable[..., Any]] = {
        "ticks_ms": ticks.ms,
        "ticks_us": ticks.us,
        "ticks_diff": ticks_diff,
        "ticks_add": ticks_add,
        "sleep_ms": ticks.sleep_ms,
        "sleep_us": ticks.sleep_us,
    }
    before = {name: getattr(time, name) for name in names if hasattr(time, name)}
    for name, function in names.items():
        setattr(time, name, function)
    try:
        yield ticks
    finally:
        for name in names:
            if name in before:
                setattr(time, name, before[name])
            else:
                delattr(time, name)

"""Fixtures: virtual boards by the text of a scenario."""

import contextlib

import pytest

from motekit.sim import scenario as scenarios
from motekit.sim.fleet import running


@pytest.fixture
def write_scenario(tmp_path):
    """Return a function that writes a scenario beside the test's other files and loads it."""

    def write(text, name="scenario.toml"):
        path = tmp_path / name
        path.write_text(text)
        return scenarios.load(path)

    return write


@pytest.fixture
def fleet(write_scenario):
    """Return a function that runs the boards of a scenario (its text) until the test ends.

    Options are those of motekit.sim.fleet.Fleet: bits, heap_bytes, folder, files, on_event.
    """
    with contextlib.ExitStack() as stack:
        yield lambda text, **options: stack.enter_context(running(write_scenario(text), **options))

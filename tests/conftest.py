"""Fixtures: virtual boards by the text of a scenario; a VM that runs a driver on a chip model."""

import contextlib
import os
import signal
import threading

import pytest

from motekit import places
from motekit.sim import scenario as scenarios
from motekit.sim.fleet import running
from tests.coprocess import CoProcess

collect_ignore = ["example_project"]  # a project of its own: test_testing.py runs it

# A shell that runs the tests in its background has them ignore Ctrl-C, and programs inherit that:
# those that a test starts and interrupts would never end.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


# What a service or a shell says of its terminal, which rich, click and pytest would heed in the
# programs that tests start; those that need a width say so themselves.
for _name in ("CI", "BUILD_NUMBER", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
    os.environ.pop(_name, None)

# Where Python is forbidden to keep what it has compiled, hundreds of programs that tests start
# would compile all of motekit each: it is kept where other things are that were made.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    os.environ["PYTHONPYCACHEPREFIX"] = str(places.made() / "pycache")


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


@pytest.fixture(scope="module", params=(32, 64))
def vm(request):
    """Return a VM of either word size in which a driver meets its chip: on_vm/driver_bed.py."""
    with CoProcess(request.param, "driver_bed") as process:
        yield process


@pytest.fixture(scope="module", params=(32, 64))
def board_vm(request):
    """Return a VM of either word size that runs parts of the firmware: on_vm/board_bed.py."""
    with CoProcess(request.param, "board_bed") as process:
        yield process

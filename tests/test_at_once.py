"""Many at once: results in order, and an interrupt that waits for what has to be put in order."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from motekit.at_once import at_once
from tests.programs import started

HOST = Path(__file__).parents[1] / "host"
PROGRAM = r"""
import os
import time
from motekit.at_once import at_once

def work(name, stopped):
    os.write(1, b"begun\n")  # one call: two threads' print would mix
    while not stopped():
        time.sleep(0.01)
    time.sleep(0.3)
    os.write(1, b"in order\n")

at_once(["a", "b"], work, end_s=5)
"""


def test_results_are_in_the_order_of_the_names():
    assert at_once(list("abc"), lambda name, _: time.sleep(0.03 * (name < "c")) or name, 1) == [
        *"abc"
    ]


def test_no_more_than_that_many_at_a_time():
    lock, running, most = threading.Lock(), [], []

    def work(name, _):
        with lock:
            running.append(name)
            most.append(len(running))
        time.sleep(0.01)
        running.remove(name)

    at_once([str(n) for n in range(20)], work, 1, most=3)
    assert max(most) <= 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_ours_is_raised_once_the_others_are_done():
    done = []

    def work(name, _):
        if name == "a":
            raise ZeroDivisionError
        time.sleep(0.1)
        done.append(name)

    with pytest.raises(ZeroDivisionError):
        at_once(list("abc"), work, 1)
    assert sorted(done) == ["b", "c"]


def test_an_interrupt_waits_for_the_end_of_all():
    with started(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": f"{HOST}{os.pathsep}{HOST.parent / 'firmware'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert [process.stdout.readline() for _ in "ab"] == ["begun\n"] * 2
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=90)
        finally:
            process.kill()
    assert out.count("in order") == 2

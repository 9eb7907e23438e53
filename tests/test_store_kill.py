"""SIGKILL at any moment: what was acknowledged is there, and nothing is there twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from motekit.store import Store
from tests.packets import DEVICE
from tests.programs import started

ROOT = Path(__file__).parents[1]
KILLS = 12
STARTED_S = 30


def run_and_kill(path, first, group, after_s):
    """Run the child, kill it `after_s` after its first commit; return its last ack."""
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("host", "firmware", "."))
    }
    command = [sys.executable, str(ROOT / "tests" / "kill_child.py"), str(path), str(first)]
    with started([*command, str(group)], stdout=subprocess.PIPE, env=env, text=True) as child:
        try:
            line = child.stdout.readline()
            time.sleep(after_s)
        finally:
            child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split("\n")[:-1]  # a last line without its end was not told
        child.wait(STARTED_S)
    assert child.returncode == -signal.SIGKILL
    return int(rest[-1] if rest else line)


@pytest.mark.parametrize("group", [1, 7])
def test_what_was_acknowledged_is_there_once(tmp_path, group):
    chance = random.Random(group)
    path = tmp_path / "fleet.motekit"
    first = 0
    for kill in range(KILLS):
        acked = run_and_kill(path, first, group, chance.uniform(0, 0.15))
        with Store.open(path) as store:
            ((_, _, settled),) = store.acknowledged(DEVICE)
            assert settled >= acked, f"kill {kill}: {acked} was acknowledged, {settled} is there"
            found = [
                stored.seq for stream in range(3) for _, stored in store.packets(DEVICE, stream)
            ]
            assert sorted(found) == list(range(settled + 1)), f"kill {kill}"
            assert store.missing(DEVICE, 0, 1) == []
            streams = store.streams()
            assert sum(stream.packets for stream in streams) == settled + 1
        # the board sends again what it has no ack for, and some that it has
        first = max(acked + 1 - chance.randrange(20), 0)
    assert settled > KILLS * group
    with Store.open(path, readonly=True) as store:
        sealed = store.path.stat().st_size
    assert sealed > 0


def test_the_lock_of_a_killed_collector_is_free(tmp_path):
    path = tmp_path / "fleet.motekit"
    run_and_kill(path, 0, 1, 0)
    for _ in range(3):
        with Store.open(path) as store:
            assert store.devices() == [DEVICE]

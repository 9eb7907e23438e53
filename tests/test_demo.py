"""The demonstration: the whole chain, its summary, and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from packets import DEVICE, samples

from motekit import demo
from motekit.errors import StoreError
from motekit.sim import scenario
from motekit.store import Received, Store

ROOT = Path(__file__).parents[1]
SHORT = """
seed = 5
duration_s = 3
clock = "real"

[[board]]
count = 2
board = "esp32-c3-devkitm-1"

  [[board.sensor]]
  driver = "adxl345"
  options = { rate_hz = 100 }

[[board]]
board = "esp32-devkitc"

  [[board.sensor]]
  driver = "sht4x"
  period_s = 0.5
"""


def test_the_scenario_is_three_boards_with_different_sensors():
    plan = scenario.load(demo.SCENARIO)
    assert len(plan.boards) == 3
    assert len({tuple(s.sensor.driver for s in b.sensors) for b in plan.boards}) == 3
    assert len({b.board.name for b in plan.boards}) == 3
    assert 20 <= plan.duration_s <= 60


def test_all_that_was_sampled_is_stored_once(tmp_path):
    plan = tmp_path / "short.toml"
    plan.write_text(SHORT)
    ticks = []
    with demo.running(tmp_path / "demo.motekit", lambda _: None, plan) as running:
        running.run(lambda: ticks.append(len(running.collector.live.rows())))
        outcome, streams = running.outcome(), running.streams()
    assert outcome.gaps == outcome.unacked == 0
    samples = {}
    for flow in streams:
        samples.setdefault(flow.stream, []).append(flow.samples)
    assert sorted(samples) == ["adxl345", "sht4x"]
    assert len(samples["adxl345"]) == 2
    assert all(270 <= n <= 310 for n in samples["adxl345"])
    assert all(5 <= n <= 8 for n in samples["sht4x"])
    assert outcome.samples == sum(flow.samples for flow in streams)
    assert ticks[-1] == 3


def test_a_second_run_replaces_the_first(tmp_path):
    plan = tmp_path / "short.toml"
    plan.write_text(SHORT.replace("duration_s = 3", "duration_s = 1"))
    counted = []
    for _ in range(2):
        with demo.running(tmp_path / "demo.motekit", lambda _: None, plan) as running:
            running.run(lambda: None)
            counted.append(len(running.store.devices()))
    assert counted == [3, 3]


@pytest.mark.parametrize("content", [b"precious diary", b"SQLite format 3\0 torn"])
def test_a_file_that_is_no_store_is_not_replaced(tmp_path, content):
    path = tmp_path / "diary"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="diary"), demo.running(path, lambda _: None):
        pass
    assert path.read_bytes() == content


def test_a_store_of_other_boards_is_not_replaced(tmp_path):
    path = tmp_path / "fleet.motekit"
    beside = tmp_path / "fleet.motekit.backup"
    beside.write_text("kept")
    with Store.open(path, create=True) as store:
        store.append([Received(DEVICE, samples(), False)])
    said = f"holds data of {DEVICE}"
    with pytest.raises(StoreError, match=said), demo.running(path, lambda _: None):
        pass
    with Store.open(path, readonly=True) as store:
        assert store.devices() == [DEVICE]
    assert beside.read_text() == "kept"


@pytest.mark.parametrize("after_s", [0.0, 4.0])
def test_ctrl_c_ends_it_without_a_traceback(tmp_path, after_s):
    path = os.pathsep.join((str(ROOT / "host"), str(ROOT / "firmware")))
    with subprocess.Popen(
        [sys.executable, "-m", "motekit", "demo", "--json", "--store", tmp_path / "d.motekit"],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert "starting" in running.stderr.readline()
        time.sleep(after_s)
        running.send_signal(signal.SIGINT)
        said, complained = running.communicate(timeout=30)
    assert "Traceback" not in complained
    if said:
        assert json.loads(said.splitlines()[-1])["ended"] is False
    assert running.returncode in (0, 130)

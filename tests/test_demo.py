"""The demonstration: the whole chain, its summary, and Ctrl-C."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from motekit import demo
from motekit.errors import StoreError
from motekit.sim import scenario
from motekit.store import Store
from tests.packets import DEVICE, received, samples
from tests.programs import started

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
    assert all(100 <= n <= 310 for n in samples["adxl345"])  # the clock is the real one
    assert all(2 <= n <= 8 for n in samples["sht4x"])
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


def _diary(path):
    path.write_text("precious diary")


def _other_database(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE precious (diary TEXT)")


def _newer_store(path):
    Store.open(path, create=True).close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


def _fleet(path):
    with Store.open(path, create=True) as store:
        store.append([received(samples())])


def _fleet_with_an_unknown_format(path):
    with Store.open(path, create=True) as store:
        store.quarantine(DEVICE, b"?", "no packet that this motekit knows")


OTHERS = {
    "a text": (_diary, "no motekit store"),
    "another program's": (_other_database, "another program"),
    "a newer store": (_newer_store, "format 99"),
    "a fleet's store": (_fleet, "other data"),
    "a fleet's quarantine": (_fleet_with_an_unknown_format, "other data"),
    "an empty file": (Path.touch, "no motekit store"),
    "a folder": (Path.mkdir, "folder"),
}


def _demo(*args):
    path = os.pathsep.join((str(ROOT / "host"), str(ROOT / "firmware")))
    return started(
        [sys.executable, "-m", "motekit", "demo", *args],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("make", "why"), OTHERS.values(), ids=OTHERS)
def test_what_no_earlier_run_made_is_refused_and_left_alone(tmp_path, make, why):
    path = tmp_path / "precious"
    make(path)
    before = path.is_file() and path.read_bytes()
    with _demo("--store", path) as running:
        said, complained = running.communicate(timeout=90)
    assert running.returncode == 1
    assert said == ""
    assert f"{path}: " in complained
    assert why in complained
    assert "name a new file with --store" in complained
    assert (path.is_file() and path.read_bytes()) == before


def test_files_whose_names_begin_alike_are_left_alone(tmp_path):
    (tmp_path / "demo-diary.txt").write_text("precious")
    plan = tmp_path / "short.toml"
    plan.write_text(SHORT.replace("duration_s = 3", "duration_s = 0.2"))
    for _ in range(2):
        with demo.running(tmp_path / "demo", lambda _: None, plan):
            pass
    assert (tmp_path / "demo-diary.txt").read_text() == "precious"


def test_a_store_that_is_being_collected_into_is_not_replaced(tmp_path):
    path = tmp_path / "busy.motekit"
    with (
        Store.open(path, create=True),
        pytest.raises(StoreError, match="another collector"),
        demo.running(path, lambda _: None),
    ):
        pass
    assert path.exists()


@pytest.mark.parametrize("after_s", [0.0, 4.0])
def test_ctrl_c_ends_it_without_a_traceback(tmp_path, after_s):
    with _demo("--json", "--store", tmp_path / "d.motekit") as running:
        assert "starting" in running.stderr.readline()
        time.sleep(after_s)
        running.send_signal(signal.SIGINT)
        said, complained = running.communicate(timeout=90)
    assert "Traceback" not in complained
    if said:
        assert json.loads(said.splitlines()[-1])["ended"] is False
    assert running.returncode == 130

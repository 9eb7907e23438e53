"""Worlds: boards, lines, faults and the real collector in one virtual time, the same each time."""

import hashlib

import pytest

from motekit.sim.world import World
from motekit.store import Store

SHAKER = """
[[board]]
count = {count}
board = "esp32-c3-devkitm-1"
{more}

  [[board.sensor]]
  driver = "adxl345"
  options = {{ rate_hz = 50 }}

    [board.sensor.source]
    accel_x = {{ sine = {{ amplitude = 0.4, period_s = 0.4 }}, noise = {{ sd = 0.02 }} }}
    accel_z = {{ constant = 1.0, noise = {{ sd = 0.01 }} }}

  [[board.sensor]]
  driver = "sht4x"
  period_s = 1
  source = {{ humidity = {{ sine = {{ mean = 45, amplitude = 9, period_s = 60 }} }} }}
"""
FAULTS = """
[[fault]]
kind = "link_down"
at_s = 8
for_s = 6
board = 0

[[fault]]
kind = "link_corrupt"
at_s = 5
for_s = 20
rate = 0.002
board = [0, 1]

[[fault]]
kind = "power_cut"
at_s = 15
for_s = 2
board = 2

[[fault]]
kind = "i2c_nack"
at_s = 12
for_s = 4
board = 1
"""
BARE = '[[board]]\nboard = "esp32-c3-devkitm-1"\n'


def scenario(count=1, duration_s=20, seed=7, more="", faults=""):
    head = f"seed = {seed}\nduration_s = {duration_s}\n"
    return head + SHAKER.format(count=count, more=more) + faults


@pytest.mark.parametrize("bits", [32, 64])
def test_the_same_seed_gives_the_same_packets_and_the_same_store(write_scenario, tmp_path, bits):
    plan = write_scenario(scenario(count=3, duration_s=30, faults=FAULTS))
    seen = []
    for run in range(2):
        path = tmp_path / f"{run}.motekit"
        with World(plan, bits=bits, store=path) as world:
            world.run()
            assert all(board.done and not board.unacked for board in world.boards)
            counted = [(b.wire.corrupted_bytes, b.wire.cut_bytes, b.counts) for b in world.boards]
            notices = list(world.notices)
        seen.append((hashlib.sha256(path.read_bytes()).hexdigest(), counted, notices))
    assert seen[0] == seen[1]
    damage, cut, counts = zip(*seen[0][1], strict=True)
    assert damage[0] > 3
    assert damage[1] > 3
    assert damage[2] == 0
    assert cut[0] > 500
    assert counts[2].resets == {"power_on": 1}
    with Store.open(tmp_path / "0.motekit", readonly=True) as store:
        devices = store.summary().devices
    assert len(devices) == 3
    assert [device.missing for device in devices] == [0, 0, 0]


def test_another_seed_gives_other_packets(write_scenario, tmp_path):
    seen = set()
    for seed in (1, 2):
        path = tmp_path / f"{seed}.motekit"
        with World(write_scenario(scenario(duration_s=5, seed=seed)), store=path) as world:
            world.run()
        seen.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(seen) == 2

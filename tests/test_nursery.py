"""Boards that are alike begin in one VM, which forks: they are none the different for it."""

import os
import sys
from pathlib import Path

import pytest

from motekit.sim import nursery
from motekit.sim.world import World

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the VM forks on Linux alone")

BOARDS = """
seed = 5
duration_s = 12

[[board]]
board = "esp32-c3-devkitm-1"
count = {count}

  [[board.sensor]]
  driver = "adxl345"
  options = {{ rate_hz = 100 }}
  source = {{ accel_z = {{ constant = 1.0, noise = {{ sd = 0.1 }} }} }}

  [[board.sensor]]
  driver = "sht4x"
  source = {{ temperature = 20, humidity = {{ noise = {{ mean = 40, sd = 3 }} }} }}
"""
FEWEST = nursery.FEWEST


@pytest.fixture
def born(monkeypatch):
    """Return the boards that begin in nurseries, as they do."""
    found = []
    bear = nursery.Nursery.bear

    def noted(self, prepared, spec):
        found.append(spec["device"])
        return bear(self, prepared, spec)

    monkeypatch.setattr(nursery.Nursery, "bear", noted)
    return found


def samples(world):
    """Return the packets of samples of each board, as they came."""
    streams = {board.device: range(2) for board in world.boards}
    return {
        device: [[p.data for _, p in world.store.packets(device, n)] for n in numbers]
        for device, numbers in streams.items()
    }


def free_bytes(text):
    """Return how much heap the boards of a scenario have left after some seconds.

    With 64 bits there is so much of it that no rare module is let go of meanwhile.
    """
    with World(text, bits=64) as world:
        world.run(until_s=4)
        asked = [world.collector.ask(board.device, "status") for board in world.boards]
        world.run(until_s=6)
        return [each.result(0)["heap_free"] for each in asked]


def test_boards_of_a_nursery_have_the_heap_of_boards_alone(write_scenario):
    alone = free_bytes(write_scenario(BOARDS.format(count=1)))
    together = free_bytes(write_scenario(BOARDS.format(count=FEWEST)))
    assert all(abs(each - alone[0]) <= 2048 for each in together), (alone, together)


@pytest.mark.parametrize("bits", [32, 64])
def test_boards_of_a_nursery_say_what_boards_alone_do(write_scenario, born, bits):
    with World(write_scenario(BOARDS.format(count=FEWEST - 1)), bits=bits) as alone:
        alone.run()
        expected = samples(alone)
    assert not born
    with World(write_scenario(BOARDS.format(count=FEWEST)), bits=bits) as together:
        together.run()
        assert not [n.text for n in together.notices if n.kind == "warning"]
        found = samples(together)
    assert len(born) == FEWEST
    assert len({str(each) for each in found.values()}) == FEWEST
    for device in expected:
        assert found[device] == expected[device]


def test_each_has_its_own_files_power_and_end(write_scenario, born, tmp_path):
    with World(write_scenario(BOARDS.format(count=FEWEST)), folder=tmp_path) as world:
        world.run(until_s=5)
        pids = {board.pid for board in world.boards}
        assert len(pids) == FEWEST
        for board in world.boards:
            printed = tmp_path / f"board-{board.plan.index}" / "serial.txt"
            assert f"device {board.device} " in printed.read_text()
        world.board(1).power_cut()
        world.run()
        assert [board.counts.starts for board in world.boards] == [1, 2, 1, 1]
        assert all(board.done and not board.unacked for board in world.boards)
        pids |= {world.board(1).pid}
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_one_that_ends_is_seen_to_have_crashed_alone(write_scenario, born):
    with World(write_scenario(BOARDS.format(count=FEWEST))) as world:
        world.run(until_s=3)
        os.kill(world.board(2).pid, 9)
        world.run()
        assert [board.crashed for board in world.boards] == [False, False, True, False]


def test_boards_that_differ_or_have_a_past_begin_alone(write_scenario, born, tmp_path):
    differs = BOARDS.format(count=FEWEST) + '[[fault]]\nkind = "link_down"\nat_s = 8\nboard = 0\n'
    with World(write_scenario(differs), folder=tmp_path) as world:
        world.run(until_s=1)
    assert not born
    with World(write_scenario(BOARDS.format(count=FEWEST)), folder=tmp_path) as world:
        world.run(until_s=1)
    assert not born


def test_a_vm_that_cannot_fork_starts_each_by_itself(write_scenario, born, monkeypatch):
    monkeypatch.setattr(nursery.Nursery, "_word", lambda _: None)
    with World(write_scenario(BOARDS.format(count=FEWEST))) as world:
        world.run()
        assert all(board.done and not board.unacked for board in world.boards)
    assert not born

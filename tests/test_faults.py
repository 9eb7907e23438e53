"""Every kind of fault: the firmware rides it out, says so, and others are not disturbed.

All boards of one World; each has one fault, from 20 s on, the last has none.
"""

import json
from typing import NamedTuple

import pytest

from motefw.packet import NOTE
from motekit.sim import scenario
from motekit.sim.faults import KINDS
from motekit.sim.world import World
from tests.content import Content

AT_S, FOR_S = 20, 10
RECOVERY_S = 60
DURATION_S = AT_S + FOR_S + RECOVERY_S
BOARD = """
[[board]]
board = "{board}"

  [[board.sensor]]
  driver = "adxl345"
  options = {{ rate_hz = 25 }}
  replay = {{ file = "count.csv", raw = true }}

  [[board.sensor]]
  driver = "sht4x"
  bus = "i2c0"

  [[board.sensor]]
  driver = "pms5003"
  options = {{ warmup_s = 0 }}
"""
FAULT = '[[fault]]\nkind = "{kind}"\nat_s = {at_s}\n{more}\nboard = {board}\n'
LASTS = f"for_s = {FOR_S}"


class Case(NamedTuple):
    """A fault, how it is made, and what is to be seen of it."""

    kind: str
    more: str = LASTS
    lost: tuple[str, ...] = ()  # streams that lose samples
    resets: tuple[str, ...] = ()
    said: tuple[str, ...] = ()  # sensors that are reported, and are well again
    ends_s: float = AT_S + FOR_S


I2C = ("adxl345", "sht4x")
ALL = ("adxl345", "sht4x", "pms5003")
CASES = (
    Case("link_down"),
    Case("link_half_open", LASTS + '\nway = "to_host"'),
    Case("link_half_open", LASTS + '\nway = "to_board"'),
    Case("link_corrupt", LASTS + "\nrate = 0.01"),
    Case("link_loss", LASTS + "\nrate = 0.01"),
    Case("link_duplicate", LASTS + "\nrate = 0.5"),
    Case("link_reorder", LASTS + "\nrate = 0.5"),
    Case("link_delay", LASTS + "\ndelay_s = 2.5"),
    Case("link_interrupt", LASTS + "\nrate = 0.01"),
    Case("reboot", "", resets=("hard",), ends_s=AT_S),
    Case("power_cut", LASTS, resets=("power_on",)),
    Case("stall", "for_s = 5", ("adxl345",), ends_s=AT_S + 5),
    Case("stall", "for_s = 40", resets=("watchdog",), ends_s=AT_S + 30),
    Case("ticks_jump", "jump_s = 631152000", resets=("watchdog",), ends_s=AT_S + 30),
    Case("ticks_jump", "jump_s = -631152000", resets=("watchdog",), ends_s=AT_S + 30),
    Case("ticks_drift", LASTS + "\nppm = 500"),
    Case("ticks_drift", LASTS + "\nppm = -500"),
    Case("memory_pressure", LASTS + "\nfree_bytes = 2048"),
    Case("flash_write_error"),
    Case("flash_erase_error"),
    Case("flash_torn"),
    Case("i2c_nack", lost=("adxl345",), said=I2C),
    Case("bad_checksum", said=("sht4x", "pms5003")),
    Case("uart_garbage"),
    Case("sensor_absent", lost=("adxl345",), said=I2C),
    Case("sensor_silent", lost=("adxl345",), said=("adxl345",)),
    Case("wrong_id"),
    Case("brownout", "", ("adxl345",), said=("adxl345",), ends_s=AT_S),
    Case("fifo_overrun", "", ("adxl345",), ends_s=AT_S + 5),
    Case("i2c_stuck"),
    Case("i2c_shorted", lost=("adxl345",), said=I2C),
    Case("i2c_stretch", LASTS + "\ndelay_s = 0.01"),
    Case("i2c_stretch", LASTS + "\ndelay_s = 0.1", lost=("adxl345",), said=I2C),
    Case("uart_overflow", said=("pms5003",)),
)
SIMPLE = [case for case in CASES if not case.kind.startswith("flash_")]
HEALTHY = len(SIMPLE)


def write(folder, cases, duration_s=DURATION_S):
    rows = "".join(f"{i % 1000},{i // 1000},7\n" for i in range(25 * 200))
    (folder / "count.csv").write_text("x,y,z\n" + rows)
    text = f"seed = 5\nduration_s = {duration_s}\n"
    text += BOARD.format(board="esp32-c3-devkitm-1") * (len(cases) + 1)
    for i, case in enumerate(cases):
        text += FAULT.format(kind=case.kind, at_s=AT_S, more=case.more, board=i)
    (folder / "all.toml").write_text(text)
    return scenario.load(folder / "all.toml")


@pytest.fixture(scope="module")
def ridden(tmp_path_factory):
    """Return what came of each case, and of a board without a fault."""
    plan = write(tmp_path_factory.mktemp("faults"), SIMPLE)
    with World(plan) as world:
        world.run()
        yield world

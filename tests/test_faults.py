"""Every kind of fault: the firmware rides it out and reports it, and nobody else is disturbed.

All boards of one World; each has one fault, from 20 s on, the last has none.
"""

from typing import NamedTuple

import numpy as np
import pytest

from motekit.errors import LinkError, ScenarioError
from motekit.query.clock import Clock
from motekit.sim import scenario
from motekit.sim.faults import CHIP, KINDS, WIFI
from motekit.sim.fleet import running
from motekit.sim.sim_pipe import START_UTC_S
from motekit.sim.world import World
from tests import content

AT_S, FOR_S = 20, 10
RECOVERY_S = 60
NAMES = ("adxl345", "sht4x", "pms5003")
I2C = NAMES[:2]
BOARD = """
[[board]]
board = "esp32-c3-devkitm-1"

  [[board.sensor]]
  driver = "adxl345"
  options = { rate_hz = 25 }
  replay = { file = "count.csv", raw = true, loop = true }

  [[board.sensor]]
  driver = "sht4x"

  [[board.sensor]]
  driver = "pms5003"
  options = { warmup_s = 0 }
"""
LASTS = f"for_s = {FOR_S}"


class Case(NamedTuple):
    """A fault, how it is made, and what is to be seen of it."""

    kind: str
    more: str = LASTS
    lost: tuple[str, ...] = ()  # streams with notes of what they lost
    said: tuple[tuple[str, str], ...] = ()  # states of sensors that are told, and ok again
    resets: tuple[str, ...] = ()
    reboot: bool = False  # amid the fault, which is seen at a start


CASES = (
    Case("link_down"),
    Case("link_half_open", LASTS + '\nway = "to_host"'),
    Case("link_half_open", LASTS + '\nway = "to_board"'),
    Case("link_corrupt", LASTS + "\nrate = 0.01"),
    Case("link_loss", LASTS + "\nrate = 0.01"),
    Case("link_duplicate", LASTS + "\nrate = 0.5"),
    Case("link_reorder", LASTS + "\nrate = 0.5"),
    Case("link_delay", LASTS + "\ndelay_s = 2.5"),
    Case("link_interrupt", LASTS + "\nrate = 0.005"),
    Case("reboot", "", resets=("hard",)),
    Case("power_cut", LASTS, resets=("power_on",)),
    Case("stall", "for_s = 5", ("adxl345", "sht4x")),
    Case("stall", "for_s = 40", resets=("watchdog",)),
    Case("ticks_jump", "jump_s = 631152000", resets=("watchdog",)),
    Case("ticks_jump", "jump_s = -631152000", resets=("watchdog",)),
    Case("ticks_drift", LASTS + "\nppm = 50000"),
    Case("ticks_drift", LASTS + "\nppm = -50000"),
    Case("memory_pressure", LASTS + "\nfree_bytes = 4096"),
    Case("flash_write_error", reboot=True, resets=("hard",)),
    Case("flash_erase_error", reboot=True, resets=("hard",)),
    Case("flash_torn", LASTS, reboot=True, resets=("hard", "power_on")),
    Case("i2c_nack", LASTS, ("adxl345",), (("adxl345", "failing"), ("sht4x", "failing"))),
    Case("bad_checksum", LASTS, (), (("sht4x", "failing"),)),
    Case("uart_garbage"),
    Case("sensor_absent", LASTS, ("adxl345",), (("adxl345", "failing"), ("sht4x", "failing"))),
    Case("sensor_silent", LASTS, ("adxl345",), (("adxl345", "failing"),)),
    Case("wrong_id", LASTS, reboot=True, said=(("adxl345", "wrong"), ("sht4x", "wrong"))),
    Case("brownout", "", ("adxl345",), (("adxl345", "failing"),)),
    Case("fifo_overrun", "", ("adxl345",)),
    Case("i2c_stuck", LASTS),
    Case("i2c_shorted", LASTS, ("adxl345",), (("adxl345", "failing"), ("sht4x", "failing"))),
    Case("i2c_stretch", LASTS + "\ndelay_s = 0.01"),
    Case("i2c_stretch", LASTS + "\ndelay_s = 0.1", ("adxl345",), (("adxl345", "failing"),)),
    Case("uart_overflow", "for_s = 40", ("pms5003",), (("pms5003", "failing"),)),
)
IDS = [f"{case.kind} {case.more}".replace(LASTS, "").split("\n")[0] for case in CASES]
APART = {"host_clock_jump", "onewire_shorted", *(k for k in KINDS if KINDS[k].of in (CHIP, WIFI))}


def fault(kind, more, board, at_s=AT_S):
    return f'[[fault]]\nkind = "{kind}"\nat_s = {at_s}\n{more}\nboard = {board}\n'


def write(folder, count, faults, duration_s=AT_S + 25 + RECOVERY_S + 15):
    content.write_count(folder / "count.csv")
    head = f"seed = 5\nduration_s = {duration_s}\n"
    (folder / "all.toml").write_text(head + BOARD * count + "".join(faults))
    return scenario.load(folder / "all.toml")


def ask(world, name, boards, args=None):
    """Return what boards answer, all asked at once; LinkError if one refuses."""
    end_s = world.now_s + 20
    while not all(world.collector.in_contact(board.device) for board in boards):
        assert world.now_s < end_s, "no contact"
        world.run(until_s=world.now_s + 0.5)
    answers = [world.collector.ask(board.device, name, args or {}) for board in boards]
    while not all(answer.done() for answer in answers):
        assert world.now_s < end_s, f"no answer to {name}"
        world.run(until_s=world.now_s + 0.5)
    return [answer.result() for answer in answers]


class Ridden(NamedTuple):
    """What came of a board."""

    board: object
    status: dict
    later: dict
    runs: list
    lost: dict


@pytest.fixture(scope="module")
def ridden(tmp_path_factory):
    """Return what came of each case, the last of a board without a fault."""
    faults = []
    for i, case in enumerate(CASES):
        faults.append(fault(case.kind, case.more, i))
        if case.reboot:
            faults.append(fault("reboot", "", i, AT_S + 2))
    plan = write(tmp_path_factory.mktemp("faults"), len(CASES) + 1, faults)
    with World(plan) as world:
        boards = world.boards
        world.run(until_s=AT_S + 25 + RECOVERY_S)
        first = ask(world, "status", boards)
        world.run(until_s=world.now_s + 3)
        second = ask(world, "status", boards)
        world.run()
        yield [
            Ridden(
                board,
                *told,
                content.runs(world.store, board.device),
                content.check(world.store, board.device),
            )
            for board, *told in zip(boards, first, second, strict=True)
        ]


def test_every_kind_has_its_case():
    assert {case.kind for case in CASES} == set(KINDS) - APART


@pytest.mark.parametrize("number", range(len(CASES)), ids=IDS)
def test_is_ridden_out_and_reported(ridden, number):
    case, found = CASES[number], ridden[number]
    assert not found.board.crashed
    assert found.board.unacked == 0
    for now, later in zip(found.status["sensors"], found.later["sensors"], strict=True):
        assert (now["name"], now["state"]) == (now["name"], "ok")
        assert later["samples"] > now["samples"]
    for name, state in case.said:
        told = [each for run in found.runs for each in run.states(name)]
        assert state in told
        assert told[-1] == "ok"
    for name in case.lost:
        assert found.lost.get(name, 0) > 0
    assert set(found.board.counts.resets) >= set(case.resets)
    if not (case.resets or case.reboot):
        assert not found.board.counts.resets
        assert len(found.runs) == 1


def test_others_are_not_disturbed(ridden):
    healthy = ridden[-1]
    assert not healthy.lost
    assert [run.states("adxl345") for run in healthy.runs] == [["ok"]]
    assert not healthy.board.counts.resets
    flows = healthy.runs[0].flows
    assert len(flows["adxl345"].rows) > 24 * 115
    assert len(flows["sht4x"].index) > 115


def one(folder, *faults, duration_s=200):
    return write(folder, 1, [fault(*each) for each in faults], duration_s)


def refusal(world, boards, config):
    """Return what a board has against a configuration, "" if it takes it."""
    try:
        ask(world, "config.set", boards, {"config": config})
    except LinkError as e:
        return str(e)
    return ""


@pytest.mark.parametrize("kind", ["flash_write_error", "flash_erase_error"])
def test_a_flash_that_fails_keeps_the_configuration_and_says_why_not(tmp_path, kind):
    plan = one(tmp_path, (kind, "for_s = 30", 0))
    with World(plan) as world:
        boards = world.boards
        before = ask(world, "config.get", boards)[0]
        after = {**before, "name": "other"}
        world.run(until_s=AT_S + 5)
        refused = [text for _ in range(10) if (text := refusal(world, boards, after))]
        assert all("OSError" in text for text in refused)
        assert refused or kind == "flash_erase_error"  # which few writes need
        assert ask(world, "config.get", boards)[0] in (before, after)
        world.run(until_s=AT_S + 40)
        ask(world, "config.set", boards, {"config": {**before, "name": "third"}})
        assert ask(world, "config.get", boards)[0]["name"] == "third"
        world.run()
        assert not boards[0].crashed
        assert content.check(world.store, boards[0].device) == {}


@pytest.mark.parametrize("after", range(6))
def test_power_that_goes_amid_a_write_leaves_a_board_that_boots(tmp_path, after):
    more = f"for_s = 4\nafter = {after}"
    with World(one(tmp_path, ("flash_torn", more, 0), ("reboot", "", 0, AT_S + 1))) as world:
        world.run(until_s=AT_S + 4 + RECOVERY_S)
        board = world.boards[0]
        status = ask(world, "status", [board])[0]
        assert [sensor["state"] for sensor in status["sensors"]] == ["ok"] * 3
        epochs = [run.epoch for run in content.runs(world.store, board.device)]
        assert len(set(epochs)) == len(epochs)
        world.run()
        content.check(world.store, board.device)
        assert not board.crashed


@pytest.mark.parametrize("years", [20, -20])
def test_a_host_whose_calendar_jumps_says_so_and_tells_the_right_time_again(tmp_path, years):
    more = f"for_s = 100\njump_s = {years * 365.25 * 86400}"
    text = f'[[fault]]\nkind = "host_clock_jump"\nat_s = {AT_S}\n{more}\n'
    with World(write(tmp_path, 1, [text], 300)) as world:
        world.run()
        device = world.boards[0].device
        said = [notice.text for notice in world.notices if notice.kind == "warning"]
        assert any("clock" in text for text in said), said
        assert content.check(world.store, device) == {}
        anchors = world.store.anchors(device, world.store.epochs(device)[0].epoch)
        last = anchors[-1]
        assert abs(last.utc_us / 1e6 - START_UTC_S - last.time_us / 1e6) < 1
        clock = Clock(anchors)
        assert bool(clock.refused) == (years > 0)  # one before 2026 tells no time
        times_s = np.arange(1, int(last.time_us / 1e6))
        utc_s = clock.utc_ns(times_s * 1_000_000_000) / 1e9 - START_UTC_S
        assert (abs(utc_s - times_s) < 1).all()


def test_a_fault_of_a_host_that_is_not_simulated_is_refused(tmp_path):
    text = '[[fault]]\nkind = "host_clock_jump"\nat_s = 1\njump_s = 5\n'
    with (
        pytest.raises(ScenarioError, match="possible where a collector is simulated too"),
        running(write(tmp_path, 1, [text])),
    ):
        pass


def test_delays_on_a_port_with_virtual_time_are_refused(tmp_path):
    write(tmp_path, 1, [fault("link_delay", LASTS + "\ndelay_s = 1", 0)])
    path = tmp_path / "all.toml"
    path.write_text('clock = "virtual"\n' + path.read_text())
    plan = scenario.load(path)
    with pytest.raises(ScenarioError, match='clock = "real"'), running(plan):
        pass


ALIKE = (  # a long fault, and a short one within it that breaks the same
    ("i2c_nack", "", "sensor_absent", ""),
    ("i2c_shorted", "", "i2c_shorted", ""),
    ("i2c_stretch", "delay_s = 0.1", "i2c_stretch", "delay_s = 0.01"),
    ("memory_pressure", "free_bytes = 4096", "memory_pressure", "free_bytes = 8192"),
    ("uart_overflow", "", "uart_overflow", ""),
)


def test_the_end_of_a_fault_does_not_end_another(tmp_path):
    """A board with a long fault and a short one in it is like one with the long one alone."""
    faults = []
    for number, (kind, more, other, others) in enumerate(ALIKE):
        lasts = f"for_s = {2 * FOR_S}"
        faults.append(fault(kind, f"{lasts}\n{more}", [2 * number, 2 * number + 1]))
        faults.append(fault(other, f"for_s = 1\n{others}", 2 * number + 1, AT_S + 2))
    plan = write(tmp_path, 2 * len(ALIKE), faults)
    with World(plan) as world:
        world.run(until_s=AT_S + 2 * FOR_S - 1)
        told = ask(world, "status", world.boards)
    for number, (kind, *_) in enumerate(ALIKE):
        alone, both = told[2 * number : 2 * number + 2]
        counts = [[each["samples"] for each in status["sensors"]] for status in (alone, both)]
        assert counts[0] == pytest.approx(counts[1], abs=3), kind
        if kind == "memory_pressure":
            assert both["heap_free"] < 8192, "as the harder one leaves"


def test_a_wire_that_is_held_low_is_told_and_well_again(tmp_path):
    (tmp_path / "wire.toml").write_text(
        'duration_s = 90\n[[board]]\nboard = "esp32-devkitc"\n'
        '[[board.sensor]]\ndriver = "ds18b20"\nbus = "wire0"\n'
        '[[fault]]\nkind = "onewire_shorted"\nat_s = 20\nfor_s = 10\n'
    )
    with World(scenario.load(tmp_path / "wire.toml")) as world:
        world.run()
        (run,) = content.runs(world.store, world.boards[0].device)
    states = run.states("ds18b20")
    assert "failing" in states
    assert states[-1] == "ok"

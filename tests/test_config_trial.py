"""A configuration that is tried, whatever happens meanwhile to board, line, flash or host."""

import pytest

from motekit.configuration import apply, diff, paths, wire
from motekit.configuration.outcome import Wanted
from motekit.errors import LinkError
from motekit.keys import KeyStore
from motekit.sim.world import World
from tests.world_line import WorldLine

AT_S = 30
HEAD = """
seed = 7
duration_s = 600
clock = "virtual"
[[board]]
board = "esp32-c3-devkitm-1"
sensor = [ { driver = "sht4x", period_s = 1, source = { temperature = 21.5, humidity = 45 } } ]
"""
DONE = {"applied", "unchanged"}


@pytest.fixture
def bench(write_scenario):
    worlds = []

    def start(fault=""):
        world = World(write_scenario(HEAD + fault))
        worlds.append(world)
        return WorldLine(world)

    yield start
    for world in worlds:
        world.close()


def change(line, name):
    """Give a board a name; return what became of that."""

    def target(_hello, config):
        return Wanted(paths.changed(config, [paths.Setting(("name",), name)]))

    return apply.change(line, target, KeyStore.empty(), lambda *_: None)


def is_settled(line, name):
    """Tell whether a board keeps a name, and tries nothing."""
    held = wire.read(line.ask)
    return (held.marks.trial, held.marks.next, held.config.get("name")) == (None, None, name)


FAULTS = [
    ("stall", "for_s = 40"),  # until its watchdog comes
    ("power_cut", "for_s = 3"),
    ("reboot", ""),
    ("link_down", "for_s = 10"),
    ("link_loss", "for_s = 20\nrate = 0.1"),
    ("flash_write_error", "for_s = 10"),
    *(("flash_torn", f"for_s = 3\nafter = {n}") for n in range(5)),
]


@pytest.mark.parametrize("before_s", [0.1, 1.5, 3])
@pytest.mark.parametrize(("kind", "more"), FAULTS)
def test_the_board_has_the_one_or_the_other_and_then_what_it_should(bench, kind, more, before_s):
    line = bench(f'[[fault]]\nkind = "{kind}"\nat_s = {AT_S}\n{more}\n')
    assert change(line, "old").state == "applied"
    line.sleep(AT_S - before_s - line.world.now_s)
    try:
        state = change(line, "new").state
    except LinkError:
        state = "refused"
    line.sleep(max(AT_S + 50 - line.world.now_s, 0))
    if state == "applied":
        assert is_settled(line, "new")
    elif state in {"rolled back", "refused"}:
        assert is_settled(line, "old")
    assert change(line, "new").state in DONE
    assert is_settled(line, "new")
    assert not line.world.boards[0].crashed


def test_killed_at_any_moment_the_next_run_ends_the_same(bench):
    """The host's program ends before its n-th question, for every n that there is."""
    line = bench()
    asked = line.ask
    name, n = "a", 0
    while True:
        n += 1
        name = "b" if name == "a" else "a"
        begun = line.asked

        def ask(what, args=None, last=begun + n - 1):
            if line.asked >= last:
                raise KeyboardInterrupt
            return asked(what, args)

        line.ask = ask
        try:
            over = change(line, name).state == "applied"
        except KeyboardInterrupt:
            over = False
        line.ask = asked
        assert change(line, name).state in DONE
        assert is_settled(line, name), n
        if over:
            break
    assert n > 8


def test_what_somebody_else_sets_between_reading_and_sending_stays(bench):
    line = bench()
    asked = line.ask

    def ask(what, args=None):
        if what == "config.part" and line.ask is ask:
            line.ask = asked
            other = {**asked("config.get"), "name": "theirs"}
            asked("config.set", {"config": other})
        return asked(what, args)

    line.ask = ask
    with pytest.raises(LinkError, match=r"was: .*, and the configuration here is"):
        change(line, "ours")
    held = wire.read(line.ask)
    assert held.config["name"] == "theirs"
    assert diff.changes(held.config, {**held.config, "name": "ours"})
    assert change(line, "ours").state == "applied"

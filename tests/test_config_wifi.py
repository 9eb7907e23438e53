"""Wi-Fi out of a plan, on virtual boards in virtual time: kept until the new one has worked."""

import pytest

from motekit.configuration import apply, target
from motekit.keys import KeyStore
from motekit.plan import load
from motekit.sim.world import World
from tests.world_line import WorldLine

HEAD = """
seed = 7
clock = "virtual"
[[board]]
board = "esp32-c3-devkitm-1"
sensor = [ { driver = "sht4x", period_s = 1, source = { temperature = 21.5, humidity = 45 } } ]
[[network]]
ssid = "old"
password = "right horse"
[[network]]
ssid = "new"
password = "battery staple"
at_s = 200
"""
CANARY = "canary in the mine"


@pytest.fixture
def bench(write_scenario, tmp_path):
    with World(write_scenario(HEAD)) as world:
        line = WorldLine(world)
        keys = KeyStore.empty()

        def to_be(*networks):
            text = 'fleet = "acme"\nboard = "esp32-c3-devkitm-1"\n[[sensor]]\ndriver = "sht4x"\n'
            for ssid, password in networks:
                text += f'[[wifi]]\nssid = "{ssid}"\npassword = "{password}"\n'
            (tmp_path / "plan.toml").write_text(text)
            return target.of_plan(load(tmp_path / "plan.toml"), {})

        line.plan = lambda *networks: apply.compare(line, to_be(*networks), keys)
        line.apply = lambda *networks: apply.change(line, to_be(*networks), keys, lambda *_: None)
        yield line


def test_the_old_network_stays_until_the_new_one_has_worked(bench):
    old, new = ("old", "right horse"), ("new", "battery staple")
    done = bench.apply(old)
    assert done.state == "applied", done
    assert "+ wifi" not in str(done.changes)
    assert bench.plan(old).state == "unchanged"

    wrong = bench.apply(("old", CANARY))
    assert wrong.state == "waiting"
    assert wrong.failed
    assert [str(each) for each in wrong.changes] == [
        '~ wifi.old.password: "another" -> "the plan\'s"'
    ]

    early = bench.apply(new)
    assert early.state == "waiting"
    assert early.error.endswith("it keeps old until new has worked")
    assert bench.ask("wifi.get", {})["ssid"] == "old"
    seen = bench.plan(new)
    assert (seen.state, seen.changes) == ("differs", ())
    assert seen.notes == ("wifi: it keeps old until new has worked",)

    bench.sleep(max(0, 210 - bench.world.now_s))
    assert bench.apply(new).state == "applied"
    assert bench.plan(new).state == "unchanged"
    assert bench.ask("wifi.get", {})["ssid"] == "new"
    assert "former" not in bench.ask("wifi.get", {})
    assert bench.plan().state == "unchanged", "a plan without Wi-Fi leaves it alone"
    for outcome in (wrong, early, seen):
        assert CANARY not in repr(outcome)

"""`motekit config` on virtual boards: shown, changed at once, tried, kept or taken back."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from motekit.cli import app
from motekit.configuration import apply, paths, target
from motekit.configuration.outcome import Wanted
from motekit.errors import LinkError
from motekit.keys import KeyStore
from motekit.prompt.raw import RawPrompt
from motekit.store import Store
from motekit.transports.patience import opened
from tests.model_board import ModelBoard, PtyBoard, note_packet

ROOT = Path(__file__).parents[1]
BOARD = "esp32-c3-devkitm-1"
SENSOR = '[[board.sensor]]\ndriver = "sht4x"\nsource = { temperature = 20, humidity = 40 }\n'


def boards(count):
    return f'[[board]]\ncount = {count}\nboard = "{BOARD}"\n{SENSOR}'


@pytest.fixture
def motekit(tmp_path):
    where = os.pathsep.join((str(ROOT / "host"), str(ROOT / "firmware")))
    home = {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
    }

    def run(*args):
        return subprocess.run(
            [sys.executable, "-m", "motekit", *map(str, args)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": where, **home},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return run


def rows(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def to_be(*typed):
    return target.of_settings([paths.setting(each) for each in typed], ())


def test_from_typed_settings_to_a_plan_and_back_to_what_was(fleet, motekit, tmp_path):
    """Two boards, one of which the plan would make worse; then nothing differs but that one."""
    one, two = fleet(boards(2)).boards
    assert motekit("config", "get", one.serial, "sensors.sht4x.driver").stdout == '"sht4x"\n'
    done = motekit("config", "get", one.serial, "nme")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nme: is not there; known: board" in done.stderr
    done = motekit("config", "set", one.serial, "packet.samples=1000000", "--json")
    assert done.returncode == 1
    assert "packet.samples: 1000000, 1 to 512 expected" in done.stderr
    assert "unknown key colour" in motekit("config", "set", one.serial, "colour=red").stderr
    plan = tmp_path / "plan.toml"
    plan.write_text(
        f'fleet = "acme"\nboard = "{BOARD}"\nsite = "north"\n[[sensor]]\ndriver = "sht4x"\n'
        f'bus = "i2c0"\nperiod_s = 0.5\n[[device]]\nname = "roof-1"\nid = "{one.device}"\n'
        f'[[device]]\nname = "roof-2"\nid = "{two.device}"\n[[device.sensor]]\n'
        f'driver = "sht4x"\nbus = "i2c0"\naddress = 69\n'
    )
    both = (plan, one.serial, two.serial)
    done = motekit("config", "plan", *both, "--exit-code")
    assert done.returncode == 3, done.stderr
    assert f'roof-1 ({one.device}): differs\n  + name = "roof-1"\n' in done.stdout
    assert "  + sensors.sht4x.period_ms = 500\n" in done.stdout
    first, second = rows(motekit("config", "plan", *both, "--json", "--out", "kept.plan"))
    assert first["state"] == second["state"] == "differs"
    done = motekit("config", "apply", *both, "--json", "--store", "kept.motekit")
    applied, back = rows(done)
    assert done.returncode == 1
    assert (applied["state"], back["state"]) == ("applied", "rolled back")
    assert {"key": "site", "before": None, "after": "north"} in applied["changes"]
    assert "sht4x gave samples before, and is absent now" in back["error"]
    assert two.device in done.stderr
    done = motekit("config", "plan", *both, "--json")
    same, differs = rows(done)
    assert done.returncode == 0
    assert (same["state"], same["mark"]) == ("unchanged", applied["mark"])
    assert (differs["mark"], differs["changes"]) == (second["mark"], second["changes"])
    (kept,) = rows(motekit("config", "apply", "kept.plan", one.serial, "--json"))
    assert (kept["error"], kept["state"]) == ("", "unchanged")
    with Store.open(tmp_path / "kept.motekit", readonly=True) as store:
        summary = {each.device: each for each in store.summary().devices}
        for device in (one.device, two.device):
            assert summary[device].lost == summary[device].untold == summary[device].cut_off == 0
            assert summary[device].epochs > 1


def test_what_becomes_of_a_trial(fleet, tmp_path, monkeypatch):
    """Three boards at once: power lost, a new sensor that is absent, more than a request holds."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    cut_off, absent, many = fleet(boards(3)).boards
    settings = {
        cut_off.device: ["name=roof"],
        absent.device: ["sensors.shock.driver=adxl345", "sensors.shock.bus=i2c0"],
        many.device: [
            f'sensors."täglich {i}".{each}'
            for i in range(9)
            for each in ("driver=sht4x", "bus=i2c0")
        ],
    }

    def to_be(hello, config):
        typed = [paths.setting(each) for each in settings[hello.device]]
        return Wanted(paths.changed(config, typed))

    def cut(port, what):
        if (port, what) == (cut_off.serial, "looking"):
            cut_off._loop.call_soon_threadsafe(cut_off.power_cut)

    keys = KeyStore.empty()
    ports = [each.serial for each in (cut_off, absent, many)]
    outcomes = apply.apply(ports, to_be, keys, None, cut)
    assert [each.state for each in outcomes] == ["rolled back", "applied", "applied"], outcomes
    told = [(each.name, each.state) for each in outcomes[1].sensors]
    assert told == [("shock", "absent")]
    outcomes = apply.plan(ports, to_be, keys)
    assert [each.state for each in outcomes] == ["differs", "unchanged", "unchanged"]
    assert [str(each) for each in outcomes[0].changes] == ['+ name = "roof"']
    assert outcomes[0].notes == ()
    go_into_files_and_back(tmp_path / "backups", ports)


def go_into_files_and_back(folder, ports):
    """A file a board, brought back where nothing has changed."""
    run = CliRunner().invoke
    done = run(app, ["backup", *ports, str(folder), "--json"])
    saved = rows(done)
    assert [each["state"] for each in saved] == ["saved"] * 3, done.stderr
    assert sorted(map(str, folder.iterdir())) == sorted(each["file"] for each in saved)
    for port, each in zip(ports, saved, strict=True):
        (row,) = rows(run(app, ["restore", each["file"], port, "--json"]))
        assert (row["error"], row["state"]) == ("", "unchanged")
    assert run(app, ["backup", ports[0], saved[1]["file"], "--json"]).exit_code == 1
    assert run(app, ["backup", *ports, saved[1]["file"]]).exit_code == 1


def test_ports_that_are_no_boards_hold_up_nobody(fleet, tmp_path):
    (board,) = fleet(boards(1)).boards
    nose = str(tmp_path / "nose")
    bad, good = apply.plan([nose, board.serial], to_be("name=roof"), KeyStore.empty())
    assert bad.state == "failed"
    assert "no such port" in bad.error
    assert good.state == "differs"


def test_a_stopped_board_is_collected_from_started_and_changed(fleet, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (board,) = fleet(boards(1)).boards
    assert not apply.plan([board.serial], to_be("name=roof"), KeyStore.empty())[
        0
    ].failed  # it runs
    with opened(lambda: RawPrompt.open(board.serial, 40), board.serial, known=True) as prompt:
        assert prompt.execute("print(app.unsent[2] > 0)") == "True\n"
        prompt.leave()
    monkeypatch.setattr("motekit.probe.WAIT_S", 0.1)  # nobody says hello
    monkeypatch.setattr("motekit.client.HELLO_WAIT_S", 0.2)
    path = tmp_path / "fleet.motekit"
    (done,) = apply.apply([board.serial], to_be("name=roof"), KeyStore.empty(), path)
    assert (done.error, done.state) == ("", "applied")
    with Store.open(path, readonly=True) as store:
        (found,) = store.summary().devices
    assert (found.lost, found.untold, found.missing, found.epochs) == (0, 0, 0, 3)


def test_of_a_board_that_is_refused_nothing_is_collected(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    board = ModelBoard(packets=[note_packet("0123456789ab", 7, 0, {"text": "mine"})])

    def other(hello):
        raise LinkError(f"is an {hello.board}, another one is meant")

    path = tmp_path / "fleet.motekit"
    with PtyBoard(board) as there:
        (done,) = apply.apply(
            [there.path], to_be("name=roof"), KeyStore.empty(), path, admit=other
        )
    assert (done.state, done.error) == ("failed", "is an model, another one is meant")
    assert board.tail == 0
    with Store.open(path, readonly=True) as store:
        assert store.summary().devices == ()

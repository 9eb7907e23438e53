"""The commands boards, sensors, firmware and doctor, run as a user runs them."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from motekit import board, bundle, doctor, drivers
from motekit.cli import COMMANDS, show

ROOT = Path(__file__).parents[1]


def _run(*args, cwd=None, **variables):
    path = os.pathsep.join((str(ROOT / "host"), str(ROOT / "firmware")))
    environment = {**os.environ, "PYTHONPATH": path, **variables}
    argv = [sys.executable, "-m", "motekit", *map(str, args)]
    return subprocess.run(
        argv, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def _objects(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("name", [name for name, _ in COMMANDS])
def test_every_command_has_help_and_one_example(name):
    done = _run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Example: motekit") == 1
    assert "--help" in done.stdout


def test_no_help_text_loses_words_to_markup():
    for path in (ROOT / "host/motekit/cli").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.keyword) and call.arg == "help":
                words = [each.value for each in ast.walk(call) if isinstance(each, ast.Constant)]
                assert not re.search(r"\[[a-z$/]", "".join(map(str, words))), (
                    f"{path.name}: {words}"
                )


def test_boards_lists_each_known_board():
    assert {each["board"] for each in _objects(_run("boards", "--json"))} == set(board.names())
    plain = _run("boards").stdout
    assert len(plain.splitlines()) == 1 + len(board.names())


def test_boards_checks_a_file_of_ones_own(tmp_path):
    (tmp_path / "roof.toml").write_text('name = "roof"\nchip = "esp32"\n')
    done = _run("boards", "roof.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("motekit: roof.toml: ")
    assert not done.stdout


def test_an_unknown_board_is_wrong_usage():
    done = _run("boards", "esp32-c3")
    assert done.returncode == 2
    assert "did you mean esp32-c3-devkitm-1?" in done.stderr


def test_sensors_tells_maker_bus_channels_and_rates():
    found = {each["name"]: each for each in _objects(_run("sensors", "--json"))}
    assert set(found) == set(drivers.NAMES)
    for each in found.values():
        assert {"Maker", "Bus", "Source", "Rates"} <= set(each["notes"])
        assert all(channel["unit"] for channel in each["channels"])
    assert "accel_x" in _run("sensors", "adxl345").stdout
    assert _run("sensors", "adxl343").returncode == 2


def test_firmware_fills_a_folder_for_a_board(tmp_path):
    (record,) = _objects(
        _run("firmware", "build", "esp32-s3-devkitc-1", "--out", "s3", "--json", cwd=tmp_path)
    )
    made = tmp_path / "s3"
    assert record["march"] == "xtensawin"
    assert record["files"] == sum(path.is_file() for path in made.rglob("*"))
    assert json.loads((made / "config.json").read_text())["board"] == "esp32-s3-devkitc-1"
    assert {"boot.py", "main.py"} <= {path.name for path in made.iterdir()}
    for module in (made / "motefw").rglob("*"):
        assert module.is_dir() or module.read_bytes()[:2] == b"M\x06"  # .mpy, version 6


def test_firmware_replaces_its_own_output_and_nothing_else(tmp_path):
    board_c3 = board.load("esp32-c3-devkitm-1")
    first = bundle.write(board_c3, tmp_path / "out")
    assert bundle.write(board_c3, tmp_path / "out") == first
    (tmp_path / "out" / "thesis.txt").write_text("precious")
    done = _run("firmware", "build", "esp32-c3-devkitm-1", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "thesis.txt" in done.stderr
    assert (tmp_path / "out" / "thesis.txt").read_text() == "precious"


def test_doctor_finds_what_this_environment_has():
    done = _run("doctor", "--json")
    found = {each["what"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert found["Python"]["state"] == found["mpy-cross"]["state"] == doctor.OK
    needed = [each for each in found.values() if each["state"] == doctor.MISSING]
    assert done.returncode == (1 if needed else 0)
    assert all(each["fix"] for each in needed)


def test_doctor_names_a_fix_for_a_store_that_cannot_be(tmp_path):
    done = _run("doctor", "--json", MOTEKIT_STORE=str(tmp_path / "none" / "fleet.motekit"))
    found = {each["what"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert found["default store"]["state"] == doctor.MISSING
    assert found["default store"]["fix"]
    assert done.returncode == 1


def test_a_command_that_there_is_not_is_wrong_usage():
    done = _run("colect")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_line_to_be_pasted_names_the_program_as_it_was_called(tmp_path, monkeypatch):
    programs = tmp_path / "my tools" / "bin"
    programs.mkdir(parents=True)
    motekit = programs / "motekit"
    motekit.write_text("#!/bin/sh\n")
    motekit.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.defpath)
    monkeypatch.setattr(sys, "argv", [str(motekit)])
    assert show.program() == "'my tools/bin/motekit'"
    assert show.near(tmp_path / "build" / "x") == "build/x"
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.defpath}")
    assert show.program() == "motekit"
    monkeypatch.setattr(sys, "argv", ["/somewhere/motekit/__main__.py"])
    assert show.program().endswith(" -m motekit")


@pytest.mark.parametrize("name", ["mpu6050", "qmi8658"])
def test_sensors_tells_of_channels_that_an_option_adds(name):
    (record,) = _objects(_run("sensors", name, "--json"))
    more = {each["name"]: each for each in record["optional_channels"]}
    assert {"gyro_x", "gyro_y", "gyro_z"} <= more.keys() or {"rotation_x"} <= more.keys()
    assert all(each["with"].startswith("gyro_dps = ") for each in more.values())
    assert next(iter(more)) in _run("sensors", name).stdout


def test_a_table_in_a_pipe_is_no_wider_than_what_it_says(capsys):
    columns = (
        show.Column("what", lambda row: row[0]),
        show.Column("found", lambda row: row[1], fold=True),
        show.Column("count", lambda row: row[2], right=True),
        show.Column("fix", lambda row: row[3], fold=True),
    )
    rows = [("VM", "a" * 300, "7", ""), ("Python", "ok", "1234567", "b" * 300)]
    show.rows(columns, rows)
    assert capsys.readouterr().out.splitlines() == [
        "what    found    count  fix",
        f"VM      {'a' * 300}        7",
        f"Python  ok  1234567  {'b' * 300}",
    ]

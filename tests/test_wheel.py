"""The wheel works by itself: installed into an empty environment, run far from the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from motekit import board, drivers
from tests.programs import started

ROOT = Path(__file__).parents[1]
SCENARIO = """
seed = 3
duration_s = 1
clock = "real"

[[board]]
count = 2
board = "esp32-c3-devkitm-1"

  [[board.sensor]]
  driver = "sht4x"
  period_s = 1
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, ROOT],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Return what runs `motekit` from the wheel, with the other packages of this environment."""
    home = tmp_path_factory.mktemp("elsewhere")
    venv.create(home / "venv", with_pip=False, symlinks=True)
    python = home / "venv" / "bin" / "python"
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    )
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # the wheel first; of this environment its packages, but not what points back to the checkout
    others = home / "packages"
    others.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.suffix != ".pth" and not path.name.startswith(("motekit", "motefw", "_motekit")):
            (others / path.name).symlink_to(path)
    (site / "packages.pth").write_text(f"{others}\n")

    def run(*args, check=True):
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
        }
        done = subprocess.run(
            [python, "-m", "motekit", *args],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    run.python, run.home = python, home
    return run


def test_the_wheel_carries_firmware_and_boards(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"motefw/app.py", "motekit/data/main.py", "motekit/data/boot.py"} <= names
    assert {f"motekit/data/boards/{name}.toml" for name in board.names()} <= names
    assert not [name for name in names if name.startswith("tests") or "__pycache__" in name]


def test_the_checkout_is_out_of_sight(installed):
    code = "import motekit, motefw; print(motekit.__file__, motefw.__file__)"
    argv = [installed.python, "-c", code]
    said = subprocess.check_output(argv, cwd=installed.home, text=True)
    assert str(ROOT) not in said
    assert said.count("site-packages") == 2


def test_boards_and_sensors_are_listed(installed):
    said = [json.loads(line) for line in installed("boards", "--json").stdout.splitlines()]
    assert [each["board"] for each in said] == list(board.names())
    said = [json.loads(line) for line in installed("sensors", "--json").stdout.splitlines()]
    assert [each["name"] for each in said] == list(drivers.NAMES)


def test_virtual_boards_run(installed, tmp_path):
    """From the wheel alone: compile the firmware, make a flash image, boot it on the VM."""
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(SCENARIO)
    argv = [installed.python, "-m", "motekit", "sim", "--json", "--scenario", str(scenario)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(installed.home / "cache")}
    environment.pop("PYTHONPATH", None)
    environment |= _machines()
    with started(
        argv, cwd=installed.home, env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            lines = [json.loads(running.stdout.readline()) for _ in range(2)]
        finally:
            running.terminate()
            running.wait(90)
    assert [line["board"] for line in lines] == ["esp32-c3-devkitm-1"] * 2
    assert len({line["device"] for line in lines}) == len({line["serial"] for line in lines}) == 2


def _machines():
    """Name the VMs that are known here: an installed wheel does not look into a checkout."""
    from motekit.errors import VmError
    from motekit.sim import vm

    found = {}
    for bits, variable in ((32, "MICROPYTHON32"), (64, "MICROPYTHON")):
        try:
            found[variable] = " ".join(vm.find(bits).argv)
        except VmError:
            continue
    return found

"""The pytest plugin, run by pytest as its users do, in projects of its own."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import typer

import motekit
from motekit import decode, drivers, own
from motekit.cli import app
from motekit.query import open_archive
from motekit.sim import models, scenario, vm
from motekit.sim.world import World
from motekit.store import Store
from motekit.testing import readings
from tests.programs import started

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "tests" / "example_project"
OF_PYTEST = ("test_it.py", "__pycache__", "runpytest", "stdout", "stderr")
INSTALLED = bool(entry_points(group="pytest11", name="motekit"))
PLUGIN = () if INSTALLED else ("-p", "motekit.testing.plugin")


@pytest.fixture
def project(pytester, monkeypatch):
    """Return a function that runs pytest on a project with one test file of this text."""
    paths = (str(ROOT / "host"), str(ROOT / "firmware"), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("MOTEKIT_KEYS", "")
    for bits, variable in ((32, "MICROPYTHON32"), (64, "MICROPYTHON")):
        monkeypatch.setenv(variable, shlex.join(vm.find(bits).argv))

    def run(text, *args):
        pytester.makepyfile(test_it=text)
        return pytester.runpytest_subprocess(
            *PLUGIN, "-W", "error", "-p", "no:cacheprovider", *args, timeout=120
        )

    run.path = pytester.path
    return run


def own_files(project, *names):
    for name in names:
        shutil.copy(EXAMPLE / name, project.path)


def artefacts(project, result):
    """Return the folder that the report names."""
    found = re.search(r"^kept in (.+): (.+)$", result.stdout.str(), re.MULTILINE)
    return Path(found[1]), found[2].split(", ")


def test_a_board_a_status_a_store(project):
    result = project(
        """
        def test_it(virtual_board):
            board = virtual_board(
                sensors=[{"driver": "sht4x", "period_s": 0.5, "source": {"temperature": 21.5}}]
            )
            board.run(9)
            readings = board.readings()
            assert board.streams == ["sht4x"]
            assert readings.channels == ("temperature", "humidity")
            assert readings.units == {"temperature": "Cel", "humidity": "%RH"}
            assert len(readings) >= 8
            assert abs(readings["temperature"] - 21.5).max() < 0.01
            assert len(readings["temperature"].compressed()) == len(readings)  # none is masked
            assert set(readings.raw["temperature"]) == {round((21.5 + 45) * 65535 / 175)}
            assert (abs(readings.time_s[1:] - readings.time_s[:-1] - 0.5) < 0.01).all()
            assert not readings.gaps and not readings.lost and not readings.invalid
            assert board.sensor("sht4x").samples >= len(readings)
            assert board.boots == ["power_on"]
            assert [note.kind for note in board.notes][:2] == ["boot", "schema"]
            assert board.summary().missing == 0
            assert board.now_s >= 9
            board.run(30)  # heap is now less than at its start
            status = board.status()
            assert 0 < status["heap_min_free"] <= status["heap_free"]
        """
    )
    result.assert_outcomes(passed=1)
    assert not (project.path / "board-artefacts").exists()


def test_the_collector_the_configuration_a_reboot(project):
    result = project(
        """
        import copy

        import pytest
        from motekit.client import RefusedError

        def test_it(virtual_board, collector):
            board = virtual_board(sensors=[{"driver": "sht4x", "period_s": 0.1}])
            board.run(1)
            collector.stop()
            board.run(6)
            collector.start()
            board.run_until(lambda: board.now_s > 12 and len(board.readings()) > 60)
            assert not board.gaps and collector.summary().devices[0].missing == 0
            config = copy.deepcopy(board.config)
            assert config["sensors"][0]["period_ms"] == 100
            with pytest.raises(TypeError, match="board.config is a copy"):
                board.config["sensors"][0]["name"] = "roof"
            with pytest.raises(KeyError, match="no channel 'typo'; there are: temperature"):
                board.readings().raw["typo"]
            config["sensors"][0]["name"] = "roof"
            board.config = config
            board.reboot()
            board.run_until(lambda: "roof" in board.streams)
            assert board.boots == ["power_on", "hard"]
            assert any("epoch" in line for line in board.log)
            with pytest.raises(RefusedError, match="nonsense"):
                board.request("nonsense")
            with pytest.raises(TimeoutError, match="not so within 0.5 s"):
                board.run_until(lambda: False, within_s=0.5)
        """
    )
    result.assert_outcomes(passed=1)


def test_a_fleet_of_a_scenario_file_a_text_or_tables(project):
    (project.path / "two.toml").write_text(
        'seed = 9\n[[board]]\nboard = "esp32-devkitc"\ncount = 2\nname = "twin"\n'
        '[[board.sensor]]\ndriver = "sht4x"\n'
    )
    result = project(
        """
        def test_it(fleet, scenario):
            bench = fleet("two.toml")
            assert [board.name for board in bench.boards] == ["twin-1", "twin-2"]
            bench.run(8)
            assert all(len(board.readings()) > 1 for board in bench.boards)
            assert scenario("two.toml").seed == 9
            assert scenario('[[board]]\\nboard = "esp32-devkitc"\\n').seed == 77
            assert scenario(board=[{"board": "esp32-devkitc"}]).scenario.clock == "virtual"
        """,
        "--board-seed=77",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["board seed: 77"])


def test_what_a_failed_test_leaves_is_kept_and_named(project):
    (project.path / "walk.csv").write_text("t,h\n" + "30000,20000\n" * 50)
    text = """
        def test_it(virtual_board):
            replay = {"file": "walk.csv", "raw": True}
            board = virtual_board(sensors=[{"driver": "sht4x", "replay": replay}])
            board.run(6)
            assert len(board.readings()) == 0
        """
    result = project(text, "--board-seed=42")
    result.assert_outcomes(failed=1)
    folder, names = artefacts(project, result)
    expected = {"scenario.toml", "seed.txt", "serial.log", "store.motekit", "walk.csv"}
    assert expected <= set(names)
    plan = scenario.load(folder / "scenario.toml")
    assert plan.seed == int((folder / "seed.txt").read_text()) == 42
    with Store.open(folder / "store.motekit", readonly=True) as store:
        assert store.devices() == [plan.boards[0].device]
    assert plan.boards[0].device in (folder / "serial.log").read_text()
    (command,) = re.findall(r"^again: (.+)$", result.stdout.str(), re.MULTILINE)
    assert command == "pytest test_it.py::test_it --board-seed=42"
    program, *words = shlex.split(command)
    assert program == "pytest"
    again = project(text, *words)
    again.assert_outcomes(failed=1)
    assert artefacts(project, again)[0] == folder


def test_what_is_kept_repeats_without_the_test_what_it_ran(project):
    """The driver and its model are the user's, a module of the firmware is replaced."""
    own_files(project, "tmp117.py", "tmp117_model.py")
    status = (ROOT / "firmware" / "motefw" / "status.py").read_text()
    (project.path / "patched.py").write_text(status)
    result = project(
        """
        import pytest

        @pytest.mark.board_vm(heap_kib=120)
        def test_it(virtual_board):
            board = virtual_board(
                [{"driver": "tmp117", "source": {"temperature": {"noise": {"sd": 1}}}}],
                [{"kind": "i2c_nack", "at_s": 5, "for_s": 3}],
                drivers=["tmp117.py"], models=["tmp117_model.py"],
                modules={"motefw/status.py": "patched.py"},
            )
            board.run(7)
            board.run(13.5)
            assert board.gaps == []
        """,
        "--board-seed=31",
    )
    result.assert_outcomes(failed=1)
    folder, _ = artefacts(project, result)
    (command,) = re.findall(r"^without the test: motekit (.+)$", result.stdout.str(), re.MULTILINE)
    typer.main.get_command(app)(shlex.split(command), standalone_mode=False)
    stores = [folder / name for name in ("store.motekit", "again.motekit")]
    tested, repeated = (packets(path) for path in stores)
    assert len(tested) >= 4
    assert tested.items() <= repeated.items()
    assert tomllib.loads((folder / "scenario.toml").read_text())["duration_s"] == 20.5


def packets(path):
    """Return {(device, epoch, seq): packet} of a store."""
    with Store.open(path, readonly=True) as store:
        return {
            (epoch.device, epoch.epoch, seq): data
            for epoch in store.epochs()
            for seq, data in store.find(
                epoch.device, epoch.generation, epoch.epoch, 0, 1 << 20
            ).items()
        }


def test_a_seed_repeats_a_run_byte_for_byte(project):
    """Also where the line is noisy, and the host asks between."""
    result = project(
        """
        def run(board):
            board.run(7)
            status = board.status()
            board.run(7.5)
            assert board.now_s > 14.5
            board.bench.close()
            return board.device, status, board.bench.store_path.read_bytes()

        def test_it(virtual_board):
            sensors = [{"driver": "sht4x", "period_s": 0.2}]
            faults = [{"kind": "link_corrupt", "rate": 0.005}]
            one, same, other = (
                run(virtual_board(sensors, faults, seed=seed)) for seed in (3, 3, 4)
            )
            assert one == same
            assert one[0] != other[0] and one[2] != other[2]
        """
    )
    result.assert_outcomes(passed=1)


def test_a_vm_that_ends_is_an_error_and_no_silent_board(project):
    result = project(
        """
        import pytest
        from motekit.errors import VmError

        def test_it(virtual_board):
            board = virtual_board(sensors=[{"driver": "sht4x"}])
            board.run(1)
            board.bench.engine._world.boards[0]._process._process.kill()
            with pytest.raises(VmError, match="its VM has ended, by 3.000 s"):
                board.run(2)
        """
    )
    result.assert_outcomes(passed=1)


def test_on_the_real_clock_a_board_has_a_port(project):
    result = project(
        """
        import time
        from pathlib import Path

        def test_it(virtual_board, collector):
            began = time.monotonic()
            board = virtual_board([{"driver": "sht4x", "period_s": 0.2}], clock="real")
            assert Path(board.port).is_char_device()
            board.run(1)
            assert time.monotonic() - began >= 1
            assert board.sensor("sht4x").state == "ok"
            collector.stop()
            board.run(0.2)
            collector.start()
            board.run_until(lambda: board.streams, within_s=20)
        """
    )
    result.assert_outcomes(passed=1)


def test_a_random_seed_is_told(project):
    result = project(
        """
        def test_it(scenario):
            assert scenario(board=[{"board": "esp32-devkitc"}]).seed < 0
        """,
        "--board-seed=random",
    )
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"board seed: (\d+)", r"again: pytest .* --board-seed=\d+"])


def test_the_marker_chooses_the_vm_and_the_heap(project):
    result = project(
        """
        import pytest

        @pytest.mark.parametrize(
            "bits", [pytest.param(n, marks=pytest.mark.board_vm(bits=n)) for n in (32, 64)]
        )
        def test_bits(virtual_board, bits):
            assert virtual_board(sensors=[]).bench.vm.bits == bits

        @pytest.mark.board_vm(heap_kib=400)
        def test_heap(virtual_board):
            assert virtual_board(sensors=[]).status()["heap_free"] > 200_000

        def test_option(virtual_board):
            assert virtual_board(sensors=[]).bench.vm.bits == 64
        """,
        "--board-bits=64",
    )
    result.assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("bits=16", "bits 16 is not 32 or 64"),
        ("heap_kib=1", "heap_kib 1 is no whole number in 16..65536"),
        ("colour=1", "board_vm takes bits and heap_kib"),
    ],
)
def test_a_marker_that_cannot_be_meant_is_refused(project, marker, said):
    result = project(
        f"""
        import pytest

        @pytest.mark.board_vm({marker})
        def test_it(virtual_board):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{said}*"])


def test_a_seed_that_is_none_is_refused(project):
    result = project("", "--board-seed=often")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--board-seed: 'often' is neither a whole number nor 'random'*"])


# Without a VM


@pytest.fixture
def nothing(project, monkeypatch):
    """Hide all VMs."""
    monkeypatch.delenv("MICROPYTHON32")
    monkeypatch.delenv("MICROPYTHON")
    (project.path / "conftest.py").write_text(
        "import pathlib, shutil\n"
        "from motekit import places\n"
        "places.fetched = lambda: pathlib.Path('/nowhere')\n"
        "shutil.which = lambda name: None\n"
    )


def test_without_a_vm_the_test_fails_and_says_what_to_do(project, nothing):
    result = project("def test_it(virtual_board):\n    virtual_board()\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["no MicroPython of 64 bits; looked at: *; try: motekit setup"])
    assert result.stdout.str().count("motekit setup") == 1
    assert "Traceback" not in result.stdout.str()


def test_without_the_vm_that_was_asked_for_it_is_skipped(project, monkeypatch, request):
    wide = shlex.join(vm.find(64).argv)
    request.getfixturevalue("nothing")
    monkeypatch.setenv("MICROPYTHON", wide)
    result = project(
        "def test_it(virtual_board):\n    virtual_board()\n", "--board-bits=32", "-rs"
    )
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*no MicroPython of 32 bits*motekit setup*one of 64 bits*"])


def test_readings_are_read_once(tmp_path, monkeypatch):
    """Values in units and as integers are of the same rows, though more arrives meanwhile."""
    (tmp_path / "plan.toml").write_text(
        'seed = 1\nduration_s = 8\n[[board]]\nboard = "esp32-devkitc"\n'
        '[[board.sensor]]\ndriver = "sht4x"\nsource = { temperature = 20 }\n'
    )
    path = tmp_path / "store.motekit"
    with World(scenario.load(tmp_path / "plan.toml"), store=path) as world:
        world.run()
        device = world.boards[0].device
    decoded = []
    of = decode.samples
    monkeypatch.setattr(decode, "samples", lambda packets: decoded.append(packets) or of(packets))
    with open_archive(path) as archive:
        found = readings.read(archive, device, "sht4x", 0, -float("inf"))
        packets = sum(each.packets for each in archive.summary().devices[0].streams)
    assert len(found) == len(found.raw["temperature"]) >= 6
    assert abs(found["temperature"] - 20).max() < 0.01
    assert sum(map(len, decoded)) == packets


# Files of the user's own


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("tmp117.py", r"def identify\(self\):", "def identify(self)", "SyntaxError"),
        (
            "tmp117.py",
            r"block.count \+= 1",
            "match block.count:\n            case 1:\n                pass",
            "tmp117.py: does not compile for MicroPython: line 21: SyntaxError",
        ),
        ("tmp117.py", r"DRIVER = TMP117", "", "tmp117.py: has no DRIVER; it ends in: DRIVER ="),
        ("tmp117.py", r"from motefw.driver", "from motefw.drivr", "tmp117.py:7: ModuleNotFound"),
        ("tmp117.py", r"TMP117\(Driver\)", "TMP117", "not derived from motefw.driver.Driver"),
        ("tmp117.py", "CHANNELS = .*", "CHANNELS = (('t', 1),)", "is not (name, unit, scale, o"),
        ("tmp117.py", "def read", "def reed", "class TMP117: has no read"),
        ("tmp117_model.py", "CHIP = .*", "", "tmp117_model.py: has no CHIP"),
        ("tmp117_model.py", "def read_into", "def read", "class Tmp117: lacks read_into"),
    ],
)
def test_a_file_that_will_not_do_is_refused_with_its_place(tmp_path, file, old, new, said):
    for name in ("tmp117.py", "tmp117_model.py"):
        shutil.copy(EXAMPLE / name, tmp_path)
    path = tmp_path / file
    path.write_text(re.sub(old, new, path.read_text(), count=1))
    files = [tmp_path / "tmp117.py"], [tmp_path / "tmp117_model.py"]
    with pytest.raises(own.OwnError, match=re.escape(said)), own.taken(*files):
        pass


def test_an_error_is_told_at_the_line_of_the_test_that_made_it(project):
    own_files(project, "tmp117.py")
    with (project.path / "tmp117.py").open("a") as file:
        file.write("match = 1\nmatch match:\n    case 1:\n        pass\n")
    result = project(
        """
        def test_it(virtual_board):
            virtual_board(sensors=[{"driver": "tmp117"}], drivers=["tmp117.py"])

        def test_unknown(virtual_board):
            virtual_board(sensors=[{"driver": "sht5x"}])

        def test_argument(virtual_board):
            virtual_board(sensor=[{"driver": "sht4x"}])
        """
    )
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "*tmp117.py: does not compile for MicroPython: line 26: SyntaxError: invalid syntax",
            "*virtual_board: board[[]0[]].sensor[[]0[]].driver: 'sht5x' is unknown; did you mean*",
            "*virtual_board(sensor=..): is none of its arguments; did you mean sensors?*",
        ]
    )
    assert "rig.py" not in result.stdout.str()


def test_a_driver_that_a_board_cannot_load_is_told_by_the_board(project):
    own_files(project, "tmp117.py", "tmp117_model.py")
    path = project.path / "tmp117.py"
    path.write_text(path.read_text().replace("from motefw", "import dataclasses\n\nfrom motefw"))
    result = project(
        """
        def test_it(virtual_board):
            board = virtual_board(
                [{"driver": "tmp117"}], drivers=["tmp117.py"], models=["tmp117_model.py"]
            )
            board.run(6)
            board.readings("tmp117")

        def test_sensor(virtual_board):
            virtual_board([{"driver": "sht4x"}]).sensor("sht5x")
        """
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines_random(
        [
            "*nothing of 'tmp117' has arrived by 6.000 s; there is: nothing at all; the board: *",
            "*tmp117 is not on this board: no module named 'dataclasses'*",
            "*has no sensor 'sht5x'; there are: sht4x",
        ]
    )


@pytest.mark.parametrize("again", [False, True])
def test_firmware_for_a_board_has_them(tmp_path, capsys, again):
    argv = ["firmware", "build", "esp32-devkitc", "--out", str(tmp_path / "out"), "--json"]
    (tmp_path / "helper.py").write_text("SCALE = 1\n")
    argv += ["--driver", str(EXAMPLE / "tmp117.py"), "--module", str(tmp_path / "helper.py")]
    for _ in range(1 + again):
        typer.main.get_command(app)(argv, standalone_mode=False)
    names = {path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.rglob("*.mpy")}
    assert {"motefw/drivers/tmp117.mpy", "motefw/drivers/sht4x.mpy", "helper.mpy"} <= names
    assert "tmp117" not in drivers.names()


def test_a_simulation_has_them(tmp_path, capsys):
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'duration_s = 7\n[[board]]\nboard = "esp32-devkitc"\n'
        '[[board.sensor]]\ndriver = "tmp117"\nsource = { temperature = -3 }\n'
    )
    argv = ["sim", "--scenario", str(plan), "--store", str(tmp_path / "store.motekit")]
    argv += ["--driver", str(EXAMPLE / "tmp117.py"), "--model", str(EXAMPLE / "tmp117_model.py")]
    typer.main.get_command(app)(argv, standalone_mode=False)
    with motekit.open(tmp_path / "store.motekit") as archive:
        assert set(archive.read(stream="tmp117")["temperature"]) == {-3.0}


def test_a_mistake_in_a_model_is_told_as_one(project):
    own_files(project, "tmp117.py", "tmp117_model.py")
    path = project.path / "tmp117_model.py"
    path.write_text(path.read_text().replace("        word = 0\n", "        word = wrod\n"))
    result = project(
        """
        def test_it(virtual_board):
            board = virtual_board(
                [{"driver": "tmp117"}], drivers=["tmp117.py"], models=["tmp117_model.py"]
            )
            board.run(5)
            said = board.sensor("tmp117").last_error
            assert said.startswith("ModelError: the chip's model, tmp117_model.py, line 30, in ")
            assert said.endswith("read_into: NameError: name 'wrod' isn't defined")
        """
    )
    result.assert_outcomes(passed=1)


def test_a_driver_that_hangs_is_named(project):
    (project.path / "conftest.py").write_text(
        "from motekit.sim import stepped_vm\n\nstepped_vm.STUCK_S = 0.6\n"
    )
    own_files(project, "tmp117.py", "tmp117_model.py")
    path = project.path / "tmp117.py"
    path.write_text(
        path.read_text().replace(
            "        high, low", "        while True: pass\n        high, low"
        )
    )
    result = project(
        """
        def test_it(virtual_board, collector):
            board = virtual_board(
                [{"driver": "tmp117"}], drivers=["tmp117.py"], models=["tmp117_model.py"]
            )
            try:
                board.run(20)
            finally:
                assert any("did not look at its clock" in note.text for note in collector.notices)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no contact (*stood still once*of motefw/drivers/tmp117.py?*"])


def test_files_are_taken_in_until_the_end_and_no_longer(project):
    before = drivers.names(), models.names(), set(sys.modules)
    with own.taken([EXAMPLE / "tmp117.py"], [EXAMPLE / "tmp117_model.py"]):
        assert "tmp117" in drivers.names()
        assert "tmp117" in models.names()
        assert drivers.describe("tmp117").title.startswith("TMP117: temperature")
    with own.taken(modules={"mine/clok.py": EXAMPLE / "tmp117_model.py"}):  # in no place of ours
        pass
    for kind in ("own_drivers", "models", "modules"):
        with (
            pytest.raises(own.OwnError, match=r"'nix.py', a list of files expected: \['nix.py'\]"),
            own.taken(**{kind: "nix.py"}),
        ):
            pass
    assert (drivers.names(), models.names()) == before[:2]
    assert not [name for name in set(sys.modules) - before[2] if name.endswith("tmp117")]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"own_drivers": ["sht4x.py"]}, "sht4x is a driver of motekit's own"),
        ({"own_drivers": ["nothing.py"]}, "nothing.py: no such file"),
        ({"own_drivers": ["two-words.py"]}, "two-words.py: its name is no module's"),
        ({"models": ["tmp117_model.py"]}, "is the model of no driver: tmp117 is none"),
        ({"modules": ["main.py"]}, "main.py is taken on a board"),
        ({"modules": {"../x.py": "main.py"}}, "is no module's name on a board"),
        ({"modules": {"motefw/clok.py": "main.py"}}, "did you mean motefw/clock.py?"),
        ({"modules": {"motefw/message_host.py": "main.py"}}, "is no module of the firmware"),
    ],
)
def test_a_name_that_will_not_do_is_refused(tmp_path, names, said):
    for name in ("sht4x.py", "two-words.py", "main.py"):
        (tmp_path / name).write_text("")
    shutil.copy(EXAMPLE / "tmp117_model.py", tmp_path)
    for kind, files in names.items():
        if isinstance(files, dict):
            named = {name: tmp_path / path for name, path in files.items()}
        else:
            named = [tmp_path / path for path in files]
        with pytest.raises(own.OwnError, match=re.escape(said)), own.taken(**{kind: named}):
            pass


def test_modules_go_onto_the_board_too(project):
    """A driver that imports a helper, and one of the firmware's own modules in another version."""
    own_files(project, "tmp117.py", "tmp117_model.py")
    path = project.path / "tmp117.py"
    path.write_text(
        path.read_text()
        .replace("1 / 128, 0", "SCALE, 0")
        .replace(
            "from motefw.driver import Driver",
            "from helper import SCALE\n\nfrom motefw.driver import Driver",
        )
    )
    (project.path / "helper.py").write_text("SCALE = 1 / 128\n")
    crc = (ROOT / "firmware" / "motefw" / "status.py").read_text()
    (project.path / "patched.py").write_text(crc.replace('"gaps": ', '"holes": '))
    result = project(
        """
        def test_it(virtual_board):
            board = virtual_board(
                sensors=[{"driver": "tmp117", "source": {"temperature": 3}}],
                drivers=["tmp117.py"], models=["tmp117_model.py"],
                modules={"helper.py": "helper.py", "motefw/status.py": "patched.py"},
            )
            board.run(8)
            assert set(board.readings()["temperature"]) == {3.0}
            assert "holes" in board.status()["sensors"][0]
        """
    )
    result.assert_outcomes(passed=1)


# On a real board: a virtual one behind a pty, which nothing tells from one


@contextmanager
def board_on_a_port(folder, sensors):
    plan = folder / "real.toml"
    plan.write_text(f'seed = 5\nclock = "real"\n[[board]]\nboard = "esp32-devkitc"\n{sensors}')
    argv = [sys.executable, "-m", "motekit", "sim", "--scenario", str(plan)]
    with started(argv, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running.stdout.readline().split()[-1]
        finally:
            running.terminate()
            running.wait(90)


def test_the_same_test_runs_on_a_real_board(project):
    sensors = '[[board.sensor]]\ndriver = "sht4x"\nperiod_s = 0.5\n'
    with board_on_a_port(project.path, sensors) as port:
        result = project(
            """
            SHT4X = {"driver": "sht4x", "period_s": 0.5}

            def test_runs(virtual_board):
                board = virtual_board(sensors=[SHT4X])
                assert board.bench.vm is None
                board.run(8)
                readings = board.readings("sht4x")
                assert 4 <= len(readings) <= 18
                assert (readings.time_s > 0).all()
                assert ((readings["temperature"] > 10) & (readings["temperature"] < 40)).all()
                assert board.sensor("sht4x").state == "ok"

            def test_again(virtual_board, collector):
                board = virtual_board()
                board.run_until(lambda: "sht4x" in board.streams)
                assert collector.summary().devices[0].streams

            def test_fault(virtual_board):
                virtual_board(sensors=[SHT4X], faults=[{"kind": "i2c_nack", "at_s": 2}])

            def test_source(virtual_board):
                virtual_board(sensors=[{**SHT4X, "source": {"temperature": 3}}])

            def test_other_sensor(virtual_board):
                virtual_board(sensors=[{"driver": "adxl345"}])

            def test_other_period(virtual_board):
                virtual_board(sensors=[{"driver": "sht4x", "period_s": 2}])

            def test_two(fleet):
                fleet(board=[{"board": "esp32-devkitc", "count": 2}])
            """,
            f"--board-port={port}",
            "-rs",
        )
    result.assert_outcomes(passed=2, skipped=5)
    result.stdout.fnmatch_lines(
        [
            f"real boards: {port}",
            "*--board-port: a real board has no such thing as the fault 'i2c_nack'",
            "*--board-port: a real board has no such thing as a simulated source of sht4x",
            f"*the board on {port} has no sensor adxl345, which the test needs: sht4x",
            f"*sht4x on {port} has not the period 2000 ms, as the test needs",
            "*the test needs 2 boards, --board-port names 1",
        ],
        consecutive=False,
    )


def test_a_port_that_is_not_there_is_an_error_that_says_so(project):
    result = project("def test_it(virtual_board):\n    virtual_board()\n", "--board-port=/nowhere")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*/nowhere: no such port*"])


# Others' tests


def test_it_is_out_of_the_way_of_all_other_tests(project):
    result = project(
        """
        import sys

        def test_it():
            heavy = {"numpy", "serial", "rich", "motekit.collector", "motekit.testing.board"}
            assert not heavy & set(sys.modules)
        """
    )
    result.assert_outcomes(passed=1)
    assert "board" not in result.stdout.str()
    assert not [p.name for p in project.path.iterdir() if not p.name.startswith(OF_PYTEST)]


def test_names_of_the_package_are_there_when_asked_for():
    from motekit import testing

    assert testing.Board.__name__ == "Board"
    with pytest.raises(AttributeError, match="no attribute 'Bored'"):
        _ = testing.Bored
    assert motekit.__version__


def test_what_has_not_arrived_is_not_yet_true(project):
    result = project(
        """
        def test_waits(virtual_board):
            board = virtual_board([{"driver": "sht4x", "source": {"temperature": 20}}])
            took = board.run_until(lambda: len(board.readings("sht4x")) >= 3)
            assert 0 < took < 30
        """
    )
    result.assert_outcomes(passed=1)


def test_a_board_that_never_makes_contact_fails_the_test_in_its_own_words(project):
    """Also one that asserts only what a silent board has none of."""
    result = project(
        """
        import pytest

        pytestmark = pytest.mark.board_vm(heap_kib=40)  # too small

        def test_asks(virtual_board):
            virtual_board([{"driver": "sht4x"}]).status()

        def test_runs(virtual_board):
            board = virtual_board([{"driver": "sht4x"}])
            board.run(15)
            assert not board.gaps

        def test_for_a_moment(virtual_board):
            board = virtual_board([{"driver": "sht4x"}])
            board.run(1)
            assert not board.gaps

        def test_until(virtual_board):
            board = virtual_board([{"driver": "sht4x"}])
            board.run_until(lambda: board.boots, 6)
        """
    )
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines_random(
        [
            "*no contact (it printed: *MemoryError*) in 15 s*",
            "*LinkError: at 15.000 s; *: no contact (it printed: *MemoryError*contact=False)",
            "*NothingYetError: *: nothing has arrived by 1.000 s; *(it printed: *MemoryError*)",
            "*TimeoutError: not so within 6 s, at 6.000 s; *: no contact (it printed: *MemoryErr*",
        ]
    )


def test_silence_that_is_meant_fails_no_test(project):
    """Where it is said, while no collector runs, and of a board that was met before."""
    result = project(
        """
        def test_it(virtual_board, collector):
            board = virtual_board(faults=[{"kind": "link_down", "at_s": 0, "for_s": 30}])
            board.run(25, contact=False)
            assert not board.streams
            collector.stop()
            board.run(20)
            collector.start()
            board.run(10)
            assert board.streams

        def test_later(virtual_board):
            board = virtual_board(faults=[{"kind": "link_down", "at_s": 8}])
            board.run(30)
            assert board.streams
        """
    )
    result.assert_outcomes(passed=2)

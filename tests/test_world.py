"""Worlds: boards, lines, faults and the real collector in one virtual time, the same each time."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from motekit.errors import ScenarioError
from motekit.flash import filesystem
from motekit.sim.stepped_vm import SteppedVm
from motekit.sim.world import World
from motekit.store import Store
from tests.programs import started

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
CREDITS_LOST = """
[[fault]]
kind = "link_loss"
rate = 0.02
at_s = 3.0
for_s = 4.0
board = 0
"""
RARE = """
  [[board.sensor]]
  driver = "sht4x"
  period_s = 60
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


def test_where_a_run_is_interrupted_makes_no_difference(write_scenario, tmp_path):
    plan = write_scenario(scenario(count=2, duration_s=8, faults=CREDITS_LOST))
    crumbs = [at_ms / 1000 for at_ms in range(17, 7900, 97)]
    parts = (0.3, 0.301, 4.7, 5.123, 7)
    seen = set()
    for name, stops in (("whole", ()), ("parts", parts), ("crumbs", crumbs)):
        path = tmp_path / name
        with World(plan, store=path) as world:
            for stop in stops:
                world.run(until_s=stop)
                assert world.now_s == pytest.approx(stop)
            world.run()
        seen.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(seen) == 1


def test_a_board_with_nothing_to_say_is_hardly_disturbed(write_scenario, monkeypatch):
    granted = []
    grant = SteppedVm.grant

    def noted(self, end_ms, *args):
        granted.append(end_ms)
        grant(self, end_ms, *args)

    monkeypatch.setattr(SteppedVm, "grant", noted)
    with World(write_scenario(BARE + RARE)) as world:
        world.run(until_s=40)
        granted.clear()
        world.run(until_s=100)
    # The host says every 3 s that it is there, greets a silent board every 15 s, and asks once a
    # minute how it is; an answer of many frames takes two exchanges.
    assert len(granted) <= 60 / 3 + 3 * (60 / 15 + 1)


@pytest.mark.parametrize("bits", [32, 64])
def test_ticks_wrap_as_on_the_esp32_and_no_sample_is_lost(write_scenario, bits):
    more = f"ticks_ms = {(1 << 30) - 10_000}"
    with World(write_scenario(scenario(duration_s=30, more=more)), bits=bits) as world:
        world.run()
        assert world.boards[0].counts.resets == {}
        (fast, slow) = world.store.summary().devices[0].streams
        assert fast.samples in range(1480, 1510)
        assert slow.samples in range(29, 32)
        assert not [n.text for n in world.notices if n.kind == "warning"]


def test_time_of_a_program_wraps_and_a_wait_for_it_ends(write_scenario, tmp_path):
    main = (
        "import time\nt = time.ticks_ms()\nn = 0\n"
        "while time.ticks_diff(time.ticks_ms(), t) < 3000: n += 1\n"
        "u = time.ticks_ms()\ntime.sleep(20000)\n"
        "print('waited', t > u, n < 3000000, time.ticks_diff(u, t), time.time())\n"
    )
    head = f"seed = 1\n{BARE}ticks_ms = {(1 << 30) - 1000}\n"
    files = {"/boot.py": b"", "/main.py": main.encode()}
    with World(write_scenario(head), files=files, bits=64, folder=tmp_path) as world:
        world.run(until_s=20_100)
    printed = (tmp_path / "board-0" / "serial.txt").read_text()
    assert "waited True True 3000 20003" in printed


def test_a_program_that_never_looks_at_its_clock_is_reset(write_scenario, monkeypatch):
    monkeypatch.setattr("motekit.sim.stepped_vm.STUCK_S", 0.5)
    main = (
        "from rom.port_sim import Port\nport = Port()\nport.watchdog(30000)\n"
        "if port.reset_cause() == 'power_on':\n    while True: pass\n"
        "print('after', port.reset_cause())\n"
    )
    files = {"/boot.py": b"", "/main.py": main.encode()}
    events = []
    plan = write_scenario(f"seed = 1\n{BARE}")
    with World(plan, files=files, on_event=lambda _, text: events.append(text)) as world:
        world.run(until_s=40)
        assert world.boards[0].counts.resets["watchdog"] == 1
        assert world.boards[0].counts.stuck == 1
        assert "its program stood still once" in world.boards[0].words()
    assert events[:2] == [
        "stuck: the program did not look at its clock for 0.5 s",
        "reset: watchdog",
    ]


def test_a_program_that_stands_still_again_and_again_is_given_up(write_scenario, monkeypatch):
    monkeypatch.setattr("motekit.sim.stepped_vm.STUCK_S", 0.1)
    main = b"from rom.port_sim import Port\nPort().watchdog(30000)\nwhile True: pass\n"
    events = []
    plan = write_scenario(f"seed = 1\n{BARE}")
    files = {"/boot.py": b"", "/main.py": main}
    with World(plan, files=files, on_event=lambda _, text: events.append(text)) as world:
        world.run(until_s=3600)
        assert world.boards[0].counts.stuck == 5
    assert events[-1].endswith("for the 5th time in a row")


def test_a_board_that_resets_itself_for_ever_starts_as_often_as_a_real_one(write_scenario):
    files = {"/boot.py": b"", "/main.py": b"import machine\nmachine.reset()\n"}
    with World(write_scenario(f"seed = 1\n{BARE}"), files=files) as world:
        world.run(until_s=6)
        assert 10 <= world.boards[0].counts.starts <= 21


def of_folder(folder):
    """Return the processes whose command line names a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if os.fsencode(folder) in path.read_bytes():
                found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing tells a VM of its parent")
@pytest.mark.parametrize("count", [1, 4])
def test_boards_that_never_look_up_end_with_a_world_that_is_killed(tmp_path, count):
    plan, folder = tmp_path / "plan.toml", tmp_path / "boards"
    plan.write_text(f"seed = 1\n{BARE}count = {count}\n")
    program = [sys.executable, Path(__file__).with_name("looping_boards.py"), plan, folder]
    said = folder / "board-0" / "serial.txt"
    end = time.monotonic() + 60
    try:
        with started(program) as run:
            while not (said.exists() and b"looping" in said.read_bytes()):
                assert run.poll() is None
                assert time.monotonic() < end
                time.sleep(0.02)
            assert len(of_folder(folder / "board-0")) >= 1
            run.kill()
            run.wait()
        while of_folder(folder):
            assert time.monotonic() < end
            time.sleep(0.02)
    finally:
        for pid in of_folder(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_program_that_fails_leaves_a_prompt_and_the_board_stays(write_scenario, tmp_path):
    files = {"/boot.py": b"", "/main.py": b"1 / 0\n"}
    plan = write_scenario(f"seed = 1\n{BARE}")
    with World(plan, files=files, folder=tmp_path) as world:
        world.run(until_s=30)
        assert not world.boards[0].crashed
        assert any("does not start motefw" in notice.text for notice in world.notices)
    assert "ZeroDivisionError" in (tmp_path / "board-0" / "serial.txt").read_text()


def test_a_board_has_the_files_of_its_image_and_a_module_of_its_own_goes_first(
    write_scenario, tmp_path
):
    files = {"/boot.py": b"", "/main.py": b"import json, os\nprint('mine', json.MINE, os.sep)\n"}
    files |= {"/lib/json.py": b"MINE = 7\n", "/os/__init__.py": b"sep = '!'\n"}
    files |= {f"/lib/of/many{i}.py": bytes(50 * i) for i in range(60)}
    with World(write_scenario(f"seed = 1\n{BARE}"), files=files, folder=tmp_path) as world:
        world.run(until_s=1)
    assert filesystem.read((tmp_path / "board-0" / "flash").read_bytes()) == files
    assert "mine 7 !" in (tmp_path / "board-0" / "serial.txt").read_text()


def test_power_can_be_cut_between_two_runs(write_scenario):
    with World(write_scenario(scenario(duration_s=20))) as world:
        world.run(until_s=7)
        world.board(0).power_cut()
        world.run()
        assert world.board(0).counts.resets == {"power_on": 1}
        assert len(world.store.epochs()) == 2
        assert world.board(0).unacked == 0


def test_a_world_without_an_end_is_refused_unless_one_is_named(write_scenario):
    with World(write_scenario(f"seed = 1\n{BARE}")) as world:
        with pytest.raises(ScenarioError, match="duration_s"):
            world.run()
        world.run(until_s=1)


def test_sim_collects_into_a_store(tmp_path):
    (tmp_path / "plan.toml").write_text(scenario(count=2, duration_s=10))
    store = tmp_path / "run.motekit"
    command = [sys.executable, "-m", "motekit", "sim", "--scenario", str(tmp_path / "plan.toml")]
    done = subprocess.run(
        [*command, "--store", str(store), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["serial"] for row in rows] == [None, None]
    assert "2 boards, 1" in done.stderr
    with Store.open(store, readonly=True) as opened:
        assert sorted(opened.devices()) == sorted(row["device"] for row in rows)


def sim(folder, text, **how):
    (folder / "plan.toml").write_text(text)
    argv = [sys.executable, "-m", "motekit", "sim", "--scenario", str(folder / "plan.toml")]
    argv += ["--store", str(folder / "run.motekit")]
    return subprocess.run(argv, stderr=subprocess.PIPE, text=True, check=False, timeout=60, **how)


def test_sim_goes_on_where_nobody_reads_its_lines(tmp_path):
    reads, writes = os.pipe()
    os.close(reads)
    try:
        done = sim(tmp_path, f"duration_s = 3\n{BARE}", stdout=writes)
    finally:
        os.close(writes)
    assert (done.returncode, " packets of 1 boards, " in done.stderr) == (0, True), done
    with Store.open(tmp_path / "run.motekit", readonly=True) as opened:
        assert opened.devices()


def test_sim_without_an_end_makes_nothing(tmp_path):
    done = sim(tmp_path, BARE, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (2, "")
    assert "duration_s: missing" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["plan.toml"]


def test_a_store_that_has_these_boards_is_refused(write_scenario, tmp_path):
    text = 'duration_s = 3\n[[board]]\nboard = "esp32-c3-devkitm-1"\nsensor = []\n'
    store = tmp_path / "one.motekit"
    with World(write_scenario(text), store=store) as world:
        world.run()
    with pytest.raises(ScenarioError, match=r"one\.motekit: holds packets of .*name a new store"):
        World(write_scenario(text), store=store)
    with World(write_scenario("seed = 2\n" + text), store=store) as world:
        world.run()


def test_a_board_of_which_nothing_came_is_a_failure(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text('duration_s = 2\n[[board]]\nboard = "esp32-c3-devkitm-1"\n')
    argv = [sys.executable, "-m", "motekit", "sim", "--scenario", str(path), "--heap", "40"]
    argv += ["--store", str(tmp_path / "none.motekit")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "nothing of it arrived; it printed: " in done.stderr
    assert "MemoryError" in done.stderr


@pytest.mark.parametrize("wait_s", [1.5, 2.5])
def test_ctrl_c_ends_it_with_what_has_come(tmp_path, wait_s):
    path = tmp_path / "long.toml"
    path.write_text('duration_s = 9e6\n[[board]]\ncount = 2\nboard = "esp32-c3-devkitm-1"\n')
    argv = [sys.executable, "-m", "motekit", "sim", "--scenario", str(path)]
    argv += ["--store", str(tmp_path / "some.motekit")]
    with started(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline()
        time.sleep(wait_s)
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=60)
    assert (run.returncode, "Traceback" in said) == (130, False), said
    assert " samples in " in said


def test_ctrl_c_while_a_session_has_its_turn_ends_it_at_once(write_scenario):
    """Nobody takes leave of boards that somebody is talking to: two would wait for one answer."""
    main = threading.main_thread().ident
    told = []

    def interrupt(notice):
        if world.now_s > 3 and "sht4x" in notice.text and not told:
            told.append(notice)
            signal.pthread_kill(main, signal.SIGINT)

    fault = '[[fault]]\nkind = "i2c_nack"\nsensor = "sht4x"\nat_s = 6\nfor_s = 9\n'
    plan = write_scenario("duration_s = 1000\n" + SHAKER.format(count=2, more="") + fault)
    with World(plan, report=interrupt) as world:
        with pytest.raises(KeyboardInterrupt):
            world.run()
        came_to_s = world.now_s
        assert came_to_s < 1000
        world.close()
        assert world.now_s == came_to_s


def test_questions_that_wait_do_not_keep_a_board_at_its_prompt(write_scenario):
    with World(write_scenario(scenario(duration_s=90))) as world:
        board = world.board(0)
        world.run(until_s=5)
        for at_s in (0, 0.3, 0.6):
            board.type(5000 + int(1000 * at_s), b"\x03")
        world.run(until_s=6)
        answers = [world.collector.ask(board.device, "status", {}) for _ in range(8)]
        world.run(until_s=40)
        assert all(answer.done() for answer in answers)
        assert world.collector.in_contact(board.device)
        assert answers[-1].result()["uptime_ms"] < 30_000
        world.run()
        assert not board.unacked

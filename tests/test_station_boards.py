"""`motekit station` as a technician has it: virtual boards that are plugged, pulled and broken."""

import contextlib
import fcntl
import json
import os
import pty
import random
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pytest

from motekit import board as boards
from motekit import keys
from motekit.prompt.raw import RawPrompt
from motekit.sim.loader import synthetic
from motekit.transports.patience import opened
from tests.programs import started

ROOT = Path(__file__).parents[1]
NAME = "esp32-c3-devkitm-1"
COUNT = int(os.environ.get("MOTEKIT_STATION_BOARDS", "6"))  # 16 is what a bench takes
PASSWORD = "canary-wifi-77e2"
KILLS = int(os.environ.get("MOTEKIT_FLASH_KILLS", "2"))
SENSOR = """
  [[board.sensor]]
  driver = "sht4x"
  source = { temperature = 21.5, humidity = 45 }
"""
BLANK = f'seed = 4\nloader_speed = 1000\n[[board]]\nboard = "{NAME}"\nflash = "blank"\n{SENSOR}'
PLAN = f"""
fleet = "acme"
site = "roof"
board = "{NAME}"
packet = {{ latency_ms = 200 }}
[[sensor]]
driver = "sht4x"
bus = "i2c0"
period_s = 0.5
"""
FILES = ("/config.json", "/keys.json", "/provision.json", "/boot.py", "/main.py")


class Bench:
    """A folder with a plan, keys and an image, in which the station is run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = os.pathsep.join((str(ROOT / "host"), str(ROOT / "firmware")))
        home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}
        self.environment = {**os.environ, "PYTHONPATH": path, **home, "SITE_WIFI": PASSWORD}
        (folder / "plan.toml").write_text(PLAN)
        for name, release in (("image", "1.28.0"), ("other", "1.29.0")):
            image = synthetic.release(boards.load(NAME).chip, release, 100_000)
            (folder / f"{name}.bin").write_bytes(image)
        keys.create(folder / "keys.json")

    def command(self, *more):
        argv = [sys.executable, "-m", "motekit", "station", "plan.toml", f"{self.folder}/bag/tty*"]
        argv += ["--image", "image.bin", "--keys", "keys.json", "--records", "records.jsonl"]
        return [*argv, *map(str, more)]

    def run(self, *more):
        """Run until all boards have a verdict; return the process and the last verdict by port."""
        done = subprocess.run(
            self.command("--until-done", "--json", *more),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert "Traceback" not in done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        ends = ("passed", "already", "failed", "pulled")
        return done, {each["port"]: each for each in rows if each["event"] in ends}

    def start(self, *more, **options):
        return started(
            self.command("--json", *more),
            cwd=self.folder,
            env=self.environment,
            text=True,
            **{"stdout": subprocess.PIPE, **options},
        )

    def records(self, event):
        lines = (self.folder / "records.jsonl").read_text().splitlines()
        return [each for each in map(json.loads, lines) if each["event"] == event]

    def told(self):
        """Return all that stations have written here, but for keys and boards' flash."""
        paths = [*self.folder.glob("*.jsonl"), *self.folder.glob("labels/*")]
        return b"".join(path.read_bytes() for path in paths)

    def secrets(self):
        root = json.loads((self.folder / "keys.json").read_text())["root"]
        return (root.encode(), bytes.fromhex(root), PASSWORD.encode())


class Processes(threading.Thread):
    """Reads what programs were called with, as anybody on the machine can, while a block runs."""

    def __init__(self):
        super().__init__()
        self.seen = set()
        self._over = threading.Event()

    def run(self):
        while not self._over.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    self.seen.add(path.read_bytes())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self.join()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def fault(board, kind, **more):
    rest = "".join(f"{key} = {value}\n" for key, value in more.items())
    return f'[[fault]]\nkind = "{kind}"\nboard = {board}\n{rest}'


def test_a_bag_of_blank_boards_becomes_a_fleet_by_one_command(fleet, bench):
    """Four faulty ones, each in its own way; repeated, nothing that is right is touched."""
    text = BLANK.replace("[[board]]\n", f"[[board]]\ncount = {COUNT - 1}\n")
    text += f'[[board]]\nboard = "{NAME}"\nflash = "blank"\nchip = "esp32c6"\n{SENSOR}'
    text += fault(0, "loader_dead") + fault(1, "flash_write_protected")
    text += fault(2, "sensor_absent", at_s=0)
    text += fault(4, "loader_brownout", after_bytes=50_000)  # which passes
    text += f'[[network]]\nssid = "attic"\npassword = "{PASSWORD}"\n'
    wifi = '[[wifi]]\nssid = "attic"\npassword_env = "SITE_WIFI"\n'
    (bench.folder / "plan.toml").write_text(PLAN + wifi)
    virtuals = fleet(text, folder=bench.folder / "bag").boards
    bad = {
        virtuals[0].serial: ("NO CHIP", "Failed to connect"),
        virtuals[1].serial: ("BAD FLASH", "Flash write error"),
        virtuals[2].serial: ("SENSOR", "sht4x"),
        virtuals[-1].serial: ("WRONG CHIP", "has an esp32c6"),
    }
    right = [each for each in virtuals if each.serial not in bad]
    (bench.folder / "printed").mkdir()
    labels = ("--labels", "labels", "--print", "cp --target-directory=printed")
    with Processes() as processes:
        done, ends = bench.run(*labels)
    assert done.returncode == 1
    assert set(ends) == {each.serial for each in virtuals}
    for port, row in ends.items():
        large, why = bad.get(port, ("", ""))
        assert row["event"] == ("failed" if large else "passed"), row
        assert (row.get("headline", ""), why in row["error"]) == (large, True), row["error"]
        assert not large or port in done.stderr
    assert f"4 of {COUNT} boards failed" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["passed"] == len(right)
    said = (done.stdout + done.stderr).encode()
    told = bench.records("provisioned")
    assert {each["device"] for each in told} == {each.device for each in right}
    assert len({each["name"] for each in told}) == len(right)

    made = {f"node-{each.device[-6:]}-{each.device}" for each in right}
    assert {path.name for path in (bench.folder / "printed").iterdir()} == {
        f"{m}.png" for m in made
    }
    assert {path.stem for path in (bench.folder / "labels").glob("*.svg")} == made

    starts = [each.counts.starts for each in right]
    done, ends = bench.run(*labels)
    for each in right:
        assert ends[each.serial]["event"] == "already"
    assert [each.counts.starts for each in right] == starts  # not even restarted
    assert bench.records("provisioned") == told
    assert any(b"write-flash" in each for each in processes.seen)
    shown = said + (done.stdout + done.stderr).encode() + bench.told() + b"".join(processes.seen)
    assert not [each for each in bench.secrets() if each in shown]


def contents(virtual):
    """Return what makes a board one of the fleet; when it was made so is not of it."""
    with opened(lambda: RawPrompt.open(virtual.serial, 60), virtual.serial, known=True) as prompt:
        found = {name: prompt.read(name) for name in FILES}
        found |= prompt.hashes(prompt.names("/lib"))
        prompt.restart()
    vfs = next(each for each in boards.load(NAME).partitions if each.name == "vfs")
    found["programs and table"] = virtual.flash.read(0, vfs.offset)
    found["/provision.json"] = json.loads(found["/provision.json"]) | {"at": ""}
    return found


def test_killed_at_any_moment_the_next_run_ends_in_the_same_state(fleet, bench):
    """Every other time it begins with a blank chip, else it brings another release."""
    virtual = fleet(BLANK, folder=bench.folder / "bag").boards[0]
    moment = random.Random(5)
    assert bench.run()[0].returncode == 0
    whole = contents(virtual)
    for n in range(KILLS):
        if n % 2 == 0:
            virtual._loop.call_soon_threadsafe(virtual.wipe)
        image = ("--image", "other.bin" if n % 2 else "image.bin")
        with bench.start(*image, stdout=subprocess.DEVNULL) as station:
            time.sleep(0.3 + moment.random() * 6)
            station.send_signal(signal.SIGKILL)
        done, ends = bench.run()
        assert done.returncode == 0, (n, done.stderr)
        assert ends[virtual.serial]["name"] == f"node-{virtual.device[-6:]}"
        assert contents(virtual) == whole, n
    assert {(each["device"], each["name"]) for each in bench.records("provisioned")} == {
        (virtual.device, f"node-{virtual.device[-6:]}")
    }


def until(station, *events, within_s=240):
    """Read a station's lines until one of these events; return it."""
    watchdog = threading.Timer(within_s, station.kill)
    watchdog.start()
    try:
        for line in station.stdout:
            row = json.loads(line)
            if (row["event"], row.get("step")) in events or (row["event"],) in events:
                return row
    finally:
        watchdog.cancel()
    raise AssertionError(f"the station has ended, or there was none of {events}")


@pytest.mark.parametrize("step", ["writing", "starting"])
def test_a_board_that_is_pulled_is_finished_when_it_is_plugged_in_again(fleet, bench, step):
    """And when it comes back once more, it is done."""
    virtual = fleet(BLANK, folder=bench.folder / "bag").boards[0]
    with bench.start() as station:
        until(station, ("step", step))
        virtual._loop.call_soon_threadsafe(virtual.pull)
        row = until(station, ("pulled",), ("failed",), ("passed",))
        assert row["event"] == "pulled"
        assert row["device"] == virtual.device
        for expected in ("passed", "already"):
            until(station, ("unplugged",))
            virtual._loop.call_soon_threadsafe(virtual.plug)
            row = until(station, ("pulled",), ("failed",), ("passed",), ("already",))
            assert (row["event"], row["error"]) == (expected, "")
            virtual._loop.call_soon_threadsafe(virtual.pull)
        station.send_signal(signal.SIGINT)
        assert until(station, ("end",))["passed"] == 1
        assert station.wait(90) == 0


@pytest.mark.skipif(KILLS <= 2, reason="takes minutes: MOTEKIT_FLASH_KILLS says how often")
def test_pulled_at_any_moment_a_board_ends_in_the_same_state(fleet, bench):
    virtual = fleet(BLANK, folder=bench.folder / "bag").boards[0]
    assert bench.run()[0].returncode == 0
    whole = contents(virtual)
    moment = random.Random(6)
    verdicts = [(each,) for each in ("passed", "already", "failed", "pulled")]
    for n in range(KILLS):
        if n % 2 == 0:
            virtual._loop.call_soon_threadsafe(virtual.wipe)
        with bench.start("--image", "other.bin" if n % 2 else "image.bin") as station:
            until(station, ("plugged",))
            time.sleep(moment.random() * 6)
            virtual._loop.call_soon_threadsafe(virtual.pull)
            row = until(station, *verdicts)
            assert row["event"] != "failed", row
            until(station, ("unplugged",))
            virtual._loop.call_soon_threadsafe(virtual.plug)
            row = until(station, *verdicts)
            assert row["event"] in {"passed", "already"}, row
            station.send_signal(signal.SIGINT)
            assert station.wait(90) == 0
        assert bench.run()[0].returncode == 0
        assert contents(virtual) == whole, n


def ctrl_c(station):
    """Interrupt a program and all that it has started, as a terminal does."""
    os.killpg(station.pid, signal.SIGINT)


def test_ctrl_c_lets_boards_be_finished_and_a_second_one_does_not(fleet, bench):
    virtual = fleet(BLANK, folder=bench.folder / "bag").boards[0]
    with bench.start(start_new_session=True) as station:
        until(station, ("step", "writing"))
        time.sleep(0.3)
        ctrl_c(station)
        assert until(station, ("step",))["step"] == "hello"  # and no second attempt to write
        assert until(station, ("passed",), ("failed",))["error"] == ""
        assert station.wait(90) == 0
    virtual._loop.call_soon_threadsafe(virtual.wipe)
    with bench.start(start_new_session=True) as station:
        until(station, ("step", "writing"))
        ctrl_c(station)
        time.sleep(0.1)
        ctrl_c(station)
        assert station.wait(90) == 0
    with bench.start("--until-done", stderr=subprocess.PIPE) as station:
        row = until(station, ("passed",), ("failed",))
        assert row["event"] == "passed"
        assert f"begun, not finished: {virtual.device}" in station.stderr.read()
        assert station.wait(90) == 0


def on_a_terminal(bench, *more):
    """Run a station on a terminal of 120 x 40; return its exit code and all it has shown."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    argv = [each for each in bench.command("--until-done", *more) if each != "--json"]
    shown = bytearray()

    def take():
        try:
            while data := os.read(ours, 65536):
                shown.extend(data)
        except OSError:
            return

    with started(
        argv,
        cwd=bench.folder,
        env={**bench.environment, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as station:
        os.close(theirs)
        thread = threading.Thread(target=take)
        thread.start()
        code = station.wait(240)
    thread.join(60)
    os.close(ours)
    return code, shown.decode("utf-8", "replace")


def test_a_terminal_shows_pass_and_fail_in_block_letters(fleet, bench):
    text = f'{BLANK}[[board]]\nboard = "{NAME}"\nflash = "blank"\nchip = "esp32c6"\n{SENSOR}'
    virtuals = fleet(text, folder=bench.folder / "bag").boards
    code, shown = on_a_terminal(bench)
    assert code == 1
    assert "\x1b[?1049h" in shown  # a screen of its own
    screen, _, after = shown.rpartition("\x1b[?1049l")
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen)
    assert "██████████" in plain
    assert "tty0 node-" in plain
    assert "tty1 WRONG CHIP" in plain
    assert f"FAIL    tty1  {virtuals[1].device}" in after
    assert "1 boards passed, 1 failed, yield 50 %" in after


def test_a_board_of_another_fleet_is_left_alone(fleet, bench):
    virtual = fleet(BLANK, folder=bench.folder / "bag").boards[0]
    assert bench.run()[0].returncode == 0
    starts = virtual.counts.starts
    (bench.folder / "keys.json").unlink()
    keys.create(bench.folder / "keys.json")
    done, ends = bench.run("--records", "others.jsonl")
    assert done.returncode == 1
    assert ends[virtual.serial]["headline"] == "NOT OURS"
    assert virtual.counts.starts == starts


def test_what_cannot_be_is_said_before_a_board_is_touched(bench):
    def refused(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "motekit", "station", *arguments],
            cwd=bench.folder,
            env=bench.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, " ".join(done.stderr.split())

    rest = ("--image", "image.bin", "--records", "r.jsonl")
    for arguments, code, says in (
        (("nowhere.toml", *rest), 2, "nowhere.toml"),
        (("plan.toml", "x*", *rest, "--until-done"), 1, "x*: no such port"),
        (("plan.toml", "/dev/ttyNOSE", *rest, "--until-done"), 1, "/dev/ttyNOSE: no such port"),
        (("plan.toml", "http://x", *rest), 2, "no port that boards are flashed at"),
        (("plan.toml", *rest), 1, "motekit keys init"),
        (("plan.toml", *rest, "--at-once", "0"), 2, "--at-once"),
        (("plan.toml", *rest, "--release", "1.28.0"), 2, "not both"),
        (("plan.toml", *rest, "--print", "lp"), 2, "name a folder for them with --labels"),
    ):
        found, said = refused(*arguments)
        assert (found, says in said) == (code, True), (arguments, said)


def test_two_stations_do_not_get_in_each_others_way(bench):
    (bench.folder / "bag").mkdir()
    with bench.start(stdout=subprocess.DEVNULL) as station:
        journal = bench.folder / "records.station.jsonl"
        while not journal.exists():
            time.sleep(0.05)
        time.sleep(0.2)
        (bench.folder / "bag" / "tty0").symlink_to("/dev/null")
        done, _ = bench.run()
        assert done.returncode == 1
        assert "another station is writing to it" in done.stderr
        station.send_signal(signal.SIGTERM)
        assert station.wait(90) == 0

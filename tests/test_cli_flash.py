"""`motekit flash` and `motekit firmware` as a user runs them, on virtual chips."""

import json
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from motekit import board as boards
from motekit.flasher import manifest, ports
from motekit.prompt.raw import RawPrompt
from motekit.sim.loader import synthetic
from motekit.transports.patience import opened
from tests.programs import started

ROOT = Path(__file__).parents[1]
NAME = "esp32-c3-devkitm-1"
BLANK = f'loader_speed = 1000\n[[board]]\nboard = "{NAME}"\nflash = "blank"\n'
COUNT = int(os.environ.get("MOTEKIT_FLASH_BOARDS", "6"))  # 16 is what a bench takes
KILLS = int(os.environ.get("MOTEKIT_FLASH_KILLS", "3"))


@pytest.fixture
def environment(tmp_path):
    path = os.pathsep.join((str(ROOT / "host"), str(ROOT / "firmware")))
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    return {**os.environ, "PYTHONPATH": path, **home}


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "micropython.bin"
    path.write_bytes(synthetic.release(boards.load(NAME).chip, app_bytes=100_000))
    return path


@pytest.fixture
def motekit(environment, tmp_path):
    def run(*args, **options):
        argv = [sys.executable, "-m", "motekit", *map(str, args)]
        return subprocess.run(
            argv,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
            stdin=subprocess.DEVNULL,
            **options,
        )

    return run


def fault(board, kind, **more):
    rest = "".join(f"{key} = {value}\n" for key, value in more.items())
    return f'[[fault]]\nkind = "{kind}"\nboard = {board}\n{rest}'


def test_a_bag_of_boards_becomes_a_fleet_but_for_those_that_are_broken(
    fleet, tmp_path, motekit, image
):
    """Four faulty ones, each in its own way; repeated, nothing that is right is touched."""
    text = BLANK.replace("[[board]]\n", f"[[board]]\ncount = {COUNT - 1}\n")
    text += f'[[board]]\nboard = "{NAME}"\nflash = "blank"\nchip = "esp32c6"\n'
    text += fault(0, "loader_dead") + fault(2, "flash_write_protected")
    text += fault(3, "board_pulled", after_bytes=50_000)
    text += fault(4, "loader_brownout", after_bytes=50_000)  # which passes
    virtuals = fleet(text, folder=tmp_path / "bag").boards
    bad = {
        virtuals[0].serial: "Failed to connect",
        virtuals[2].serial: "Flash write error",
        virtuals[3].serial: "no such port",
        virtuals[-1].serial: "has an esp32c6",
    }
    hints = {virtuals[0].serial: "hold BOOT", virtuals[2].serial: "try another board"}
    listed = [each.serial for each in virtuals]
    done = motekit("flash", *listed, "--board", NAME, "--image", image, "--json")
    rows = {each["port"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert list(rows) == listed
    assert done.returncode == 1
    for port, row in rows.items():
        assert row["state"] == ("failed" if port in bad else "flashed"), row
        assert bad.get(port, "") in row["error"]
        assert hints.get(port, "") in row["error"]
        assert port not in bad or f"{port}" in done.stderr
    assert {rows[each.serial]["device"] for each in virtuals[4:]} == {
        each.device for each in virtuals[4:]
    }
    assert f"4 of {COUNT} boards failed" in done.stderr
    right = [each for each in virtuals if each.serial not in bad]
    before = [each.flash.written_bytes for each in right]
    done = motekit("flash", f"{tmp_path}/bag/tty*", "--board", NAME, "--image", image, "--json")
    for row in map(json.loads, done.stdout.splitlines()):
        assert row["state"] == ("failed" if row["port"] in bad else "unchanged"), row
    assert [each.flash.written_bytes for each in right] == before


def contents(virtual):
    """Return what is on a board but for what its firmware writes: programs, table, files."""
    with opened(lambda: RawPrompt.open(virtual.serial, 60), virtual.serial, known=True) as prompt:
        names = [*prompt.names("/lib"), "/boot.py", "/main.py", "/config.json"]
        found = prompt.hashes(names)
        prompt.restart()
    assert all(found.values())
    vfs = next(each for each in boards.load(NAME).partitions if each.name == "vfs")
    return found, virtual.flash.read(0, vfs.offset)


def test_killed_at_any_moment_the_next_run_ends_in_the_same_state(
    fleet, motekit, image, environment, tmp_path
):
    """Every other time there is something to update, and a blank chip else."""
    virtual = fleet(BLANK).boards[0]
    other = tmp_path / "other.bin"
    other.write_bytes(synthetic.release(boards.load(NAME).chip, "1.29.0", 100_000))
    flash = ("flash", virtual.serial, "--board", NAME, "--json", "--image")
    moment = random.Random(1)
    for n in range(KILLS):
        if n % 2 == 0:
            virtual._loop.call_soon_threadsafe(virtual.wipe)
        argv = [sys.executable, "-m", "motekit", *map(str, (*flash, other if n % 2 else image))]
        with started(argv, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL) as running:
            end = virtual.flash.written_bytes + moment.random() * 100_000
            last_s = time.monotonic() + moment.random() * 4
            while virtual.flash.written_bytes < end and time.monotonic() < last_s:
                time.sleep(0.01)
            running.send_signal(signal.SIGKILL)
        done = motekit(*flash, image)
        assert done.returncode == 0, done.stderr
        (row,) = map(json.loads, done.stdout.splitlines())
        assert row["device"] == virtual.device
        assert row["firmware"]
    killed = contents(virtual)
    done = motekit(*flash, image, "--erase", "--yes")
    assert done.returncode == 0, done.stderr
    assert contents(virtual) == killed


def test_plain_lines_and_a_table_where_there_is_no_terminal(fleet, motekit, image):
    virtual = fleet(BLANK).boards[0]
    done = motekit("flash", f"serial:{virtual.serial}", "--board", NAME, "--image", image)
    assert done.returncode == 0, done.stderr
    head, row = done.stdout.splitlines()
    assert head.split()[:4] == ["port", "device", "chip", "state"]
    assert row.split()[:4] == [virtual.serial, virtual.device, "esp32c3", "flashed"]
    assert [line.rpartition(" ")[2] for line in done.stderr.splitlines()] == [
        *("looking", "writing", "hello")
    ]
    done = motekit("flash", virtual.serial, "-b", NAME, "--image", image, "--erase")
    assert done.returncode == 2
    assert "--yes does without" in done.stderr


@contextmanager
def served(path):
    """Give the port of a TCP server that carries bytes to a serial port and back."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        ended = threading.Event()

        def carry():
            while not ended.is_set():
                try:
                    client, _ = server.accept()
                except TimeoutError:
                    continue
                line = os.open(path, os.O_RDWR | os.O_NOCTTY)
                while not ended.is_set():
                    ready, _, _ = select.select([client, line], [], [], 0.2)
                    data = client.recv(4096) if client in ready else None
                    if data == b"":
                        break
                    os.write(line, data or b"")
                    if line in ready:
                        client.sendall(os.read(line, 4096))
                os.close(line)
                client.close()

        thread = threading.Thread(target=carry)
        thread.start()
        yield server.getsockname()[1]
        ended.set()
        thread.join()


def test_a_board_across_the_network_is_flashed(fleet, motekit, image):
    virtual = fleet(BLANK).boards[0]
    with served(virtual.serial) as port:
        url = f"socket://127.0.0.1:{port}"
        for state in ("flashed", "unchanged"):
            done = motekit("flash", url, "-b", NAME, "--image", image, "--json")
            (row,) = map(json.loads, done.stdout.splitlines())
            assert (row["error"], row["state"], row["device"]) == ("", state, virtual.device)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--all"], 2, "--board is missing; known: esp32-c3"),
        (["--board", NAME], 2, "name ports, or say --all"),
        (["x", "--all", "--board", NAME], 2, "name ports, or say --all"),
        (["x", "--board", "esp32"], 2, "did you mean"),
        (["x", "--board", NAME, "--image", "IMAGE", "--release", "1.28.0"], 2, "not both"),
        (["x", "--board", NAME, "--baud", "1"], 2, "--baud"),
        (["x", "--board", NAME], 2, r"images\.json: No such file.*firmware refresh"),
        (["x", "--board", NAME, "--image", "nowhere.bin"], 1, "nowhere.bin: No such file"),
        (["x*", "--board", NAME, "--image", "IMAGE"], 1, "no port fits this pattern"),
        (["http://x", "--board", NAME, "--image", "IMAGE"], 2, "no port that boards are flashed"),
        (["/dev/ttyNOSE", "--board", NAME, "--image", "IMAGE"], 1, "ttyNOSE: no such port"),
        (["x", "--board", "esp32-devkitc", "--image", "IMAGE"], 1, "is for an esp32c3, the board"),
        (["socket://127.0.0.1:9", "-b", NAME, "--image", "IMAGE"], 1, "1 of 1 boards failed"),
    ],
)
def test_what_cannot_be_is_said(motekit, image, arguments, code, says):
    done = motekit("flash", *(str(image) if each == "IMAGE" else each for each in arguments))
    assert done.returncode == code, done.stderr
    assert re.search(says, " ".join(done.stderr.replace("│", " ").split())), done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_named_twice_is_flashed_once(tmp_path):
    real = tmp_path / "tty0"
    real.touch()
    (tmp_path / "by-id").symlink_to(real)
    urls = ["socket://a:1", "socket://a:1", "rfc2217://a:1"]
    found = ports.named([str(real), f"serial:{tmp_path}/tty*", str(tmp_path / "by-id"), *urls])
    assert found == [str(real), "socket://a:1", "rfc2217://a:1"]


def test_images_are_listed(motekit, tmp_path):
    path = tmp_path / "images.json"
    entry = manifest.Entry("ESP32_GENERIC_C3", "1.28.0", "http://127.0.0.1:9/x.bin", 9, "0" * 64)
    manifest.save(path, (entry,))
    done = motekit("firmware", "list", "--manifest", path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split()[:4] == ["ESP32_GENERIC_C3", "1.28.0", "9", "no"]
    (row,) = map(
        json.loads, motekit("firmware", "list", "--manifest", path, "--json").stdout.splitlines()
    )
    assert row["url"] == entry.url
    done = motekit("firmware", "refresh", "--release", "1.28.0", "--site", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "cannot be fetched" in done.stderr


def test_sim_writes_what_its_blank_boards_take(motekit, tmp_path):
    (tmp_path / "x.toml").write_text(BLANK)
    (tmp_path / "y.toml").write_text(BLANK.replace("blank", "firmware"))
    done = motekit("sim", "--scenario", "y.toml", "--image", "m.bin")
    assert done.returncode == 2
    assert "there are none" in done.stderr
    (tmp_path / "z.toml").write_text("duration_s = 9\n" + BLANK)
    done = motekit("sim", "--scenario", "z.toml", "--store", "x.motekit", "--image", "m.bin")
    assert done.returncode == 2
    assert "in no world" in done.stderr
    assert (tmp_path / "m.bin").stat().st_size > 1_000_000

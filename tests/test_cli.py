"""The command line: help, exit codes, clear words and never a traceback; what commands print."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from motekit.cli import COMMANDS
from motekit.store import Received, Store
from motekit.transports.replay import Recorder
from tests.model_board import SCHEMA, ModelBoard, PtyBoard, note_packet, samples_packet
from tests.packets import DEVICE as BOARD
from tests.packets import anchor, note, received, samples, schema
from tests.programs import started

DEVICE = "0123456789ab"


def log(count=20):
    packets = [
        note_packet(DEVICE, 7, 0, {"boot": {"board": "model", "reset": "power_on"}}),
        note_packet(DEVICE, 7, 1, {"schema": SCHEMA}),
    ]
    for seq in range(2, count):
        values = [[seq * 10 + i for i in range(10)]]
        packets.append(
            samples_packet(DEVICE, 7, seq, (seq - 2) * 10, values, time_us=seq * 50_000)
        )
    return packets


@pytest.fixture
def environment(tmp_path):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MOTEKIT")}
    return {**clean, "XDG_CONFIG_HOME": str(tmp_path / "config"), "COLUMNS": "120"}


@pytest.fixture
def motekit(environment):
    """Return a function that runs the command line to its end."""

    def run(*args, seconds=60, **extra):
        done = subprocess.run(
            [sys.executable, "-m", "motekit", *map(str, args)],
            capture_output=True,
            text=True,
            timeout=seconds,
            env={**environment, **extra},
            check=False,
        )
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        return done

    return run


@pytest.fixture
def collected(tmp_path):
    """Return a store with one device."""
    recorder = Recorder(tmp_path / "day.jsonl")
    for data in log():
        recorder.write(DEVICE, data)
    recorder.close()
    return tmp_path / "day.jsonl"


@pytest.mark.parametrize("command", [name for name, _ in COMMANDS])
def test_each_command_has_help_with_an_example(motekit, command):
    done = motekit(command, "--help")
    assert done.returncode == 0
    assert f"Example: motekit {command}" in " ".join(done.stdout.split())
    assert "needs the Python package" not in done.stdout


def test_help_lists_every_command_and_version_is_told(motekit):
    done = motekit("--help")
    assert done.returncode == 0
    for name, _ in COMMANDS:
        assert name in done.stdout
    assert motekit("--version").stdout.startswith("motekit ")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["dance"], 2, "No such command 'dance'"),
        (["collect", "--dance"], 2, "No such option"),
        (["collect", "--for", "soon", "--store", "x"], 2, "should be a valid number"),
        (["collect", "gopher:hole", "--store", "{tmp}/x"], 2, "serial:, replay:"),
        (["collect", "/dev/none"], 2, "MOTEKIT_STORE"),
        (["collect", "/dev/none", "--store", "{tmp}/x"], 1, "/dev/none: no such port"),
        (["collect", "{tmp}", "--store", "{tmp}/x"], 1, "no serial port, but a file or folder"),
        (["collect", "replay:{tmp}/none", "--store", "{tmp}/x"], 1, "recording cannot be read"),
        (["collect", "--store", "{tmp}/no/such/folder/x"], 1, "no/such/folder"),
        (["collect", "--store", "{tmp}/text"], 1, "text"),
        (["collect", "--store", "{tmp}/x", "--keys", "{tmp}/text"], 1, "text: key store"),
        (["status"], 2, "MOTEKIT_STORE"),
        (["status", "--store", "{tmp}/none"], 1, "none"),
        (["status", "--store", "{tmp}/text"], 1, "text"),
        (["tail", "--store", "{tmp}/none"], 1, "none"),
    ],
)
def test_wrong_input_is_named_with_its_exit_code(motekit, tmp_path, args, code, words):
    (tmp_path / "text").write_text(
        "this is no store and no key store either, but long enough\n" * 9
    )
    (tmp_path / "text").chmod(0o600)
    done = motekit(*(arg.replace("{tmp}", str(tmp_path)) for arg in args))
    assert done.returncode == code, done.stderr
    assert words in " ".join(done.stderr.replace("│", " ").split())


def test_a_port_that_is_busy_and_one_without_a_board_are_errors(motekit, tmp_path):
    with PtyBoard(ModelBoard()) as wire, Path(wire.path).open("rb", buffering=0) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = motekit("collect", wire.path, "--store", tmp_path / "x")
        assert done.returncode == 1
        assert "in use by" in done.stderr
        assert f"(pid {os.getpid()})" in done.stderr
    mute = ModelBoard()
    mute.receive = lambda _data, _now: b""
    with PtyBoard(mute) as wire:
        done = motekit("collect", wire.path, "--store", tmp_path / "x")
        assert done.returncode == 1
        assert "no MicroPython board that runs motefw answers" in done.stderr


def test_collecting_into_a_pipe_prints_plain_lines_and_talk_goes_to_stderr(motekit, tmp_path):
    with PtyBoard(ModelBoard(packets=log())) as wire:
        done = motekit("collect", wire.path, "--store", tmp_path / "x", "--until-idle", "1")
    assert done.returncode == 0
    assert "adxl345" in done.stdout
    assert "180 samples" in done.stdout
    assert "accel_x 0.7761 g" in done.stdout
    assert f"180 samples in 18 packets of 1 boards, 0 gaps, in {tmp_path / 'x'}" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_collecting_as_json_prints_one_object_a_line(motekit, tmp_path):
    with PtyBoard(ModelBoard(packets=log())) as wire:
        done = motekit(
            *("collect", wire.path, "--until-idle", "1", "--json"),
            MOTEKIT_STORE=str(tmp_path / "x"),
        )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    (board,) = [row for row in rows if row["kind"] == "board"]
    assert (board["device"], board["samples"], board["gaps"]) == (DEVICE, 180, 0)
    assert board["streams"][0]["last"] == {"accel_x": pytest.approx(199 * 0.0039)}
    assert rows[-1]["kind"] == "end"
    assert rows[-1]["samples"] == 180


def read_terminal(master, process, seconds=20):
    """Return what a program writes to its terminal until it ends."""
    text = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([master], [], [], 0.05)[0]:
            try:
                text += os.read(master, 65536)
            except OSError:
                break
        elif process.poll() is not None:
            break
    return text.decode()


def screen(text):
    """Return the lines that a terminal shows in the end: line feeds, cursor up, erased lines."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", text):
        if part == "\r":
            column = 0
        elif part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part.startswith("\x1b"):
            if part.endswith("A"):
                row = max(row - int(part[2:-1] or 1), 0)
            elif part.endswith("K"):
                lines[row] = ""
        else:
            lines[row] = (
                lines[row].ljust(column)[:column] + part + lines[row][column + len(part) :]
            )
            column += len(part)
    return lines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_on_a_terminal_a_live_table_until_ctrl_c_which_ends_cleanly(environment, tmp_path, number):
    master, slave = pty.openpty()
    board = PtyBoard(ModelBoard(packets=log()))
    command = [sys.executable, "-m", "motekit", "collect", board.path]
    program = started(
        [*command, "--store", tmp_path / "x"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**environment, "TERM": "xterm"},
    )
    with board as wire, program as process:
        os.close(slave)
        end = time.monotonic() + 90
        while wire.board.tail < 20 and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.7)
        process.send_signal(number)
        text = read_terminal(master, process)
        assert process.wait(90) == (130 if number == signal.SIGINT else 0), text
    os.close(master)
    assert "last value" in text
    assert "accel_x 0.7761 g" in text
    assert "Traceback" not in text
    assert "180 samples in 18 packets" in text
    assert sum("last value" in line for line in screen(text)) == 1, "one table stays"


def test_what_was_collected_is_recorded_and_shown(motekit, tmp_path):
    store = tmp_path / "x"
    with PtyBoard(ModelBoard(packets=log())) as wire:
        args = ("--store", store, "--until-idle", "1", "--record", tmp_path / "day.jsonl")
        motekit("collect", wire.path, *args)
    assert (
        motekit("collect", f"replay:{tmp_path}/day.jsonl", "--store", tmp_path / "y").returncode
        == 0
    )
    for path in (store, tmp_path / "y"):
        done = motekit("status", "--store", path, "--json")
        (row,) = map(json.loads, done.stdout.splitlines())
        assert (row["device"], row["samples"], row["missing"], row["lost"]) == (DEVICE, 180, 0, 0)
    table = motekit("status", "--store", store).stdout.splitlines()
    assert table[0].split() == [
        *("board", "device", "streams", "samples", "bytes/sample"),
        *("gaps", "missing", "lost", "starts", "last", "data"),
    ]
    assert table[1].split()[:4] == ["model", DEVICE, "adxl345", "180"]


def test_tail_shows_the_newest_reading_and_follows(environment, motekit, tmp_path, collected):
    store = tmp_path / "x"
    motekit("collect", f"replay:{collected}", "--store", store)
    (row,) = map(
        json.loads, motekit("tail", "--store", store, "--for", "0", "--json").stdout.splitlines()
    )
    assert row == {
        "device": DEVICE,
        "stream": "adxl345",
        "time": None,
        "monotonic_us": 19 * 50_000 + 9 * 5000,
        "accel_x": pytest.approx(199 * 0.0039),
    }
    by_name = motekit(
        "tail", "-s", store, "--for", "0", "--device", "model", "--stream", "adxl345"
    )
    assert by_name.stdout.split()[-2:] == ["0.7761", "g"]
    for option, known in (("--stream", "adxl345"), ("--device", f"model ({DEVICE})")):
        refused = motekit("tail", "--store", store, "--for", "0", option, "none")
        assert refused.returncode == 2
        assert f"none: not in this store; there are: {known}" in refused.stderr
    with started(
        [sys.executable, "-m", "motekit", "tail", "--store", store],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert "accel_x 0.7761 g" in process.stdout.readline()
        with Store.open(store) as opened:
            packet = samples_packet(DEVICE, 7, 20, 180, [[1000]], time_us=1_000_000)
            opened.append([Received(DEVICE, packet, verified=False)])
        assert "accel_x 3.9000 g" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 130


def test_ports_says_who_answers_and_leaves_them_alone(motekit):
    board = ModelBoard(packets=log())
    with PtyBoard(board) as wire:
        done = motekit("ports", wire.path, "/dev/none", "--json")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert (rows[0]["device"], rows[0]["board"]) == (DEVICE, "model")
        assert "no such port" in rows[1]["note"]
        assert board.sent_seq == 0, "a probe starts nothing"
        assert DEVICE in motekit("ports", wire.path).stdout
        assert DEVICE not in motekit("ports", wire.path, "--no-probe").stdout


def test_a_named_port_that_is_not_there_is_a_failure(motekit):
    done = motekit("ports", "/dev/none")
    assert done.returncode == 1
    assert "/dev/none: no such port" in done.stderr
    assert motekit("ports", "/dev/none", "--json").returncode == 1


@pytest.mark.parametrize("port", ["/dev/none", "/dev/null"])
def test_a_refused_collect_leaves_nothing_behind(motekit, tmp_path, port):
    folder = tmp_path / "stores"
    folder.mkdir()
    done = motekit("collect", port, "--store", folder / "x")
    assert done.returncode == 1
    assert "no such port" in done.stderr or "but no serial port" in done.stderr
    assert list(folder.iterdir()) == []


def test_a_refused_collect_keeps_the_store_that_was_there(motekit, tmp_path, collected):
    store = tmp_path / "x"
    motekit("collect", f"replay:{collected}", "--store", store)
    assert motekit("collect", "/dev/none", "--store", store).returncode == 1
    assert "180" in motekit("status", "--store", store).stdout


def test_collecting_with_nothing_attached_says_that_it_waits(motekit, tmp_path):
    pattern = f"serial:{tmp_path}/tty*"
    done = motekit("collect", pattern, "--store", tmp_path / "x", "--for", "0")
    assert done.returncode == 0
    assert f"{pattern}: nothing is attached yet; waiting for boards" in done.stderr


def on_terminal(environment, columns, *args):
    """Return what a command shows on a terminal so wide, without its colours."""
    master, slave = pty.openpty()
    with started(
        [sys.executable, "-m", "motekit", *args],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**environment, "TERM": "xterm", "COLUMNS": str(columns)},
    ) as process:
        os.close(slave)
        text = read_terminal(master, process)
        assert process.wait(90) == 0, text
    os.close(master)
    return re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r\n", "\n")


def test_a_narrow_terminal_shows_a_row_a_line_and_says_what_it_leaves_out(environment, tmp_path):
    store = tmp_path / "x"
    table = schema(rate_hz=10)
    table["channels"] = [[f"speed_{i}", "m/s", 0.0039, 0.0] for i in range(12)]
    packets = [
        note({"boot": {"board": "model", "name": "mill"}}, seq=0),
        note({"schema": table}, seq=1),
        anchor(1_770_000_000_000_000, seq=2),
        samples([range(i, i + 4) for i in range(12)], seq=3),
    ]
    with Store.open(store, create=True) as opened:
        opened.append([received(data) for data in packets])
    lines = on_terminal(environment, 80, "query", "--store", store).splitlines()
    assert lines[0] == f"mill ({BOARD})  adxl345  2026-02-02, UTC"
    assert lines[1].split()[:3] == ["speed_0", "speed_1", "speed_2"]
    for i, line in enumerate(lines[3:7]):
        values = [f"{(i + channel) * 0.0039:.4f}" for channel in range(3)]
        assert line.split()[:4] == [f"02:40:00.{i}00", *values]
    assert all(len(line) <= 80 for line in lines[:-1])
    assert "no room for: speed_" in lines[-1]
    wide = on_terminal(environment, 200, "query", "--store", store)
    assert "no room" not in wide
    status = on_terminal(environment, 60, "status", "--store", store).splitlines()
    assert status[1].split()[:2] == ["mill", BOARD]


def test_status_tells_which_sensor_is_not_well(motekit, tmp_path):
    store = tmp_path / "x"
    told = {"sensor": {"stream": 0, "name": "sht\x1b4x", "state": "failing", "error": "EIO"}}
    with Store.open(store, create=True) as opened:
        opened.append([received(note({"boot": {"board": "model"}}, seq=0))])
        opened.append([received(note(told, seq=1))])
    done = motekit("status", "--store", store)
    assert f"model ({BOARD}): sht\\x1b4x: failing" in done.stderr
    assert done.stdout.startswith("board")
    assert json.loads(motekit("status", "--store", store, "--json").stdout)["ailing"]


def test_a_reader_that_goes_away_is_no_traceback(environment, tmp_path, collected):
    recipe = (
        f"{sys.executable} -m motekit collect replay:{collected} --store {tmp_path / 'x'} 2>&1;"
        f"{sys.executable} -m motekit status --json --store {tmp_path / 'x'} | true"
    )
    done = subprocess.run(
        ["bash", "-c", recipe], capture_output=True, text=True, env=environment, check=False
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_start_up_does_not_import_what_a_command_does_not_need(environment):
    code = "import sys, motekit.cli; print({'numpy', 'serial', 'pyarrow'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "set()"

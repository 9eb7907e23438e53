"""`motekit provision` and `motekit keys` as a user runs them; no secret gets out."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pypdfium2
import pytest
import zxingcpp
from PIL import Image

from motefw import keys as purposes
from motekit.client import Client
from motekit.keys import Host, KeyStore
from motekit.prompt.raw import RawPrompt
from motekit.transports.serial import SerialPipe
from tests.programs import started, wait_until_it_sleeps

ROOT = Path(__file__).parents[1]
NAME = "esp32-c3-devkitm-1"
PASSWORD = "canary-wifi-8c1d"
SHORT = "canary7"
BOARD = (
    f'[[board]]\ncount = 3\nboard = "{NAME}"\n[[board.sensor]]\ndriver = "sht4x"\n'
    f'[[network]]\nssid = "attic"\npassword = "{PASSWORD}"\n'
)
PLAN = (
    f'fleet = "acme"\nboard = "{NAME}"\nsite = "roof"\n[packet]\nlatency_ms = 200\n'
    '[[sensor]]\ndriver = "sht4x"\n'
)
WIFI = '[[wifi]]\nssid = "attic"\npassword_env = "ATTIC"\n'


@pytest.fixture
def home(tmp_path):
    """Return the environment of a user who has nothing yet."""
    path = os.pathsep.join((str(ROOT / "host"), str(ROOT / "firmware")))
    folders = {f"XDG_{each}_HOME": str(tmp_path / each.lower()) for each in ("CONFIG", "DATA")}
    environment = {**os.environ, "PYTHONPATH": path, "HOME": str(tmp_path), **folders}
    environment.pop("MOTEKIT_KEYS", None)
    return {**environment, "ATTIC": PASSWORD}


@pytest.fixture
def motekit(home, tmp_path):
    def run(*args, **options):
        options = {"stdin": subprocess.DEVNULL, "timeout": 200, **options}
        return subprocess.run(
            [sys.executable, "-m", "motekit", *map(str, args)],
            cwd=tmp_path,
            env=home,
            capture_output=True,
            text=True,
            check=False,
            **options,
        )

    return run


@pytest.fixture
def fleet_file(tmp_path):
    (tmp_path / "fleet.toml").write_text(PLAN)
    return tmp_path / "fleet.toml"


def rows(done):
    return [json.loads(row) for row in done.stdout.splitlines()]


def test_a_key_is_made_once_and_never_shown(motekit, tmp_path):
    made = motekit("keys", "init", "--json")
    (row,) = rows(made)
    assert row["purposes"] == [each.decode() for each in purposes.PURPOSES]
    path = Path(row["file"])
    assert path.stat().st_mode & 0o777 == 0o600
    root = json.loads(path.read_text())["root"]
    again = motekit("keys", "init")
    assert (again.returncode, "is not overwritten" in again.stderr) == (1, True)
    shown = motekit("keys", "show")
    assert row["fingerprint"] in shown.stdout
    copy = motekit("keys", "collector", "copy.json", "--json")
    assert rows(copy)[0]["purposes"] == ["data", "ack"]
    assert not KeyStore.load(tmp_path / "copy.json").has(purposes.COMMAND)
    said = "".join(each.stdout + each.stderr for each in (made, again, shown, copy))
    assert root not in said


def test_a_dry_run_says_what_boards_shall_be_and_touches_none(motekit, fleet_file):
    done = motekit("provision", fleet_file, "--dry-run")
    assert (done.returncode, "`motekit keys init` makes one" in done.stderr) == (1, True)
    motekit("keys", "init")
    done = motekit("provision", fleet_file, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    assert rows(done)[0]["sensors"] == ["sht4x"]
    fleet_file.write_text(PLAN + "colour = 1\n")
    done = motekit("provision", fleet_file, "--dry-run")
    assert (done.returncode, "colour: unknown key" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "no plan, and nobody to be asked"),
        (("fleet.toml",), "name ports, or say --all"),
        (("fleet.toml", "other.csv"), "one plan expected"),
        (("none.toml", "--all"), "none.toml: cannot be read"),
        (("--dry-run",), "--dry-run checks a plan"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(motekit, fleet_file, args, says):
    done = motekit("provision", *args)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def test_keys_that_others_can_read_are_refused(motekit, fleet_file, tmp_path):
    motekit("keys", "init", "--keys", "keys.json")
    (tmp_path / "keys.json").chmod(0o644)
    done = motekit("provision", fleet_file, "/dev/ttyNOSE", "--keys", "keys.json")
    assert (done.returncode, "chmod 600" in done.stderr) == (1, True)


def seen_everywhere(process):
    """Return the command lines of all programs, again and again while one runs."""
    seen = set()
    while process.poll() is None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(path.read_bytes())
            except OSError:
                continue  # it has ended
        time.sleep(0.02)
    return seen


def secrets_of(path, devices):
    """Return every text that must be nowhere: fleet key, device keys, passwords."""
    store = KeyStore.load(path)
    found = [json.loads(path.read_text())["root"], PASSWORD]
    for device in devices:
        found += [str(v) for k, v in store.key_file(device, 1).items() if k != "generation"]
    return found


def test_no_secret_gets_out(fleet, motekit, home, tmp_path):
    """Two boards are right and one has no sensor; then all that was said and written is read."""
    text = BOARD + '[[fault]]\nkind = "sensor_absent"\nboard = 2\n'
    virtuals = fleet(text, folder=tmp_path / "flash").boards
    (tmp_path / "out").mkdir()
    (tmp_path / "fleet.toml").write_text(PLAN + WIFI)
    motekit("keys", "init")
    argv = ["provision", "fleet.toml", *(each.serial for each in virtuals), "--json"]
    argv += ["--labels", "out/labels", "--sheet", "out/all.pdf", "--records", "out/records.jsonl"]
    with started(
        [sys.executable, "-m", "motekit", *argv],
        cwd=tmp_path,
        env={**home, "MOTEKIT_DEBUG": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as process:
        seen = seen_everywhere(process)
        stdout, stderr = process.communicate(timeout=240)
    found = [json.loads(row) for row in stdout.splitlines()]
    assert [row["state"] for row in found] == ["provisioned", "provisioned", "failed"], stderr
    assert process.returncode == 1
    assert b"sht4x on i2c0 is absent" in stderr
    again = motekit(*argv)
    assert [row["state"] for row in rows(again)] == ["unchanged", "unchanged", "failed"]
    texts = [stdout, stderr, again.stdout.encode(), again.stderr.encode(), *seen]
    made = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(made) == 2 * 2 + 1 + 1
    texts += [path.read_bytes() for path in made]
    for path in made:
        if path.suffix == ".png":
            texts.append(zxingcpp.read_barcodes(Image.open(path))[0].text.encode())
        elif path.suffix == ".pdf":
            page = pypdfium2.PdfDocument(path)[0]
            texts.append(page.get_textpage().get_text_range().encode())
            read = zxingcpp.read_barcodes(page.render(scale=3).to_pil())
            assert len(read) == 2
            texts += [each.text.encode() for each in read]
    hidden = secrets_of(
        tmp_path / "config" / "motekit" / "keys.json", [v.device for v in virtuals]
    )
    assert len(hidden) == 2 + 3 * 3
    for secret in hidden:
        for text_ in texts:
            assert secret.encode() not in text_, (secret, text_[:200])
            assert (
                bytes.fromhex(secret) not in text_ if re.fullmatch("[0-9a-f]{64}", secret) else 1
            )
    # and they are where they should be: what is looked for is what the boards have
    with RawPrompt.open(virtuals[0].serial, 40) as prompt:
        assert hidden[2].encode() in prompt.read("/keys.json")
        assert PASSWORD.encode() in prompt.read("/wifi.json")


def test_labels_are_refused_before_a_board_is_touched(fleet, motekit, fleet_file, tmp_path):
    virtual = fleet(BOARD).boards[0]
    motekit("keys", "init")
    (tmp_path / "file").write_text("")
    done = motekit("provision", fleet_file, virtual.serial, "--labels", "file/labels")
    assert (done.returncode, "cannot be written" in done.stderr) == (1, True)
    fleet_file.write_text(PLAN.replace("roof", "屋顶"))
    done = motekit("provision", fleet_file, virtual.serial, "--labels", "labels")
    assert (done.returncode, "--font FILE.ttf" in done.stderr) == (2, True)
    assert virtual.counts.starts == 1


def test_ctrl_c_leaves_the_board_as_it_was(fleet, home, motekit, tmp_path):
    """In the middle of its proof, for which it waits in vain."""
    virtual = fleet(BOARD, folder=tmp_path / "flash").boards[0]
    motekit("keys", "init")
    (tmp_path / "fleet.toml").write_text(PLAN.replace("sht4x", "pms5003"))
    with started(
        [sys.executable, "-m", "motekit", "provision", "fleet.toml", virtual.serial],
        cwd=tmp_path,
        env=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as process:
        for line in process.stderr:
            if line.endswith(": sensors\n"):
                break
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; the same again goes on" in said
    pipe = SerialPipe(virtual.serial)
    assert Client(pipe, KeyStore.empty(), Host(tmp_path / "host.json")).probe(40)
    pipe.close()
    with RawPrompt.open(virtual.serial, 40) as prompt:
        names = prompt.names("/")
        assert "pms5003" not in prompt.read("/config.json").decode()
    assert not {"/keys.json", "/trial.json", "/provision.json"} & set(names)


def test_killed_at_any_moment_it_is_repeated_safely(fleet, home, motekit, fleet_file, tmp_path):
    virtual = fleet(BOARD).boards[0]
    motekit("keys", "init")
    argv = [sys.executable, "-m", "motekit", "provision", "fleet.toml", virtual.serial]
    for delay_s in (0.9, 1.3, 1.8):
        with started(
            argv, cwd=tmp_path, env=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ):
            time.sleep(delay_s)
    done = motekit(*argv[3:], "--json")
    assert (rows(done)[0]["error"], done.returncode) == ("", 0)
    done = motekit(*argv[3:], "--json")
    assert rows(done)[0]["state"] == "unchanged"


def test_without_a_plan_it_asks_with_defaults(fleet, home, tmp_path):
    """Over a terminal, as over SSH: Enter nearly all the way; what is wrong is asked again."""
    virtual = fleet(BOARD).boards[0]
    master, slave = pty.openpty()
    program = started(
        [sys.executable, "-m", "motekit", "provision", virtual.serial, "--json"],
        cwd=tmp_path,
        env={**home, "TERM": "dumb"},
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        start_new_session=True,
    )
    said = ""
    answers = (
        ("Make one in", ""),
        ("Fleet", ""),
        ("Board", "none-such"),
        ("Board", ""),
        ("Name of this board", "attic-1"),
        ("Site", ""),
        ("Sensors", "sht4x"),
        ("Wi-Fi network", "attic"),
        ("Password of attic", SHORT),
        ("Password of attic", PASSWORD),
        ("Provision /dev", ""),
    )
    with program as process:
        os.close(slave)
        for question, answer in answers:
            while not re.search(rf"{question}.*: ?$", said.rpartition("\n")[2]):
                assert select.select([master], [], [], 60)[0], said
                said += os.read(master, 1000).decode()
            while answer in (SHORT, PASSWORD) and termios.tcgetattr(master)[3] & termios.ECHO:
                time.sleep(0.01)  # what is typed ahead of a hidden question is thrown away
            os.write(master, answer.encode() + b"\n")
            said += "\n"
        out, _ = process.communicate(timeout=100)
    os.close(master)
    row = json.loads(out)
    assert (row["error"], row["state"], row["name"]) == ("", "provisioned", "attic-1")
    assert row["wifi"] == "attic"
    assert f"Board [{NAME}]" in said
    assert "'none-such' is no known board" in said
    assert "8 to 63 ASCII characters" in said
    assert PASSWORD not in said
    assert SHORT not in said


def test_ctrl_c_at_a_question_ends_it_as_anywhere_else(home, tmp_path):
    master, slave = pty.openpty()
    with started(
        [sys.executable, "-m", "motekit", "provision", "/dev/null"],
        cwd=tmp_path,
        env={**home, "TERM": "dumb"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    ) as process:
        os.close(slave)
        said = b""
        while not said.endswith(b": "):
            assert select.select([master], [], [], 60)[0], said
            said += os.read(master, 1000)
        wait_until_it_sleeps(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    os.close(master)

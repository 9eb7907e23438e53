"""`motekit wifi`, run as a user runs it, at virtual boards' ports."""

import json
import os
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from terminal import Terminal

from tests.programs import started

ROOT = Path(__file__).parents[1]
SECRET = "right horse"
BOARD = f"""
clock = "real"

[[board]]
board = "esp32-c3-devkitm-1"
sensor = [ {{ driver = "sht4x", period_s = 1, source = {{ temperature = 21.5 }} }} ]

[[network]]
ssid = "site"
password = "{SECRET}"
rssi = -61

[[network]]
ssid = "café"
rssi = -80
"""


@pytest.fixture
def port(fleet):
    port = fleet(BOARD, bits=32).boards[0].serial
    with Terminal(port) as user:
        user.see(b"sht4x: ok")
    return port


@pytest.fixture
def run(tmp_path):
    path = os.pathsep.join((str(ROOT / "host"), str(ROOT / "firmware")))
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "XDG_CONFIG_HOME": str(tmp_path),
        "SITE_WIFI": SECRET,
        "OTHER_WIFI": "left horse",
        "SHORT_WIFI": "horse",
    }

    def run(*args, code=0, stdin=subprocess.DEVNULL, **how):
        done = subprocess.run(
            [sys.executable, "-m", "motekit", "wifi", *args],
            env=environment,
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            **how,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "horse" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    run.environment = environment
    return run


def test_a_board_is_given_a_network_and_asked_for_it(port, run, tmp_path):
    off = json.loads(run("get", port, "--json").stdout)
    assert (off["state"], off["networks"]) == ("off", [])
    done = run("set", port, "site", "--password-env", "SITE_WIFI", "--json")
    told = json.loads(done.stdout)
    assert (told["state"], told["ssid"], told["rssi_dbm"]) == ("joined", "site", -61)
    assert set(told) == {"state", "ssid", "rssi_dbm", "address", "why", "networks", "former"}
    listed = [json.loads(line) for line in run("scan", port, "--json").stdout.splitlines()]
    assert [(each["ssid"], each["secured"]) for each in listed] == [
        ("site", True),
        ("café", False),
    ]

    done = run("set", port, "café", "--open", "--keep")
    assert done.stdout.startswith("joined café, -80 dBm")
    assert "networks: café, site" in done.stdout

    (tmp_path / "wrong").write_text("left horse\nmore\n")
    wrong = run(
        "set", port, "site", "--password-file", str(tmp_path / "wrong"), "--wait=9", code=1
    )
    assert "site: wrong password, it is in 'café'" in wrong.stderr
    assert "kept until one of these works: café, site" in run("get", port).stdout

    assert run("set", port, "--off").stdout == "off\nnetworks: none\n"


def seen(terminal, process, text):
    """Return what a process shows on a terminal up to a text; fail with what it showed instead."""
    shown = b""
    while text not in shown:
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 4096)
        else:
            assert process.poll() is None, shown
    return shown


def test_the_password_is_asked_for_and_not_shown(port, run):
    master, slave = os.openpty()
    try:
        with started(
            [
                *("sh", "-c", f'exec "$@" <>{os.ttyname(slave)} >&0 2>&0', "sh"),
                *(sys.executable, "-m", "motekit", "wifi", "set", port, "site"),
            ],
            env=run.environment,
            start_new_session=True,  # so that the terminal is its own
        ) as asking:
            shown = seen(master, asking, b"Password of site")
            while termios.tcgetattr(slave)[3] & termios.ECHO:
                time.sleep(0.05)
            os.write(master, SECRET.encode() + b"\n")
            shown += seen(master, asking, b"networks:")
            assert asking.wait(90) == 0
        assert b"joined site" in shown
        assert b"horse" not in shown
    finally:
        os.close(slave)
        os.close(master)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "name networks, or --off"),
        (("site", "--off"), "name networks, or --off"),
        (("site",), "nobody is there to be asked"),
        (("site", "--open", "--password-env", "SITE_WIFI"), "one of --password-env"),
        (("site", "next", "--password-env", "SITE_WIFI"), "of one network"),
        (("site", "--password-env", "NONE_SUCH"), "NONE_SUCH is not set"),
        (("site", "--password-file", "none-such"), "none-such: cannot be read"),
        (("x" * 33, "--open"), "33 bytes, 1 to 32 expected"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(run, args, said):
    assert said in run("set", "/dev/null", *args, code=2).stderr


def test_improv_is_given_no_password_that_none_can_be(run):
    said = run("improv", "/dev/null", "site", "--password-env", "SHORT_WIFI", code=2).stderr
    assert "8 to 63 ASCII characters" in said


def test_improv_tells_state_and_joins(port, run):
    told = json.loads(run("improv", port, "--json").stdout)
    assert (told["state"], told["firmware"]) == ("ready", "motefw")
    assert [each["ssid"] for each in told["heard"]] == ["site", "café"]
    failed = run("improv", port, "site", "--password-env", "OTHER_WIFI", code=1)
    assert "could not join the network" in failed.stderr
    joined = run("improv", port, "site", "--password-env", "SITE_WIFI")
    assert "state: joined\n" in joined.stdout
    assert "ssid: site\n" in joined.stdout
    assert "has it no Wi-Fi yet" in run("improv", port, code=1).stderr
    assert json.loads(run("get", port, "--json").stdout)["state"] == "joined"

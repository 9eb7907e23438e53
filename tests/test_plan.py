"""Plans: what boards shall be, and every error that a file can have."""

import os

import pytest

from motekit import plan
from motekit.plan import Network, PlanError

NAME = "esp32-c3-devkitm-1"
TOP = f'fleet = "acme"\nboard = "{NAME}"\n'
WIFI = '[[wifi]]\nssid = "attic"\n'
SECRET = "canary-5f1d77e2"


@pytest.fixture
def load(tmp_path):
    def load(text, name="plan.toml"):
        (tmp_path / name).write_text(text)
        return plan.load(tmp_path / name)

    return load


def test_one_plan_for_any_board(load):
    found = load(TOP + 'site = "roof"\nbroker = "mqtts://broker.example:8883"\n')
    role = found.role_of("a0b1c2d3e4f5", ())
    assert (role.name, role.site, role.device) == ("node-d3e4f5", "roof", "")
    assert found.boards == (NAME,)
    config = role.config()
    assert config["name"] == "node-d3e4f5"
    assert config["broker"] == "mqtts://broker.example:8883"
    assert [each["driver"] for each in config["sensors"]] == ["adxl345", "sht4x", "pms5003"]
    assert config["packet"] == {"samples": 256, "latency_ms": 5000}
    assert found.role_of("ffffffd3e4f5", {"node-d3e4f5"}) is None


def test_devices_take_what_they_lack_from_the_top(load):
    found = load(
        TOP + 'site = "roof"\n[packet]\nsamples = 16\n[[sensor]]\ndriver = "sht4x"\n'
        '[[device]]\nname = "a"\n'
        '[[device]]\nid = "A0:B1:C2:D3:E4:F5"\nname = "b"\nsite = "cellar"\n'
        'board = "esp32-devkitc"\n[[device.sensor]]\ndriver = "bme280"\n'
        '[[device]]\nname = "c"\n'
    )
    a, b, c = found.roles
    assert (a.name, a.site, a.samples, a.sensors[0].driver) == ("a", "roof", 16, "sht4x")
    assert (b.device, b.site, b.board.name) == ("a0b1c2d3e4f5", "cellar", "esp32-devkitc")
    assert [each.driver for each in b.sensors] == ["bme280"]
    assert found.boards == (NAME, "esp32-devkitc")
    assert found.role_of("a0b1c2d3e4f5", ()) is b
    assert found.role_of("000000000001", ()) is a
    assert found.role_of("000000000001", {"a"}) is c
    assert found.role_of("000000000001", {"a", "c"}) is None


def test_rows_of_a_file_are_devices(load, tmp_path):
    (tmp_path / "boards.csv").write_text(
        "id;name;site;sensors\n\na0b1c2d3e4f5;roof-1;north;sht4x pms5003@uart1\n;roof-2;;\n"
    )
    first, second = load(TOP + 'site = "roof"\ndevices = "boards.csv"\n').roles
    assert (first.device, first.site) == ("a0b1c2d3e4f5", "north")
    assert [(each.driver, each.bus) for each in first.sensors] == [
        ("sht4x", "i2c0"),
        ("pms5003", "uart1"),
    ]
    assert (second.device, second.site, len(second.sensors)) == ("", "roof", 3)


def test_a_table_alone_is_a_plan(load, monkeypatch):
    monkeypatch.setenv("ATTIC", SECRET)
    found = load(
        "fleet,name,board,latency_ms,ssid,password_env\n"
        f"acme,one,{NAME},200,attic,ATTIC\nacme,two,{NAME},,,\n",
        "plan.csv",
    )
    assert (found.fleet, found.template) == ("acme", None)
    assert [each.latency_ms for each in found.roles] == [200, 5000]
    assert found.roles[0].networks == (Network("attic", SECRET),)
    assert found.roles[1].networks == ()


def test_passwords_come_from_where_they_are_kept(load, tmp_path, monkeypatch):
    monkeypatch.setenv("ATTIC", SECRET)
    secret = tmp_path / "cellar.txt"
    secret.write_text(SECRET + "1\n")
    secret.chmod(0o600)
    found = load(
        TOP + WIFI + 'password_env = "ATTIC"\n'
        '[[wifi]]\nssid = "cellar"\npassword_file = "cellar.txt"\n'
        '[[wifi]]\nssid = "café"\npassword = ""\n'
    )
    networks = found.role_of("a0b1c2d3e4f5", ()).networks
    assert [each.password for each in networks] == [SECRET, SECRET + "1", ""]
    assert not found.warnings
    assert SECRET not in repr(found)


def test_a_secret_that_lies_open_is_said(load, tmp_path):
    (tmp_path / "open.txt").write_text(SECRET)
    (tmp_path / "open.txt").chmod(0o644)
    (warning,) = load(TOP + WIFI + f'password = "{SECRET}"\n').warnings
    assert "wifi[0].password: this file is a secret now, chmod 600 it" in warning
    if os.name == "posix":
        (warning,) = load(TOP + WIFI + 'password_file = "open.txt"\n').warnings
        assert "can be read by others; chmod 600" in warning


DEVICE = '[[device]]\nname = "a"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "plan.toml: fleet: missing, a text expected"),
        ('fleet = "acme"\n', "plan.toml: board: missing"),
        ('fleet = "acme"\nboard = "esp32-c3"\n', "did you mean esp32-c3-devkitm-1"),
        (TOP + "sit = 1\n", "sit: unknown key; did you mean site?"),
        (TOP + f'site = "{"x" * 33}"\n', "site: 33 characters, at most 32"),
        (TOP + 'site = " x"\n', "no blanks at its ends"),
        (TOP + 'name = "node"\n', "name: 'node' is to name each board; {id6} or {id} in it"),
        (TOP + f'name = "x{{id6}}"\n{DEVICE}', "name: names boards where there is no [[device]]"),
        (TOP + DEVICE + DEVICE, "device[1].name: 'a' is that of device[0] already"),
        (
            TOP + "".join(f'[[device]]\nid = "a0b1c2d3e4f5"\nname = "{n}"\n' for n in "ab"),
            "device[1].id: a0b1c2d3e4f5 is that of device[0] already",
        ),
        (TOP + '[[device]]\nid = "roof"\nname = "a"\n', "'roof' is not 12 hex digits"),
        (TOP + '[[device]]\nid = "a0b1c2d3e4f5"\n', "device[0].name: missing"),
        (TOP + DEVICE + "fleet = 1\n", "device[0].fleet: unknown key"),
        (TOP + '[[sensor]]\ndriver = "sht5x"\n', "sensor[0].driver: 'sht5x' is unknown"),
        (TOP + "[packet]\nsamples = 513\n", "packet.samples: 513 is not an integer in 1..512"),
        (TOP + "[packet]\nsample = 5\n", "packet.sample: unknown key"),
        (TOP + 'devices = "none.csv"\n', "none.csv: cannot be read"),
        (TOP + WIFI, "wifi[0]: no password, one of password, password_env, password_file"),
        (TOP + WIFI + 'password_env = "NOWHERE"\n', "NOWHERE is not set in the environment"),
        (TOP + WIFI + 'password_file = "none"\n', "none: cannot be read"),
        (TOP + WIFI.replace("attic", "a" * 33), "33 bytes, 1 to 32 expected"),
        (TOP + 5 * WIFI, "wifi: 5 networks, at most 4"),
        ("fleet = acme\n", "plan.toml: not TOML"),
    ],
)
def test_what_is_wrong_is_named(load, text, says):
    with pytest.raises(PlanError) as caught:
        load(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no row"),
        ("fleet,nam\n", "row 1: column 'nam' is unknown; did you mean name?"),
        ("fleet,fleet\n", "row 1: column fleet is there twice"),
        ("fleet,name,board\nacme,a\n", "row 2: 2 cells, 3 columns expected"),
        (f"fleet,name,board\nacme,a,{NAME}\nother,b,{NAME}\n", "row 3.fleet: 'other', the first"),
        (f"fleet,name,board\nacme,a,{NAME}\nacme,a,{NAME}\n", "that of row 2 already"),
        (f"fleet,name,board,samples\nacme,a,{NAME},x\n", "row 2: samples: 'x' is not an integer"),
        (f'fleet,name,board\nacme,"a,{NAME}\n', "row"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(load, text, says):
    with pytest.raises(PlanError) as caught:
        load(text, "plan.csv")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f'[wifi]\nssid = "attic"\npassword = "{SECRET}"\n',
        f'wifi = "{SECRET}"\n',
        f'{WIFI}password = ["{SECRET}"]\n',
        f'{WIFI}password = "{SECRET}"\npassword_env = "{SECRET}"\n',
        f'{WIFI}password = "{SECRET * 5}"\n',
        f'{WIFI}password = "{SECRET}"\nhidden = true\n',
        f'broker = "mqtt://me:{SECRET}@broker.example"\n',
        f'broker = "mqtt://broker.example?password={SECRET}"\n',
        f'broker = "{SECRET}"\n',
        f'broker = "mqtt://[{SECRET}"\n',
    ],
)
def test_no_error_shows_a_secret(load, text):
    with pytest.raises(PlanError) as caught:
        load(TOP + text)
    assert SECRET not in str(caught.value)

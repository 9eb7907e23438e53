"""The board's files: configuration, epoch, keys, on both VMs."""

import copy
import json
from pathlib import Path

import pytest

from motefw import keys
from tests.coprocess import VmError

GOOD = {
    "board": "esp32-c3-devkitm-1",
    "buses": {
        "i2c0": {"kind": "i2c", "id": 0, "sda": 5, "scl": 6, "hz": 400000},
        "uart1": {"kind": "uart", "id": 1, "tx": 21, "rx": 20, "baud": 9600},
    },
    "sensors": [
        {"driver": "adxl345", "bus": "i2c0", "address": 83, "options": {"rate_hz": 200}},
        {"driver": "sht4x", "bus": "i2c0", "period_ms": 1000},
        {"driver": "sht4x", "bus": "i2c0", "address": 0x45, "latency_ms": 100},
        {"driver": "pms5003", "bus": "uart1"},
    ],
}


@pytest.fixture
def root(tmp_path):
    return f"{tmp_path}/"


def test_defaults_are_filled_in(board_vm):
    config = board_vm.call("check", GOOD)
    assert [s["name"] for s in config["sensors"]] == ["adxl345", "sht4x", "sht4x-2", "pms5003"]
    assert config["packet"] == {"samples": 256, "latency_ms": 5000}


def test_a_part_on_a_wire_has_a_serial_number_for_an_address(board_vm):
    config = copy.deepcopy(GOOD)
    config["buses"]["wire0"] = {"kind": "onewire", "data": 4}
    config["sensors"] = [{"driver": "ds18b20", "bus": "wire0", "address": 0x0316A2794AFF}]
    assert board_vm.call("check", config)["sensors"][0]["address"] == 0x0316A2794AFF
    config["buses"]["wire0"]["data"] = 49
    with pytest.raises(VmError) as raised:
        board_vm.call("check", config)
    assert raised.value.text == "buses.wire0.data: 49, 0 to 48 expected"


BAD = [
    ([], "config: [] is not an object"),
    ({}, "config: board is missing"),
    (("board", 7), "config.board: 7 is not of type str"),
    (("board", "x" * 33), "config.board: 33 characters, 1 to 32 expected"),
    (("wifi", {}), "config: unknown key wifi"),
    (("buses", []), "config.buses: [] is not of type dict"),
    (("buses", "spi", {"kind": "spi"}), "buses.spi.kind: 'spi' is not i2c, onewire or uart"),
    (("buses", "i2c0", 5), "buses.i2c0.kind: None is not i2c, onewire or uart"),
    (("buses", "i2c0", "hz", 5), "buses.i2c0.hz: 5, 10000 to 1000000 expected"),
    (("buses", "i2c0", "sda", None), "buses.i2c0: sda is missing"),
    (("sensors", 0, "bus", "i2c9"), "sensors[0].bus: i2c9 is not among the buses: i2c0, uart1"),
    (("sensors", 0, "bus", "uart1"), "sensors[0].bus: uart1 is uart, the part needs i2c"),
    (("sensors", 0, "driver", "bme999"), "sensors[0].driver: bme999 is not on this board"),
    (("sensors", 0, "address", 0x44), "sensors[0].address: 68 is not one of (83, 29)"),
    (("sensors", 0, "options", {"rate_hz": 201}), "sensors[0].rate_hz: 201 is not one of"),
    (("sensors", 0, "options", {"rate": 200}), "sensors[0].rate: unknown option"),
    (("sensors", 1, "period_ms", 1.5), "sensors[1].period_ms: 1.5 is not of type int"),
    (("sensors", 1, "period_ms", True), "sensors[1].period_ms: True is not of type int"),
    (("sensors", 1, "period_ms", 1 << 40), "sensors[1].period_ms: 1099511627776, 10 to 86400000"),
    (("sensors", 1, "name", "adxl345"), "sensors[1].name: adxl345 is taken"),
    (("sensors", 1, 5), "sensors[1]: 5 is not an object"),
    (("sensors", [GOOD["sensors"][1]] * 17), "config.sensors: 17 entries, 0 to 16 expected"),
    (("packet", {"samples": 513}), "packet.samples: 513, 1 to 512 expected"),
    (
        ("packet", {"samples": 8, "latency_ms": 8, "latency": 8}),
        "packet: unknown key latency, known are: latency_ms, samples",
    ),
]


def changed(path):
    """Return the good configuration with one thing changed; None takes a key away."""
    if not isinstance(path, tuple):
        return path
    *keys_, last, value = path
    config = copy.deepcopy(GOOD)
    at = config
    for key in keys_:
        at = at[key]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return config


@pytest.mark.parametrize(("path", "text"), BAD)
def test_what_is_wrong_is_named_and_nothing_is_saved(board_vm, root, path, text):
    board_vm.call("save", root, GOOD)
    with pytest.raises(VmError) as raised:
        board_vm.call("save", root, changed(path))
    assert raised.value.kind == "ConfigError"
    assert raised.value.text.startswith(text)
    assert board_vm.call("load", root) == board_vm.call("check", GOOD)


def test_a_bare_board_has_no_sensors(board_vm, root):
    assert board_vm.call("load", root)["sensors"] == []


@pytest.mark.parametrize("text", ["", "{", "null", '"x"', "[1", "\udc80", " " * 9000])
def test_a_damaged_file_is_an_error_that_names_it(board_vm, root, text):
    with Path(root + "config.json").open("w", errors="surrogateescape") as file:
        file.write(text)
    with pytest.raises(VmError) as raised:
        board_vm.call("load", root)
    assert raised.value.kind == "ConfigError"
    assert "config" in raised.value.text


def test_power_lost_before_the_rename_leaves_the_old_one(board_vm, root):
    board_vm.call("save", root, GOOD)
    with Path(root + "config.json.new").open("w") as file:
        file.write(json.dumps(GOOD)[:50])
    assert board_vm.call("load", root) == board_vm.call("check", GOOD)
    new = {"board": "other"}
    board_vm.call("save", root, new)
    assert board_vm.call("load", root)["board"] == "other"


def test_the_file_that_stands_is_never_written_to(board_vm, root):
    """Whenever power is lost: what had been saved is whole as long as it has its name."""
    board_vm.call("save", root, GOOD)
    before = Path(root + "config.json").read_bytes()
    Path(root + "stood").hardlink_to(root + "config.json")
    board_vm.call("save", root, {"board": "other"})
    assert Path(root + "stood").read_bytes() == before
    assert board_vm.call("load", root)["board"] == "other"
    assert not Path(root + "config.json.new").exists()


def test_epochs_never_repeat(board_vm, root):
    random_one = 0x12345678 | 1 << 31
    assert board_vm.call("next_epoch", root) == [random_one, None, None]
    assert board_vm.call("next_epoch", root) == [random_one + 1, random_one, None]
    board_vm.call("end_epoch", root, random_one + 1, 41)
    assert board_vm.call("next_epoch", root) == [random_one + 2, random_one + 1, 41]
    assert board_vm.call("next_epoch", root) == [random_one + 3, random_one + 2, None]


@pytest.mark.parametrize("text", ["", "{}", '{"epoch": -1}', '{"epoch": 4294967295}', "[3]"])
def test_an_epoch_file_that_cannot_be_counted_on_is_replaced(board_vm, root, text):
    with Path(root + "epoch.json").open("w") as file:
        file.write(text)
    assert board_vm.call("next_epoch", root)[0] == 0x12345678 | 1 << 31


def test_an_epoch_that_cannot_be_saved_is_random(board_vm, root):
    assert board_vm.call("next_epoch", root + "none/") == [0x12345678 | 1 << 31, None, None]


def test_a_board_without_keys_has_generation_zero(board_vm, root):
    tag = keys.Tagger(bytes(32), b"240ac4000102").tag(b"x")
    assert board_vm.call("load_identity", root) == ["240ac4000102", 0, tag.hex()]


def test_keys_come_from_their_file(board_vm, root):
    own = {p: bytes([i + 1]) * 32 for i, p in enumerate(("data", "ack", "command"))}
    with Path(root + "keys.json").open("w") as file:
        json.dump({"generation": 3, **{p: k.hex() for p, k in own.items()}}, file)
    tag = keys.Tagger(own["data"], b"240ac4000102").tag(b"x")
    assert board_vm.call("load_identity", root) == ["240ac4000102", 3, tag.hex()]


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"generation": 0},
        {"generation": 1},
        {"generation": 1, "data": "00" * 32, "ack": "00" * 31, "command": "00" * 32},
        {"generation": 1, "data": "zz" * 32, "ack": "00" * 32, "command": "00" * 32},
        {"generation": 1, "data": 5, "ack": "00" * 32, "command": "00" * 32},
    ],
)
def test_damaged_keys_are_an_error_and_no_fallback(board_vm, root, content):
    with Path(root + "keys.json").open("w") as file:
        json.dump(content, file)
    with pytest.raises(VmError) as raised:
        board_vm.call("load_identity", root)
    assert raised.value.kind == "ConfigError"
    assert raised.value.text.startswith("keys.json")

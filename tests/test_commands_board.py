"""Commands as a host sends them: results, wrong arguments, foreign and old requests."""

import json

import pytest

from motefw import keys, message, message_host, packet, packet_anchor
from tests.board_line import DEVICE, Host, assemble
from tests.test_config_board import GOOD

OWN = {name: bytes([i + 1]) * 32 for i, name in enumerate(("data", "ack", "command"))}
KEY_FILE = {"generation": 3, **{name: key.hex() for name, key in OWN.items()}}


@pytest.fixture
def vm(board_vm, tmp_path):
    board_vm.call("reset", 5_000_000)
    board_vm.call("connect", f"{tmp_path}/")
    return board_vm


def provisioned(vm, tmp_path, command="command"):
    """Return a host of a board with keys, tagging requests with the named one."""
    vm.call("reset", 5_000_000, 16, KEY_FILE)
    vm.call("connect", f"{tmp_path}/")
    data, key = (keys.Tagger(OWN[name], DEVICE) for name in ("data", command))
    return Host(vm, data, key)


def test_hello_tells_who_and_where(vm):
    ok, hello, _ = Host(vm).ask("hello")
    assert ok
    assert hello["device"] == "240ac4000102"
    assert hello["nonce"] == "0102030405060708"
    assert hello["next_seq"] == hello["tail_seq"] == 0
    assert hello["mpy"] in ("x86", "x64")


def test_time_set_logs_an_anchor(vm):
    host = Host(vm)
    host.ask("hello")
    utc_us = 1_800_000_000_123_456
    ok, result, packets = host.ask("time.set", {"utc_us": utc_us, "error_us": 1500})
    assert (ok, result) == (True, {})
    (data,) = packets.values()
    assert packet.read_header(data).kind == packet_anchor.ANCHOR
    body = data[packet.read_header(data).body : -8]
    assert int.from_bytes(body[:8], "little") == utc_us
    assert body[8] == 3
    assert int.from_bytes(body[9:], "little") == 1500


def test_time_set_takes_the_moment_that_time_get_told(vm):
    host = Host(vm)
    host.ask("hello")
    told = host.ask("time.get")[1]["uptime_us"]
    vm.call("tick", 2_000)  # the request is late
    moment = {"utc_us": 1_800_000_000_123_456, "error_us": 1500, "uptime_us": told}
    ok, _, packets = host.ask("time.set", moment)
    (data,) = packets.values()
    assert ok
    assert packet.read_header(data).time_us == told
    ok, result, packets = host.ask("time.set", {**moment, "uptime_us": told + 3600_000_000})
    assert (ok, packets) == (False, {})
    assert result["error"].startswith("uptime_us: ")


@pytest.mark.parametrize(
    ("name", "args", "text"),
    [
        ("time.set", {}, "utc_us: None, a whole number"),
        ("time.set", {"utc_us": 1.5e15, "error_us": 0}, "utc_us: "),
        ("time.set", {"utc_us": 0, "error_us": 0}, "utc_us: 0, a whole number from 15778"),
        ("time.set", {"utc_us": 1_800_000_000_000_000, "error_us": -1}, "error_us: -1"),
        ("time.set", {"utc_us": 1_800_000_000_000_000, "error_us": 1 << 32}, "error_us: "),
        ("schema", {}, "schema: None"),
        ("schema", {"schema": 0}, "schema: 0, and this board has 0 sensors"),
        ("config.set", {}, "config: an object"),
        ("config.set", {"config": 5}, "config: an object"),
        ("config.set", {"config": {"board": 5}}, "config.board: 5 is not of type str"),
        ("no.such", {}, "command: no.such is not one of bus.record, bus.scan, config.get"),
        ("", {}, "command:  is not one of"),
    ],
)
def test_wrong_arguments_are_answered_with_what_is_wrong(vm, name, args, text):
    host = Host(vm)
    host.ask("hello")
    ok, result, packets = host.ask(name, args)
    assert ok is False
    assert result["error"].startswith(text)
    assert packets == {}


def test_a_configuration_is_set_read_back_and_a_bad_one_not_applied(vm, tmp_path):
    host = Host(vm)
    host.ask("hello")
    small = {"board": GOOD["board"], "buses": GOOD["buses"], "sensors": GOOD["sensors"][:2]}
    assert host.ask("config.set", {"config": small})[:2] == (True, {"reboot": True})
    ok, config, _ = host.ask("config.get")
    assert ok
    assert config["sensors"][0]["options"] == {"rate_hz": 200}
    before = (tmp_path / "config.json").read_bytes()
    ok, result, _ = host.ask("config.set", {"config": {**small, "sensors": [{"driver": "x"}]}})
    assert not ok
    assert "sensors[0]: bus is missing" in result["error"]
    assert (tmp_path / "config.json").read_bytes() == before


def test_a_flash_that_cannot_be_written_is_an_answer_too(board_vm, tmp_path):
    board_vm.call("reset", 5_000_000)
    board_vm.call("connect", f"{tmp_path}/none/")
    host = Host(board_vm)
    host.ask("hello")
    ok, result, _ = host.ask("config.set", {"config": {"board": "x"}})
    assert not ok
    assert "OSError" in result["error"]


def test_reboot_asks_for_a_flush_first(vm):
    host = Host(vm)
    host.ask("hello")
    assert host.ask("reboot")[:2] == (True, {})
    assert vm.call("line")["stopped"] == "reboot"


def test_a_request_is_taken_once(vm):
    host = Host(vm)
    host.ask("hello")
    data = host.request("time.set", {"utc_us": 1_800_000_000_000_000, "error_us": 0})
    host.exchange(host.pieces(data))
    payloads = host.exchange(host.pieces(data))
    (answer,) = assemble(payloads, b"M").values()
    _, ok, result = message_host.open_reply(host.tagger, host.nonce, answer)
    assert not ok
    assert "counter" in result["error"]
    assert vm.call("line")["refused"] == 1
    assert vm.call("line")["next"] == 1


def test_a_request_of_another_boot_is_refused(vm):
    host = Host(vm)
    host.ask("hello")
    host.exchange(host.pieces(host.request("reboot", nonce=bytes(8))))
    host.exchange(host.pieces(host.request("reboot", nonce=b"another!")))
    state = vm.call("line")
    assert state["refused"] == 2
    assert state["stopped"] is None


def test_only_the_command_key_commands(vm, tmp_path):
    collector = provisioned(vm, tmp_path, "ack")
    assert collector.ask("hello")[0]
    assert collector.ask("status")[0]
    assert collector.ask("time.set", {"utc_us": 1_800_000_000_000_000, "error_us": 0})[0]
    for name, args in (("reboot", {}), ("config.set", {"config": {"board": "x"}})):
        ok, result, _ = collector.ask(name, args)
        assert not ok
        assert "tag does not match" in result["error"]
    state = vm.call("line")
    assert state["refused"] == 2
    assert state["stopped"] is None
    assert provisioned(vm, tmp_path, "command").ask("hello")[0]


def test_a_host_without_keys_gets_nothing_from_a_provisioned_board(vm, tmp_path):
    provisioned(vm, tmp_path)
    vm.call("note", "secret")
    stranger = Host(vm)
    payloads = stranger.exchange(stranger.pieces(stranger.request("hello")))
    assert assemble(payloads, b"P") == {}
    assert vm.call("line")["refused"] == 1
    assert vm.call("line")["alive"] is False


@pytest.mark.parametrize("has_keys", [False, True])
def test_a_host_that_knows_no_device_yet_is_told_who_is_there_and_gets_no_packets(
    vm, tmp_path, has_keys
):
    if has_keys:
        provisioned(vm, tmp_path)
    vm.call("note", "secret")
    data = keys.Tagger(OWN["data"], DEVICE) if has_keys else Host(vm).tagger
    anyone = Host(vm, data, keys.Tagger(bytes(32), b""))
    ok, hello, packets = anyone.ask("hello")
    assert ok
    assert hello["device"] == DEVICE.decode()
    assert packets == {}
    assert vm.call("line")["alive"] is False
    anyone.ask("status")
    assert vm.call("line")["refused"] == 1


def test_many_hosts_make_a_new_nonce_so_that_none_can_be_replayed(vm):
    first = Host(vm, host=0)
    first.ask("hello")
    old = first.request("reboot")
    for number in range(1, 17):
        host = Host(vm, host=number)
        host.ask("hello")
        assert host.ask("status")[0]
    host = Host(vm, host=17)
    host.ask("hello")
    assert host.ask("status")[0] is None or vm.call("line")["nonces"] == 1
    host.ask("hello")
    assert host.ask("status")[0]
    first.exchange(first.pieces(old))
    assert vm.call("line")["stopped"] is None


@pytest.mark.parametrize(
    "data",
    [
        b"q",
        b"q" * 30,
        b"z" + bytes(40),
        b"a" + bytes(17),
        b"a" + bytes(30),
        bytes(1024),
    ],
)
def test_messages_that_are_none_are_counted_and_not_answered(vm, data):
    host = Host(vm)
    host.ask("hello")
    payloads = host.exchange(host.pieces(data))
    assert assemble(payloads, b"M") == {}
    assert vm.call("line")["bad"] == 1


@pytest.mark.parametrize("call", ["[]", '["hello"]', "[1, {}]", '["hello", []]', "[" * 300, "nul"])
def test_json_that_is_no_call_is_counted(vm, call):
    host = Host(vm)
    head = b"q" + bytes((9, 0)) + bytes((5, 0, 0, 0)) + bytes((1, 0, 0, 0))
    body = head + call.encode()
    data = body + host.tagger.tag(message.NO_NONCE, body)
    host.exchange(host.pieces(data))
    assert vm.call("line")["bad"] == 1
    assert host.ask("hello")[0]


def test_a_reply_that_is_too_long_says_so(vm, tmp_path):
    long = {"board": "x", "sensors": [], "buses": {}}
    long["sensors"] = [
        {"driver": "sht4x", "bus": "b", "name": "n" * 31 + chr(97 + i)} for i in range(16)
    ]
    long["buses"] = {"b": GOOD["buses"]["i2c0"]}
    (tmp_path / "config.json").write_text(json.dumps(long))
    host = Host(vm)
    host.ask("hello")
    ok, config, _ = host.ask("config.get")
    assert ok
    assert len(config["sensors"]) == 16

"""The firmware as a whole, in virtual time: boot, interruption, supervision, reboot."""

import json
import re

import pytest

from motefw import frame_host, message, message_host, packet
from tests.board_line import TAGGER, Host, assemble
from tests.coprocess import CoProcess


@pytest.fixture(params=[32, 64])
def vm(request, tmp_path):
    with CoProcess(request.param, "app_bed", "4m") as process:
        process.call("start", str(tmp_path))
        yield process


def frames(run):
    return Host(None).sort(bytes.fromhex(run["out"]))


def hello(number=1):
    data = message_host.request(TAGGER, message.NO_NONCE, number, 5, number, "hello", {})
    return frame_host.encode_to_board(b"M" + bytes((number, 0, 0)) + data)


def test_a_boot_logs_itself_then_the_tables_then_samples(vm):
    vm.call("send", hello().hex())
    run = vm.call("run", 2)
    packets = [packet.decode(p) for p in assemble(frames(run), b"P").values()]
    assert [p.header.seq for p in packets] == [0, 1, 2, 3]
    boot, schema = packets[0].body["boot"], packets[1].body["schema"]
    assert boot["reset"] == "power_on"
    assert boot["previous_epoch"] is None
    assert boot["board"] == "test"
    assert boot["encoder"] in ("plain", "viper")
    assert schema["channels"] == [["n", "1", 1, 0]]
    assert schema["period_ms"] == 50
    assert packets[2].header.kind in (packet.NOTE, packet.SAMPLES)
    (reply,) = assemble(frames(run), b"M").values()
    _, ok, result = message_host.open_reply(TAGGER, message.NO_NONCE, reply)
    assert ok
    assert result["streams"] == [
        {"stream": 0, "name": "counter", "driver": "counter", "schema": 0}
    ]


def test_ctrl_c_leads_to_the_prompt_with_the_watchdog_held(vm):
    run = vm.call("run", 1)
    assert run["ended"] == "returned"
    assert run["said"][-1].startswith("motefw: interrupted")
    assert run["resets"] == 0
    assert run["held"] == 10
    assert run["stopped"] == 1
    assert vm.call("loop_is_clean") == 42


@pytest.mark.parametrize("n", [1, 2, 7])
def test_ctrl_c_while_a_sensor_is_read_does_too(vm, n):
    vm.call("interrupt_at", n)
    run = vm.call("run", 5)
    assert run["ended"] == "returned"
    assert run["held"] == 10
    assert vm.call("loop_is_clean") == 42


@pytest.mark.parametrize("every", [13, 23, 31, 53, 97])
def test_a_ctrl_c_that_is_noise_loses_nothing_unsaid(vm, tmp_path, every):
    vm.call("start_noisy", str(tmp_path), every)
    vm.call("send", hello().hex())
    run = vm.call("run", 4)
    assert run["held"] == 10
    packets, noises = vm.call("logged")
    packets = [packet.decode(bytes.fromhex(p)) for p in packets]
    assert [p.header.seq for p in packets] == list(range(len(packets)))
    assert noises == run["status"]["interrupts_ignored"] > 2
    told = [p.body["gap"] for p in packets if p.header.kind == packet.NOTE and "gap" in p.body]
    for stream in (0, 1):
        index = value = 0
        for p in packets:
            if p.header.kind != packet.SAMPLES or p.header.stream != stream:
                continue
            (values,) = p.columns
            gap = p.header.index - index
            assert gap == sum(
                g["lost"]
                for g in told
                if g["stream"] == stream and index <= g["index"] < p.header.index
            )
            assert values[0] > value
            if stream:
                assert values[0] - value - 1 <= gap
                assert values == list(range(values[0], values[0] + len(values)))
            else:
                assert values == sorted(set(values))
            index, value = p.header.index + len(values), values[-1]
        assert index > 20
        assert run["status"]["sensors"][stream]["samples"] == index - sum(
            g["lost"] for g in told if g["stream"] == stream and g["index"] < index
        )


def test_the_next_boot_knows_how_far_the_last_one_came(vm, tmp_path):
    first = vm.call("run", 1)
    vm.call("start", str(tmp_path))
    vm.call("send", hello().hex())
    second = vm.call("run", 1)
    body = packet.decode(next(iter(assemble(frames(second), b"P").values()))).body["boot"]
    assert body["previous_seq"] == first["next_seq"] - 1
    assert body["epoch"] == body["previous_epoch"] + 1


def test_a_reboot_answers_flushes_and_resets(vm, tmp_path):
    vm.call("reboot_after_hello")
    run = vm.call("run", 20)
    assert run["ended"] == "reset"
    assert run["resets"] == 1
    assert json.loads((tmp_path / "epoch.json").read_text())["last_seq"] == run["next_seq"] - 1
    assert run["status"]["sensors"][0]["samples"] > 0


def test_a_reboot_waits_for_acks_ten_seconds_at_most(vm):
    vm.call("reboot_unacked")
    run = vm.call("run", 8)
    assert (run["ended"], run["resets"]) == ("reset", 1)
    assert 3 <= run["fed"] <= 5  # a tick to stop, one to see that the host goes on, the last two


def test_a_task_that_raises_is_begun_again_and_counted(vm):
    vm.call("break_task_at", 5)
    run = vm.call("run", 4)
    assert run["status"]["restarted_tasks"] == 1
    assert run["status"]["sensors"][0]["samples"] > 30
    assert any("task sample: TypeError: as asked" in line for line in run["said"])


def test_the_watchdog_is_not_fed_while_a_task_is_late(vm):
    vm.call("hang_task_at", 5)
    run = vm.call("run_limited", 4000)
    assert run["status"]["sensors"][0]["samples"] > 70  # all others go on
    assert run["fed"] == 0


@pytest.mark.parametrize("error", ["TypeError", "MemoryError"])
def test_what_a_driver_raises_is_counted_and_sampling_goes_on(vm, error):
    vm.call("raise_at", 3, error)
    run = vm.call("run", 3)
    (sensor,) = run["status"]["sensors"]
    assert sensor["errors"] == 1
    assert re.match(error, sensor["last_error"])
    assert sensor["samples"] > 10
    assert sensor["state"] == "ok"


def test_the_end_of_sampling_leaves_nothing_in_blocks(vm):
    vm.call("stop_at", 7)
    run = vm.call("run", 3)
    first, later = vm.call("left")
    assert first >= 1
    assert later == run["next_seq"]
    assert run["status"]["sensors"][0]["samples"] == 7
    packets = [packet.decode(bytes.fromhex(data)) for data in vm.call("logged")[0]]
    taken = [p.columns[0] for p in packets if p.header.kind == packet.SAMPLES]
    assert [value for column in taken for value in column] == list(range(1, 8))


def test_a_broken_configuration_leaves_the_board_reachable(vm, tmp_path):
    (tmp_path / "config.json").write_text('{"board": 5}')
    vm.call("send", hello().hex())
    run = vm.call("run", 1)
    assert run["status"]["config_error"].startswith("config.board: 5")
    assert assemble(frames(run), b"M")


def test_damaged_keys_stop_the_board_with_a_word(vm, tmp_path):
    (tmp_path / "keys.json").write_text("{}")
    run = vm.call("run", 1)
    assert run["ended"] == "returned"
    assert run["held"] == 10
    assert run["status"] is None
    assert not (tmp_path / "epoch.json").exists()


def test_a_flash_that_cannot_be_written_does_not_keep_it_from_rebooting(vm, tmp_path):
    vm.call("reboot_after_hello")
    vm.call("spoil", str(tmp_path / "epoch.json.new"))
    run = vm.call("run", 20)
    assert run["ended"] == "reset"
    assert any("epoch" in line for line in run["said"])

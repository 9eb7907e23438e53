"""Boards are provisioned: real firmware on virtual boards, right and wrong, cut off anywhere."""

import functools
import json
import os
import pty
import random
import re
import time

import pytest

import motekit
from motefw import keys_host
from motekit import plan, provision
from motekit.client import Client
from motekit.keys import Host, KeyStore
from motekit.prompt.raw import RawPrompt
from motekit.provision import Options, Records, look, proof, session
from motekit.transports.patience import opened
from motekit.transports.serial import SerialPipe

NAME = "esp32-c3-devkitm-1"
BOARD = f'[[board]]\nboard = "{NAME}"\n[[board.sensor]]\ndriver = "sht4x"\n'
TOP = f'fleet = "acme"\nboard = "{NAME}"\n'
PLAN = TOP + 'site = "roof"\n[packet]\nlatency_ms = 200\n[[sensor]]\ndriver = "sht4x"\n'
FILES = ("config.json", "keys.json", "wifi.json", "provision.json", "trial.json")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Keep this host's id and counters out of the user's folders."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("MOTEKIT_KEYS", raising=False)


@pytest.fixture
def key_store():
    return KeyStore.from_root(bytes(range(32)))


@pytest.fixture
def records(tmp_path):
    return Records(tmp_path / "records.jsonl")


@pytest.fixture
def load(tmp_path):
    def load(text):
        (tmp_path / "plan.toml").write_text(text)
        return plan.load(tmp_path / "plan.toml")

    return load


@pytest.fixture
def run(key_store, records, load):
    """Return a function that provisions virtual boards: an outcome, or a list of them."""

    def run(boards, text=PLAN, keys=key_store, records=records, **options):
        ports = [each.serial for each in (boards if isinstance(boards, list) else [boards])]
        done = provision.many(
            ports, load(text), keys=keys, records=records, options=Options(**options)
        )
        return done if isinstance(boards, list) else done[0]

    return run


def held(virtual):
    """Return what a board has of the files that provisioning knows, whatever their state."""
    with opened(lambda: RawPrompt.open(virtual.serial, 40), virtual.serial, known=True) as prompt:
        names = [name for name in prompt.names("/") if name[1:].split(".")[0] in STEMS]
        found = {name[1:]: prompt.read(name) for name in names}
        prompt.restart()
    return {name: json.loads(data) for name, data in found.items()}


KILLS = int(os.environ.get("MOTEKIT_PROVISION_KILLS", "4"))
STEMS = {name.split(".")[0] for name in FILES}


def events(records):
    return [(row["event"], row["name"]) for row in records.rows()]


def test_a_board_becomes_a_member_of_its_fleet(fleet, run, key_store, records):
    virtual = fleet(BOARD).boards[0]
    name = f"node-{virtual.device[-6:]}"
    done = run(virtual)
    assert done.error == ""
    assert (done.state, done.device, done.name, done.site) == (
        "provisioned",
        virtual.device,
        name,
        "roof",
    )
    assert set(done.proof.readings["sht4x"]) == {"temperature", "humidity"}
    assert virtual.counts.resets == {"soft": 1}
    assert events(records) == [("assigned", name), ("provisioned", name)]
    there = held(virtual)
    assert set(there) == {"config.json", "keys.json", "provision.json"}
    assert there["config.json"]["site"] == "roof"
    assert there["provision.json"]["unit"] == name
    root = keys_host.purpose_root(bytes(range(32)), b"data")
    data = keys_host.device_key(root, virtual.device.encode(), 1).hex()
    assert (there["keys.json"]["generation"], there["keys.json"]["data"]) == (1, data)


def test_repeated_nothing_changes_not_even_a_restart(fleet, run, records):
    virtual = fleet(BOARD).boards[0]
    run(virtual)
    rows, starts = records.rows(), virtual.counts.starts
    done = run(virtual)
    assert (done.error, done.state) == ("", "unchanged")
    assert done.proof.readings["sht4x"]
    assert (records.rows(), virtual.counts.starts) == (rows, starts)


def test_what_it_measured_in_its_proof_stays_for_a_collector(fleet, run, key_store):
    virtual = fleet(BOARD).boards[0]
    run(virtual)
    pipe = SerialPipe(virtual.serial)
    try:
        hello = Client(pipe, key_store, Host()).probe(5)
    finally:
        pipe.close()
    assert hello.generation == 1
    assert (hello.tail_seq, hello.next_seq > 0) == (0, True)


def test_many_at_once_and_a_bad_one_holds_up_nobody(fleet, run, records):
    text = BOARD.replace("[[board]]\n", "[[board]]\ncount = 5\n")
    text += '[[fault]]\nkind = "sensor_absent"\nboard = 3\n'
    virtuals = fleet(text).boards
    done = run(virtuals)
    assert [each.device for each in done] == [each.device for each in virtuals]
    assert [each.state for each in done] == [
        "failed" if i == 3 else "provisioned" for i in range(5)
    ]
    assert "sht4x on i2c0 is absent" in done[3].error
    assert "its former files are in place again" in done[3].error
    assert set(held(virtuals[3])) == {"config.json"}
    assert len({each.name for each in done}) == 5


def test_a_board_that_fails_is_what_it_was(fleet, run, records, key_store):
    """It was provisioned, and goes back to that."""
    virtual = fleet(BOARD).boards[0]
    assert run(virtual).error == ""
    before = held(virtual)
    wrong = PLAN.replace('driver = "sht4x"', 'driver = "scd4x"')
    done = run(virtual, wrong, discard=True)
    assert done.state == "failed"
    assert "scd4x on i2c0 is absent" in done.error
    assert held(virtual) == before
    assert run(virtual).state == "unchanged"


def test_what_cannot_be_is_no_reading(fleet, run, monkeypatch):
    monkeypatch.setattr(proof, "SENSORS_S", 1.0)
    virtual = fleet(BOARD + "source = { temperature = 110 }\n").boards[0]
    done = run(virtual)
    assert re.search(r"sht4x: temperature reads [\d.]+ Cel, -40 to 85 can be", done.error)


def test_unsent_packets_are_not_lost_in_silence(fleet, run):
    virtual = fleet(BOARD).boards[0]
    assert run(virtual).error == ""
    starts = virtual.counts.starts
    done = run(virtual, PLAN.replace("roof", "cellar"))
    assert done.state == "failed"
    assert "packets that no collector has taken" in done.error
    assert "--store FILE collects them" in done.error
    assert virtual.counts.starts == starts
    done = run(virtual, PLAN.replace("roof", "cellar"), discard=True)
    assert (done.error, done.state) == ("", "provisioned")
    assert held(virtual)["config.json"]["site"] == "cellar"


def test_unsent_packets_go_into_a_store_first(fleet, run, tmp_path):
    virtual = fleet(BOARD).boards[0]
    first = run(virtual)
    done = run(virtual, PLAN.replace("roof", "cellar"), store=tmp_path / "fleet.motekit")
    assert (done.error, done.state) == ("", "provisioned")
    with motekit.open(tmp_path / "fleet.motekit") as store:
        table = store.read(stream="sht4x", verified=True)
        (summary,) = store.summary().devices
    assert len(table) > 0
    assert (summary.device, summary.lost, summary.missing) == (first.device, 0, 0)
    assert held(virtual)["config.json"]["site"] == "cellar"


def test_what_a_stopped_firmware_has_left_in_ram_is_not_lost_in_silence(fleet, run, tmp_path):
    virtual = fleet(BOARD).boards[0]
    first = run(virtual)
    time.sleep(2)
    with opened(
        lambda: RawPrompt.open(virtual.serial, 40), virtual.serial, known=True
    ) as prompt:  # as somebody did who then went away
        prompt.leave()
    starts = virtual.counts.starts
    done = run(virtual)
    assert done.state == "failed"
    assert "motekit rescue" in done.error
    assert virtual.counts.starts == starts
    done = run(virtual, store=tmp_path / "fleet.motekit")
    assert (done.error, done.state) == ("", "unchanged")
    with motekit.open(tmp_path / "fleet.motekit") as store:
        table = store.read(stream="sht4x", verified=True)
        (summary,) = store.summary().devices
    assert len(table) > 0
    assert (summary.device, summary.lost, summary.missing) == (first.device, 0, 0)


def test_new_keys_are_a_new_generation(fleet, run, records):
    virtual = fleet(BOARD).boards[0]
    first = run(virtual)
    second = run(virtual, rekey=True, discard=True)
    assert (first.generation, second.generation) == (1, 2)
    assert (second.error, second.state) == ("", "provisioned")
    assert second.proof.epoch > first.proof.epoch
    assert run(virtual).state == "unchanged"
    assert records.units("acme")[virtual.device].generation == 2
    assert set(held(virtual)) == {"config.json", "keys.json", "provision.json"}


def test_a_board_of_another_fleet_is_left_alone(fleet, run, records, tmp_path):
    virtual = fleet(BOARD).boards[0]
    other = KeyStore.from_root(bytes(32))
    assert run(virtual, keys=other, records=Records(tmp_path / "theirs")).error == ""
    starts = virtual.counts.starts
    done = run(virtual)
    assert "answers under keys that are not of this key store" in done.error
    assert virtual.counts.starts == starts
    assert not records.rows()
    done = run(virtual, rekey=True, discard=True)
    assert (done.error, done.state, done.generation) == ("", "provisioned", 1)


def test_records_that_know_less_than_the_board_are_refused(fleet, run, tmp_path):
    virtual = fleet(BOARD).boards[0]
    run(virtual)
    old = (tmp_path / "records.jsonl").read_bytes()
    run(virtual, rekey=True, discard=True)
    (tmp_path / "records.jsonl").write_bytes(old)
    done = run(virtual)
    assert "has keys of generation 2, the records know of 1" in done.error


def test_records_of_another_key_store_are_refused(fleet, run, tmp_path):
    virtual = fleet(BOARD).boards[0]
    run(virtual, keys=KeyStore.from_root(bytes(32)))
    with opened(lambda: RawPrompt.open(virtual.serial, 40), virtual.serial, known=True) as prompt:
        prompt.put({}, ["/keys.json", "/provision.json"])  # as an erased board
        prompt.restart()
    assert "was provisioned under another key store" in run(virtual).error
    assert run(virtual, rekey=True).generation == 2


def test_roles_go_round_and_none_twice(fleet, run, records):
    text = BOARD.replace("[[board]]\n", "[[board]]\ncount = 3\n")
    virtuals = fleet(text).boards
    two = PLAN + f'[[device]]\nname = "a"\n[[device]]\nid = "{virtuals[1].device}"\nname = "b"\n'
    done = run(virtuals, two)
    assert done[1].name == "b"
    assert sorted(each.name for each in done if not each.error) == ["a", "b"]
    (left,) = [each for each in done if each.error]
    assert "the plan has nothing for this board: none of its roles is free" in left.error
    assert run(virtuals[1], PLAN + '[[device]]\nname = "b"\n').state == "unchanged"
    moved = PLAN + f'[[device]]\nid = "{left.device}"\nname = "b"\n'
    again = next(each for each in virtuals if each.device == left.device)
    assert f"`motekit replace {virtuals[1].device} {left.device}` moves it" in (
        run(again, moved).error
    )


def test_a_board_says_what_it_was_where_records_are_new(fleet, run, tmp_path):
    virtual = fleet(BOARD).boards[0]
    names = "".join(f'[[device]]\nname = "{name}"\n' for name in "ab")
    records = Records(tmp_path / "records.jsonl")
    records.add("assigned", {"fleet": "acme", "device": "0" * 12, "name": "a"})
    assert run(virtual, PLAN + names).name == "b"
    (tmp_path / "records.jsonl").unlink()
    done = run(virtual, PLAN + names)
    assert (done.error, done.name, done.state) == ("", "b", "unchanged")


def test_one_device_at_two_ports_is_provisioned_at_one(run, fleet, load, key_store, records):
    virtual = fleet(BOARD).boards[0]
    shared = session.Shared(load(PLAN), key_store, records, Options())
    shared.claims.take(virtual.device, "/dev/ttyOTHER")
    from motekit.provision import work

    done = work._one(virtual.serial, shared, lambda _: None, lambda: False)
    assert f"{virtual.device} is at /dev/ttyOTHER already" in done.error
    assert virtual.counts.starts == 1


def test_a_board_with_another_chip_is_left_alone(fleet, run):
    virtual = fleet(BOARD).boards[0]
    done = run(virtual, PLAN.replace(NAME, "esp32-s3-devkitc-1"))
    assert "has an esp32c3" in done.error
    assert virtual.counts.starts == 1


def test_without_a_key_store_nothing_begins(fleet, load, records):
    virtual = fleet(BOARD).boards[0]
    done = provision.one(virtual.serial, load(PLAN), keys=KeyStore.empty(), records=records)
    assert "`motekit keys init` makes one" in done.error
    copy = KeyStore.from_root(bytes(32)).for_collector()
    done = provision.one(virtual.serial, load(PLAN), keys=copy, records=records)
    assert "a collector's copy does not do here" in done.error
    assert virtual.counts.starts == 1


def test_records_that_cannot_be_written_stop_it_at_once(fleet, load, key_store, tmp_path):
    (tmp_path / "folder").mkdir()
    done = provision.one(
        "/dev/ttyNOSE", load(PLAN), keys=key_store, records=Records(tmp_path / "folder")
    )
    assert "records cannot be written" in done.error
    assert "--records" in done.error


def test_what_is_no_board_is_named(run, tmp_path, load, key_store, records):
    done = provision.one("/dev/ttyNOSE", load(PLAN), keys=key_store, records=records)
    assert (done.state, "no such port" in done.error) == ("failed", True)


def test_a_blank_chip_is_told_what_mends_it(fleet, run):
    virtual = fleet(f'[[board]]\nboard = "{NAME}"\nflash = "blank"\n').boards[0]
    done = run(virtual)
    assert "is blank" in done.error
    assert f"motekit flash {virtual.serial} --board {NAME}" in done.error


def test_a_port_on_which_nobody_speaks_is_named(run, monkeypatch, load, key_store, records):
    monkeypatch.setattr(session, "BOOT_S", 1.0)
    master, slave = pty.openpty()
    try:
        done = provision.one(os.ttyname(slave), load(PLAN), keys=key_store, records=records)
    finally:
        os.close(master)
        os.close(slave)
    assert "no MicroPython prompt" in done.error
    assert "motekit flash" in done.error


def test_micropython_alone_is_told_what_mends_it(fleet, run):
    virtual = fleet(BOARD, files={"/boot.py": b"", "/main.py": b""}).boards[0]
    done = run(virtual)
    assert "has MicroPython, and no firmware that can be provisioned" in done.error
    assert f"motekit flash {virtual.serial} --board {NAME}" in done.error


SITE = '[[network]]\nssid = "attic"\npassword = "right horse"\n'
WIFI = '[[wifi]]\nssid = "attic"\npassword = "right horse"\n'


def test_a_board_joins_its_network_before_it_is_believed(fleet, run):
    virtual = fleet(BOARD + SITE).boards[0]
    done = run(virtual, PLAN + WIFI)
    assert (done.error, done.state, done.proof.network) == ("", "provisioned", "attic")
    assert run(virtual, PLAN + WIFI).state == "unchanged"
    done = run(virtual, PLAN + WIFI.replace("right", "wrong"), discard=True)
    assert "Wi-Fi is not joined: attic: wrong password" in done.error
    assert "its former files are in place again" in done.error
    assert run(virtual, PLAN + WIFI).state == "unchanged"


def test_a_network_that_is_not_there_is_named(fleet, run, monkeypatch):
    monkeypatch.setattr(proof, "WIFI_S", 6.0)
    done = run(fleet(BOARD).boards[0], PLAN + WIFI)
    assert "Wi-Fi is not joined: attic: not found" in done.error


def test_a_configuration_on_trial_is_not_what_a_board_was_told(fleet, run):
    """`motekit config` tries one: it would be gone with the next boot."""
    virtual = fleet(BOARD).boards[0]
    run(virtual)
    config = held(virtual)["config.json"]
    with opened(lambda: RawPrompt.open(virtual.serial, 40), virtual.serial, known=True) as prompt:
        prompt.put({"/config.next": json.dumps({**config, "site": "shed"}).encode()})
        prompt.restart()
    done = run(virtual, discard=True)
    assert (done.error, done.state) == ("", "provisioned")
    with opened(lambda: RawPrompt.open(virtual.serial, 40), virtual.serial, known=True) as prompt:
        there = [name for name in prompt.names("/") if name.startswith("/config")]
    assert there == ["/config.json"]


class Killed(BaseException):
    """Stands for the end of this program: nothing of it runs after that."""


class Words:
    """Counts what is said to a board, at its prompt and over its link; `end` comes after one."""

    def __init__(self, patch, last=None, end=None):
        self.count = 0
        self.last = last
        self.end = end
        for owner in (RawPrompt, SerialPipe):
            patch.setattr(owner, "_write", self.counting(owner._write))

    def counting(self, write):
        def call(it, data):
            if data:
                self.count += 1
                if self.last is not None and self.count > self.last:
                    self.end()
            return write(it, data)

        return call


def kill():
    raise Killed


def test_a_board_that_loses_its_power_at_any_moment_is_mended_by_the_next_run(
    fleet, run, monkeypatch
):
    """The program lives, and says what went wrong, or has gone on by itself."""
    monkeypatch.setattr(look, "LINK_S", 1.0)
    monkeypatch.setattr(proof, "HELLO_S", 5.0)
    virtual = fleet(BOARD).boards[0]
    assert run(virtual).error == ""
    cuts = random.Random(7).sample(range(40), KILLS // 2)
    for n, cut in enumerate(cuts):
        wanted = PLAN.replace("roof", f"site-{n}")

        def power_cut(words):
            words.last = None  # once
            virtual._loop.call_soon_threadsafe(virtual.power_cut)

        with monkeypatch.context() as patch:
            words = Words(patch, cut)
            words.end = functools.partial(power_cut, words)
            done = run(virtual, wanted, discard=True)
            assert done.error or done.state == "provisioned"
        done = run(virtual, wanted, discard=True)
        assert done.error == "", cut
        there = held(virtual)
        assert set(there) == {"config.json", "keys.json", "provision.json"}, cut
        assert there["config.json"]["site"] == f"site-{n}"


def test_killed_at_any_moment_the_next_run_ends_in_the_same_state(
    fleet, run, monkeypatch, key_store, load, records
):
    """Site and keys change each time, so that files of three kinds are on their way."""
    monkeypatch.setattr(look, "LINK_S", 1.0)
    virtual = fleet(BOARD).boards[0]
    assert run(virtual).error == ""
    with monkeypatch.context() as patch:
        words = Words(patch)
        assert run(virtual, PLAN, rekey=True, discard=True).error == ""
    assert words.count > 30
    cuts = random.Random(words.count).sample(range(words.count), min(KILLS, words.count))
    for n, cut in enumerate(cuts):
        wanted = PLAN.replace("roof", f"site-{n}")
        shared = session.Shared(
            load(wanted), key_store, records, Options(rekey=True, discard=True)
        )
        with monkeypatch.context() as patch:
            Words(patch, cut, kill)
            with pytest.raises(Killed):
                session.Session(virtual.serial, shared, lambda _: None, lambda: False).run()
        done = run(virtual, wanted, rekey=True, discard=True)
        assert (done.error, done.state) == ("", "provisioned"), cut
        assert run(virtual, wanted).state == "unchanged"
        there = held(virtual)
        assert set(there) == {"config.json", "keys.json", "provision.json"}, cut
        assert there["keys.json"]["generation"] == done.generation
        assert there["config.json"]["site"] == f"site-{n}"

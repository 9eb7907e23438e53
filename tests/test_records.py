"""Records: roles are given once, lines are whole or not there, errors name the line."""

import json
import os
import threading
import time

import pytest

from motekit import board, plan
from motekit.provision.look import Found
from motekit.provision.records import Records, RecordsError, Unit
from motekit.provision.roles import choose

BOARD = board.load("esp32-c3-devkitm-1")


def role(name, device=""):
    return plan.Role(name, "", BOARD, BOARD.sensors, device=device)


@pytest.fixture
def records(tmp_path):
    return Records(tmp_path / "deep" / "records.jsonl")


def line(device, name, **more):
    return {"fleet": "acme", "device": device, "name": name, **more}


def test_a_role_is_held_from_its_assignment_on(records):
    records.assign("acme", "a" * 12, lambda units: role("roof"))
    assert records.units("acme")["a" * 12] == Unit(pending="roof")
    records.assign("acme", "a" * 12, lambda units: role("roof"))
    assert len(records.rows()) == 1
    records.add("provisioned", line("a" * 12, "roof", generation=2, keys="00ff"))
    assert records.units("acme")["a" * 12] == Unit("roof", "", 2, "00ff")
    assert records.units("other") == {}


def test_what_failed_gives_its_role_back_unless_it_was_its_own(records):
    records.add("assigned", line("a" * 12, "roof"))
    records.add("failed", line("a" * 12, "roof", on_trial=True))
    assert records.units("acme")["a" * 12].role == "roof"
    records.add("failed", line("a" * 12, "roof"))
    assert records.units("acme")["a" * 12].role == ""
    records.add("provisioned", line("a" * 12, "roof"))
    records.add("assigned", line("a" * 12, "shed"))
    records.add("failed", line("a" * 12, "shed"))
    assert records.units("acme")["a" * 12].role == "roof"
    records.add("released", line("a" * 12, "roof"))
    assert records.units("acme")["a" * 12].role == ""


def test_no_two_get_one_role_however_many_ask(records):
    wanted = plan.Plan("acme", tuple(role(f"r{n}") for n in range(12)))

    def ask(n):
        device = f"{n:012x}"
        mine = Records(records.path)

        def slowly(units):
            time.sleep(0.005)  # long enough for others to look at the same time
            return choose(wanted, Found(device), units)

        mine.assign("acme", device, slowly)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    units = records.units("acme")
    assert sorted(each.pending for each in units.values()) == sorted(f"r{n}" for n in range(12))


def test_a_line_that_was_cut_off_was_never_there(records):
    records.add("assigned", line("a" * 12, "roof"))
    whole = records.path.read_bytes()
    for cut in range(1, len(whole)):
        records.path.write_bytes(whole + whole[:cut].replace(b"\n", b""))
        assert len(records.rows()) == 1
    records.add("assigned", line("b" * 12, "shed"))
    assert [json.loads(each)["name"] for each in records.path.read_text().splitlines()] == [
        "roof",
        "shed",
    ]


@pytest.mark.parametrize("text", ["nonsense\n", "[]\n", '{"at": "now"}\n'])
def test_what_is_no_record_is_named(records, text):
    records.add("assigned", line("a" * 12, "roof"))
    with records.path.open("a") as file:
        file.write(text)
    with pytest.raises(RecordsError, match="line 2: is no record"):
        records.check()


@pytest.mark.skipif(os.name != "posix" or not os.getuid(), reason="root may write everything")
def test_a_file_that_cannot_be_written_is_said(records):
    records.add("assigned", line("a" * 12, "roof"))
    records.path.chmod(0o400)
    with pytest.raises(RecordsError, match="cannot be written"):
        records.check()


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(RecordsError, match="cannot be written"):
        Records(tmp_path).check()


def test_a_line_of_a_newer_motekit_is_passed_over(records):
    records.add("praised", line("a" * 12, "roof"))
    assert records.units("acme")["a" * 12] == Unit()

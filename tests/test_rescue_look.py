"""What a look at a board finds, and leaves alone: boards that run, under whatever keys."""

import json

import pytest
from model_board import ModelBoard, PtyBoard, note_packet

from motefw import keys
from motekit.keys import KeyStore
from motekit.prompt.raw import RawPrompt
from motekit.rescue import rescue as rescuer
from motekit.rescue import states
from motekit.rescue.case import Case, Wishes
from motekit.rescue.evidence import Evidence
from motekit.rescue.look import look
from motekit.store import Store

DEVICE = "0123456789ab"
OURS, THEIRS = (KeyStore.from_root(bytes([each]) * 32) for each in (1, 2))
NAME = "esp32-c3-devkitm-1"


def provisioned(packets=()):
    """Return a board of another fleet."""
    purposes = (keys.DATA, keys.ACK, keys.COMMAND)
    taggers = [THEIRS.tagger(purpose, DEVICE, 1) for purpose in purposes]
    return ModelBoard(DEVICE, packets=packets, generation=1, keys=taggers)


def wishes(folder, **more):
    return Wishes(folder / "rescued", pytest.fail, lambda _: True, **more)


def test_a_board_of_another_fleet_goes_on_and_is_told(tmp_path):
    typed = bytearray()

    def overheard(data):
        typed.extend(data)
        return data

    with PtyBoard(provisioned(), overheard) as board:
        (row,) = states.diagnose(look(board.path, keys=OURS))
        report = rescuer.rescue(board.path, wishes(tmp_path, key_store=OURS))
        assert not board.board.requests
    assert (row.state, row.device) == ("keys elsewhere", DEVICE)
    assert "MOTEKIT_KEYS" in row.fix
    assert (report.state, report.was, report.did) == ("failed", ("keys elsewhere",), ())
    assert b"\x03\r\x01" not in typed  # nobody asked for its prompt
    assert not (tmp_path / "rescued").exists()


def test_replies_that_cannot_be_read_stop_nobody():
    found = Evidence("/dev/ttyUSB0", unread=2)
    (row,) = states.diagnose(found)
    assert (row.state, row.mend) == ("does not answer", states.START)


def test_packets_under_other_keys_are_kept_with_the_way_into_a_store(tmp_path):
    """The store takes none of them: it would set all aside."""
    tagger = THEIRS.tagger(keys.DATA, DEVICE, 1)
    packet = note_packet(DEVICE, 7, 0, {"a": 1}, generation=1, tagger=tagger)
    with Store.open(tmp_path / "fleet.motekit", create=True) as store:
        case = Case(wishes(tmp_path, store=store, key_store=OURS), Evidence("p"), None)
        case.found.device = DEVICE
        case.take_packets(len(packet).to_bytes(2, "little") + packet)
        assert store.summary().quarantined == 0
        path = case.home() / "unsent.jsonl"
        assert case.lost == []
        (kept,) = case.kept
        assert f"1 unsent packets under keys that this host has not, in {path}" in kept
        assert f"MOTEKIT_KEYS=KEYS motekit collect replay:{path} --store FILE" in kept
        case = Case(wishes(tmp_path, store=store, key_store=THEIRS), case.found, None)
        case.take_packets(len(packet).to_bytes(2, "little") + packet)
        assert (case.packets, case.lost) == (1, [])
        damaged = bytes([*packet[:-1], packet[-1] ^ 1])
        queue = b"".join(len(p).to_bytes(2, "little") + p for p in (packet, damaged))
        case.take_packets(queue)
        (lost,) = case.lost
        assert "1 packets were set aside" in lost
        assert str(case.home() / "unsent.jsonl") in lost


def test_a_virtual_board_at_its_prompt_is_whole(fleet):
    virtual = fleet(f'[[board]]\nboard = "{NAME}"\nsensor = []\n').boards[0]
    with RawPrompt.open(virtual.serial) as prompt:
        prompt.leave()
    found = look(virtual.serial, keys=OURS)
    assert [row.state for row in states.diagnose(found)] == ["firmware stopped"]
    assert found.files is not None
    assert json.loads(found.files.read["/config.json"])["board"] == NAME

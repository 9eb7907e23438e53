"""What a look at a board finds, and leaves alone: boards that run, under whatever keys."""

import hashlib
import json
import re

import pytest
from model_board import ModelBoard, PtyBoard, note_packet

from motefw import keys
from motekit import board as boards
from motekit import unsent
from motekit.flash import partitions
from motekit.flasher import esptool
from motekit.flasher.esptool import Chip, EsptoolError
from motekit.hello import parse
from motekit.keys import KeyStore
from motekit.prompt.raw import PromptError, RawPrompt
from motekit.rescue import at_prompt, states
from motekit.rescue import rescue as rescuer
from motekit.rescue.case import Case, Wishes
from motekit.rescue.evidence import Evidence, Files, Flash
from motekit.rescue.look import look, read_all
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


def test_a_full_file_system_names_what_could_go():
    largest = (("/log.csv", 90_000), ("/b.bin", 5000), ("/c.bin", 4096), ("/d.txt", 10))
    found = Evidence("p", prompt="waiting", files=Files(True, largest=largest))
    row = states.diagnose(found)[-1]
    full = [each for each in states.diagnose(found) if each.state == "full"]
    said = "/log.csv (90,000 bytes), /b.bin (5,000 bytes), /c.bin (4,096 bytes) and 1 more"
    assert [said in each.found for each in full] == [True], row
    assert full[0].fix.startswith("motekit rescue p")
    hello = parse(ModelBoard(DEVICE).hello())
    rows = states.diagnose(Evidence("p", hello=hello, status={"files_free_bytes": -32_768}))
    assert [row.state for row in rows if "0 bytes are free" in row.found] == ["full"]


def test_files_go_by_name_or_the_largest_until_there_is_room(tmp_path):
    others = [("/a", 9000), ("/b", 8192), ("/c", 4000), ("/d", 100), ("/e", 90)]
    case = Case(wishes(tmp_path), Evidence("p"), None)
    assert at_prompt.chosen_for(case, others, 12_000) == others[:2]
    assert at_prompt.chosen_for(case, others, 1 << 20) == others[:3]  # the rest would give nothing
    case = Case(wishes(tmp_path, remove=("/c",)), Evidence("p"), None)
    assert at_prompt.chosen_for(case, others, 12_000) == [others[2]]


BANNER = "ESP-ROM:esp32c3\r\nrst:0x3 (RTC_SW_SYS_RST),boot:0xd (SPI_FAST_FLASH_BOOT)\r\n"


def test_a_boot_loop_is_told_with_its_words():
    heard = BANNER + "load:0x3fcd5820,len:0x1574\r\ngoing down\r\n" + BANNER
    flash = Flash(table=partitions.of_board(boards.load(NAME)))
    chip = Chip("esp32c3", DEVICE, 4 << 20)
    (row,) = states.diagnose(Evidence("p", heard=heard, chip=chip, flash=flash))
    assert row.state == "starts again and again"
    assert "2 resets" in row.found
    assert "rst:0x3 (RTC_SW_SYS_RST), having said 'going down'" in row.found
    (row,) = states.diagnose(Evidence("p", heard=BANNER, chip=chip, flash=flash))
    assert row.state == "silent"


def test_the_fix_names_the_board_of_a_chip_and_no_other():
    files = Files(True, chip="esp32c3", free_bytes=1 << 20)
    (row,) = states.diagnose(Evidence("p", prompt="waiting", files=files))
    assert (row.state, row.fix) == ("no firmware", f"motekit rescue p --board {NAME}")
    found = Evidence("p", prompt="waiting", files=Files(True, free_bytes=1 << 20))
    assert " --board BOARD (one of: " in states.diagnose(found)[0].fix


# Bad lines.


class BadLine:
    """A flash at the end of a line that spoils the first reads of some places."""

    def __init__(self, spoils):
        self.baud, self.before = 460_800, "no-reset"
        self.reads = []
        self._spoils = dict(spoils)

    def read(self, offset, size):
        self.reads.append((offset, size, self.baud, self.before))
        if any(
            self._spoil(at) for at in range(0, 1 << 20, 0x1000) if offset <= at < offset + size
        ):
            raise EsptoolError("p: Invalid head of packet (0x45): Possible serial noise")
        return bytes([offset >> 12 & 0xFF]) * size

    def _spoil(self, at):
        left = self._spoils.get(at, 0)
        self._spoils[at] = left - 1
        return left > 0


def test_a_bad_byte_costs_a_piece_of_a_flash_and_no_more():
    tool = BadLine({0x21000: 3})
    found = read_all(tool, 0x10000, 0x50000)
    assert len(found) == 0x50000
    assert tool.reads[0][1:] == (0x50000, 460_800, "no-reset")
    assert {each[2:] for each in tool.reads[1:]} == {(115_200, "default-reset")}
    assert len(tool.reads) == 1 + 3 + 2
    with pytest.raises(EsptoolError):
        read_all(BadLine({0x21000: 99}), 0x10000, 0x50000)


@pytest.mark.parametrize(
    "said",
    [
        "MD5 of file does not match data in flash!",
        "No more data to read",
        "Invalid head of packet (0x45): Possible serial noise or corruption.",
    ],
)
def test_what_esptool_says_of_a_bad_line_comes_with_a_next_step(said):
    why = esptool.why(f"esptool v5.1.0\n\nA fatal error occurred: {said}\n")
    assert why.startswith(said)
    assert "shorter cable" in why


class GarblingPrompt:
    """A prompt at which a queue is asked for piece by piece, and some answers are damaged."""

    name = "p"

    def __init__(self, queue, garbled):
        self._queue = queue
        self._garbled = garbled
        self.asked = self.entered = 0

    def enter(self):
        self.entered += 1

    def execute(self, code, wait_s, what=""):
        del wait_s, what
        self.asked += 1
        at = int(re.search(r"a\+(\d+)", code)[1])
        piece = self._queue[at : at + int(re.search(r"min\((\d+)", code)[1])]
        lines = [repr(piece), repr(hashlib.sha256(piece).digest())]
        if self._garbled(self.asked) == "byte":
            lines[0] = repr(piece[:-1])
        if self._garbled(self.asked) == "prompt":
            raise PromptError("p: no end of it")
        return "\n".join(lines) + "\n"


def test_a_queue_comes_over_a_bad_line_piece_by_piece():
    queue = bytes(range(256)) * 20
    prompt = GarblingPrompt(queue, lambda n: ("byte", "prompt", "")[n % 3])
    assert unsent.queue(prompt) == queue
    assert prompt.entered > 0
    prompt = GarblingPrompt(queue, lambda _: "byte")
    with pytest.raises(PromptError, match=r"stays in the board's RAM.*motekit rescue p"):
        unsent.queue(prompt)
    assert prompt.asked < 10

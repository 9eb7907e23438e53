"""Boards flashed by real esptool: virtual chips, blank, right and wrong, broken on the way."""

import json
import random
import shutil

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from motekit import board as boards
from motekit import places
from motekit.chips import CHIPS
from motekit.flash import filesystem, merged, partitions
from motekit.flash.image import ImageError
from motekit.flasher import esptool, flash, remains
from motekit.flasher import history as history_of
from motekit.flasher.job import Job, Spared
from motekit.prompt.raw import RawPrompt
from motekit.sim import scenario as scenarios
from motekit.sim.fleet import running as fleet_of
from motekit.sim.loader import synthetic

NAME = "esp32-c3-devkitm-1"
BOARD = boards.load(NAME)
BLANK = f'loader_speed = 1000\n[[board]]\nboard = "{NAME}"\nflash = "blank"\n'
APP_BYTES = 100_000


@pytest.fixture(scope="module", autouse=True)
def history(tmp_path_factory):
    """Keep what was written where out of the checkout; a machine may be slow."""
    folder = tmp_path_factory.mktemp("flashed")
    assert places.made()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("motekit.flasher.history.HOME", folder)
        patch.setattr(flash, "HELLO_S", 60.0)
        patch.setattr(flash, "BOOT_S", 40.0)
        yield folder


def release(board=BOARD, version="1.28.0"):
    return merged.read(synthetic.release(board.chip, version, APP_BYTES), board.chip)


def flashed(virtuals, board=BOARD, version="1.28.0", steps=None, **options):
    ports = [each if isinstance(each, str) else each.serial for each in virtuals]
    job = Job(board, release(board, version), **options)
    return flash.flash(ports, job, steps.append if steps is not None else lambda _: None)


class Compared:
    """A chip's flash as `remains` asks esptool for it."""

    def __init__(self, content):
        self._content = bytes(content)

    def read(self, offset, size):
        return self._content[offset : offset + size]

    def differing(self, regions):
        return [
            each.name for each in regions if self.read(each.offset, len(each.data)) != each.data
        ]


COMING = merged.regions(BOARD, release(), Job(BOARD, release()).files)
PLACES = {each.name: each for each in BOARD.partitions}


def left(*pieces):
    """Return what is found in a flash that holds these pieces, by offset."""
    content = bytearray(b"\xff" * BOARD.flash_bytes)
    for offset, data in pieces:
        content[offset : offset + len(data)] = data
    tool = Compared(content)
    return remains.found(tool, BOARD, COMING, remains.used(tool, BOARD))


@given(st.integers(0, len(COMING[0].data)), st.integers(0, 255))
def test_what_a_flash_that_was_cut_off_has_left_is_nobodys(size, mask):
    """Down to the byte that it was about to write."""
    files = COMING[0].data
    cut = files[:size] + bytes(each | mask for each in files[size : size + 1])
    assert left((COMING[0].offset, cut)) == ""


@given(
    st.sampled_from(["log", "vfs"]), st.integers(0, PLACES["vfs"].size - 1), st.integers(0, 254)
)
def test_any_other_byte_may_be_somebodys(name, at, value):
    offset = PLACES[name].offset
    ours = COMING[0].data[at : at + 1]
    assume(name == "log" or value & ours[0] != ours[0] if ours else True)
    what = {"log": "a log", "vfs": "a file system"}[name]
    assert left((offset + at, bytes((value,)))) == f"{what} at 0x{offset:x}"


def test_the_chip_itself_compares(fleet):
    virtual = fleet(BLANK).boards[0]
    tool = esptool.Esptool(virtual.serial)
    tool.identify(partitions.TABLE_OFFSET, partitions.TABLE_BYTES)
    blank = [merged.Region(str(n), n << 20, b"\xff" * 4096) for n in range(3)]
    assert tool.differing(blank) == ()
    virtual.flash.program((1 << 20) + 4095, b"\x7f")
    assert tool.differing(blank) == ("1",)


def test_a_blank_board_runs_what_was_flashed(fleet):
    virtual = fleet(BLANK).boards[0]
    steps = []
    (done,) = flashed([virtual], steps=steps)
    assert done.error == ""
    assert (done.state, done.mac, done.chip) == ("flashed", virtual.device, "esp32c3")
    assert done.hello.device == virtual.device
    assert done.hello.encoder == "plain"  # the native one is for another processor
    assert {each.what for each in steps} >= {"looking", "writing", "hello"}
    table = virtual.flash.read(partitions.TABLE_OFFSET, partitions.TABLE_BYTES)
    assert partitions.read(table) == partitions.of_board(BOARD)
    vfs = next(each for each in BOARD.partitions if each.name == "vfs")
    files = filesystem.read(virtual.flash.read(vfs.offset, vfs.size))
    assert json.loads(files["/config.json"])["board"] == NAME


@pytest.fixture(scope="module")
def owned(tmp_path_factory):
    """Return a board that was flashed."""
    path = tmp_path_factory.mktemp("owned") / "scenario.toml"
    path.write_text(BLANK)
    with fleet_of(scenarios.load(path)) as fleet:
        virtual = fleet.boards[0]
        assert flashed([virtual])[0].error == ""
        yield virtual


@pytest.fixture
def running(owned):
    """Return a board that was flashed and has files of its own."""
    with RawPrompt.open(owned.serial, 60) as prompt:
        config = json.loads(prompt.read("/config.json"))
        prompt.put(
            {"/config.json": json.dumps({**config, "name": "roof"}).encode(), "/mine": b"k"}
        )
        prompt.restart()
    return owned


def test_flashed_again_nothing_changes_and_files_stay(running):
    before = running.flash.written_bytes
    (done,) = flashed([running])
    assert (done.error, done.state, done.sent_bytes) == ("", "unchanged", 0)
    assert done.hello.name == "roof"
    assert running.flash.written_bytes == before
    with RawPrompt.open(running.serial, 60) as prompt:
        assert prompt.read("/mine") == b"k"


def test_one_changed_file_is_all_that_is_written(running):
    left = {"/lib/motefw/stale.mpy": b"x", "/main.py.new": b"half", "/lib/other.new": b"theirs"}
    with RawPrompt.open(running.serial, 60) as prompt:
        prompt.put({"/boot.py": b"# old\n", **left})
    (done,) = flashed([running])
    assert (done.error, done.state, done.files) == ("", "updated", 3)
    assert done.sent_bytes < 1000
    with RawPrompt.open(running.serial, 60) as prompt:
        assert b"# old" not in prompt.read("/boot.py")
        assert [prompt.read(name) for name in left] == [None, None, b"theirs"]


def test_another_release_leaves_the_files(running):
    (done,) = flashed([running], version="1.29.0")
    assert (done.error, done.state, done.files) == ("", "updated", 0)
    assert 0 < done.sent_bytes < APP_BYTES * 0.45  # a third of the program, compressed
    assert done.hello.name == "roof"


def test_a_wrong_history_costs_time_alone(running, history):
    """The program on the chip is not what was written last."""
    app = next(each for each in BOARD.partitions if each.name == "app")
    running.flash.erase(app.offset + 0x4000, 0x1000)
    (done,) = flashed([running])
    assert (done.error, done.state) == ("", "updated")
    assert running.flash.read(app.offset, APP_BYTES) == release().app[:APP_BYTES]
    shutil.rmtree(history)
    (done,) = flashed([running])
    assert (done.error, done.state) == ("", "unchanged")


def test_files_are_for_the_chip_that_was_looked_at_alone(running, monkeypatch):
    """Another board is at the port once MicroPython runs."""
    with RawPrompt.open(running.serial, 60) as prompt:
        prompt.put({"/boot.py": b"# old\n"})
    check = flash._Flashing._bring_files

    def exchanged(self):
        self.chip = esptool.Chip("esp32c3", "a0b1c2d3e4f5", 0)
        return check(self)

    monkeypatch.setattr(flash._Flashing, "_bring_files", exchanged)
    (done,) = flashed([running])
    assert "chip a0b1c2d3e4f5 was here, now it is" in done.error
    with RawPrompt.open(running.serial, 60) as prompt:
        assert prompt.read("/boot.py") == b"# old\n"


def test_erased_it_is_a_new_board(running):
    (done,) = flashed([running], erase=True)
    assert (done.error, done.state) == ("", "flashed")
    assert done.hello.name is None
    with RawPrompt.open(running.serial, 60) as prompt:
        assert prompt.read("/mine") is None


def test_what_holds_something_else_is_left_alone(fleet):
    virtual = fleet(BLANK).boards[0]
    virtual.flash.program(BOARD.chip.bootloader_offset, synthetic.release(BOARD.chip))
    before = virtual.flash.written_bytes
    (done,) = flashed([virtual])
    assert done.state == "failed"
    assert done.mac == virtual.device
    assert "holds something else (partitions nvs, phy_init, factory)" in done.error
    assert "--erase" in done.error
    assert virtual.flash.written_bytes == before
    (done,) = flashed([virtual], replace=True)
    assert (done.error, done.state) == ("", "flashed")
    (done,) = flashed([virtual], replace=True)
    assert (done.error, done.state, done.sent_bytes) == ("", "unchanged", 0)


def test_a_table_in_another_place_is_something_else():
    """Its bootloader was built to look there: where ours is, the chip looks blank."""
    content = bytearray(b"\xff" * 0x20000)
    reads = []

    class Tool:
        baud = esptool.SLOW_BAUD

        def read(self, offset, size):
            reads.append(offset)
            return bytes(content[offset : offset + size])

    def is_blank(*, replace=False, blank=False):
        spared = Spared(blank=blank, given_up=True)
        work = flash._Flashing("/dev/ttyX", None, None, None, None, None)
        work._job, work._tool = Job(BOARD, release(), replace=replace), Tool()
        return work._is_blank(b"\xff" * partitions.TABLE_BYTES, spared), work._erase

    assert is_blank() == (True, False)
    content[0xF000 : 0xF000 + partitions.TABLE_BYTES] = partitions.build(
        (partitions.Entry("data", partitions.DATA, 0x82, 0x20000, 0x1000),)
    )
    with pytest.raises(flash.RefusedError, match=r"\(partitions data\) with its table at 0xf000"):
        is_blank()
    assert is_blank(replace=True) == (True, True)
    reads.clear()
    assert is_blank(blank=True) == (True, False)
    assert not reads


def test_what_lies_in_the_place_of_a_table_and_is_none_of_ours_is_left_alone(fleet):
    virtual = fleet(BLANK).boards[0]
    virtual.flash.program(partitions.TABLE_OFFSET, random.Random(7).randbytes(4096))
    before = virtual.flash.written_bytes
    (done,) = flashed([virtual])
    assert "holds something else (partitions that cannot be read)" in done.error
    assert virtual.flash.written_bytes == before
    (done,) = flashed([virtual], replace=True)
    assert (done.error, done.state) == ("", "flashed")
    assert set(history_of.load(virtual.device)) == {"bootloader", "factory"}


def fault(kind, **more):
    rest = "".join(f"{key} = {value}\n" for key, value in more.items())
    return f'{BLANK}[[fault]]\nkind = "{kind}"\n{rest}'


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        (fault("loader_dead"), "Failed to connect to Espressif device"),
        (fault("flash_write_protected"), "Flash write error"),
        (fault("loader_md5_wrong"), "MD5"),
        (BLANK + 'chip = "esp32c6"\n', "has an esp32c6, esp32-c3-devkitm-1 an esp32c3"),
    ],
    ids=["dead", "protected", "weak", "wrong chip"],
)
def test_a_bad_board_is_named_with_what_is_wrong(fleet, scenario, says):
    virtual = fleet(scenario).boards[0]
    (done,) = flashed([virtual])
    assert done.state == "failed"
    assert says in done.error
    assert done.hello is None


@pytest.mark.parametrize(
    "scenario",
    [
        fault("loader_baud_fails"),
        fault("loader_brownout", after_bytes=40_000),
        fault("board_pulled", after_bytes=40_000, for_s=0.5),
    ],
    ids=["baud", "brownout", "pulled for a moment"],
)
def test_what_passes_is_ridden_out(fleet, scenario):
    virtual = fleet(scenario).boards[0]
    (done,) = flashed([virtual])
    assert (done.error, done.state) == ("", "flashed")


@pytest.mark.parametrize("after_bytes", [1, 80_000])
def test_a_board_that_was_pulled_is_flashed_again(fleet, monkeypatch, after_bytes):
    monkeypatch.setattr(flash, "PORT_S", 0.5)
    virtual = fleet(fault("board_pulled", after_bytes=after_bytes)).boards[0]
    (done,) = flashed([virtual])
    assert done.state == "failed"
    assert "no such port" in done.error
    virtual._loop.call_soon_threadsafe(virtual.plug)
    monkeypatch.undo()
    (done,) = flashed([virtual])
    assert (done.error, done.state) == ("", "flashed")


def test_boards_that_are_exchanged_midway_are_not_mixed_up(fleet, monkeypatch):
    first, second = fleet(BLANK.replace("[[board]]\n", "[[board]]\ncount = 2\n")).boards
    look = esptool.Esptool.identify

    def exchanging(self, *piece):
        found = look(self, *piece)
        self.port = second.serial
        return found

    monkeypatch.setattr(esptool.Esptool, "identify", exchanging)
    (done,) = flashed([first])
    assert (done.state, done.mac) == ("failed", first.device)
    assert f"now it is {second.device}: boards were exchanged" in done.error
    assert second.flash.written_bytes == 0


@pytest.mark.parametrize("chip", sorted(set(CHIPS) - {BOARD.chip.name}))
def test_every_chip_boots_what_is_flashed(fleet, chip):
    name = next(n for n in boards.names() if boards.load(n).chip.name == chip)
    virtual = fleet(BLANK.replace(NAME, name)).boards[0]
    (done,) = flashed([virtual], boards.load(name))
    assert (done.error, done.state, done.chip) == ("", "flashed", chip)


def test_no_port_is_no_board():
    assert flashed([]) == []
    (done,) = flashed(["/dev/ttyNOSE"])
    assert (done.state, done.mac) == ("failed", "")
    assert "no such port" in done.error


def test_what_fits_no_board_is_said_before_one_is_touched():
    long = merged.Release(BOARD.chip, b"", bytes(0x40_0000))
    with pytest.raises(ImageError, match="partition factory"):
        flash.flash(["/dev/ttyNOSE"], Job(BOARD, long))


def test_what_no_chip_holds_any_more_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("motekit.flasher.history.HOME", tmp_path)
    monkeypatch.setattr("motekit.flasher.history.CONTENTS_MAX", 3)
    for n in range(9):
        history_of.save("a0b1c2d3e4f5", (merged.Region("app", 0, bytes([n])),))
        history_of.save("b0b1c2d3e4f5", (merged.Region("app", 0, b"kept"),))
    assert len(list(tmp_path.glob("*.bin"))) <= 4
    assert history_of.load("a0b1c2d3e4f5")["app"].read_bytes() == bytes([8])
    assert history_of.load("b0b1c2d3e4f5")["app"].read_bytes() == b"kept"
    (tmp_path / "a0b1c2d3e4f5.json").write_text("nonsense")
    assert history_of.load("a0b1c2d3e4f5") == {}


def test_a_table_that_was_cut_off_is_told_from_what_is_not_ours():
    whole = partitions.build(partitions.of_board(BOARD))
    random_ = random.Random(7)
    for end in range(0, len(whole), 16):
        noise = bytes(random_.randrange(256) for _ in range(16))
        half = bytes(a | b for a, b in zip(whole[end : end + 16], noise, strict=True))
        torn = (whole[:end] + half).ljust(len(whole), b"\xff")
        assert partitions.cut_off(torn, BOARD)
    assert not partitions.cut_off(random_.randbytes(len(whole)), BOARD)
    assert not partitions.cut_off(bytes(len(whole)), BOARD)

"""Boards flashed by real esptool: virtual chips, blank, right and wrong, broken on the way."""

import json

import pytest

from motekit import board as boards
from motekit import places
from motekit.chips import CHIPS
from motekit.flash import filesystem, merged, partitions
from motekit.flasher import flash
from motekit.raw_prompt import RawPrompt
from motekit.sim.loader import synthetic

NAME = "esp32-c3-devkitm-1"
BOARD = boards.load(NAME)
BLANK = f'loader_speed = 100\n[[board]]\nboard = "{NAME}"\nflash = "blank"\n'


@pytest.fixture(autouse=True)
def history(tmp_path, monkeypatch):
    """Keep what was written where out of the checkout; the compiled firmware is shared."""
    folder = tmp_path / "flashed"
    monkeypatch.setattr("motekit.flasher.history._home", lambda: folder)
    assert places.made()
    return folder


def release(board=BOARD, version="1.28.0"):
    return merged.read(synthetic.release(board.chip, version, 200_000), board.chip)


def flashed(ports, board=BOARD, version="1.28.0", **options):
    return flash.flash(ports, flash.Job(board, release(board, version), **options))


def test_a_blank_board_runs_what_was_flashed(fleet):
    virtual = fleet(BLANK).boards[0]
    steps = []
    (done,) = flash.flash([virtual.serial], flash.Job(BOARD, release()), steps.append)
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


@pytest.fixture
def running(fleet):
    """Return a board that was flashed and has files of its own."""
    virtual = fleet(BLANK).boards[0]
    assert flashed([virtual.serial])[0].error == ""
    with RawPrompt.open(virtual.serial) as prompt:
        config = json.loads(prompt.read("/config.json"))
        mine = {"/config.json": json.dumps({**config, "name": "roof"}).encode(), "/keys": b"k"}
        prompt.put(mine)
        prompt.restart()
    return virtual


def test_flashed_again_nothing_changes_and_files_stay(running):
    before = running.flash.written_bytes
    (done,) = flashed([running.serial])
    assert (done.error, done.state, done.sent_bytes) == ("", "unchanged", 0)
    assert done.hello.name == "roof"
    assert running.flash.written_bytes == before
    with RawPrompt.open(running.serial) as prompt:
        assert prompt.read("/keys") == b"k"


def test_one_changed_file_is_all_that_is_written(running):
    with RawPrompt.open(running.serial) as prompt:
        prompt.put({"/boot.py": b"# old\n", "/lib/motefw/stale.mpy": b"x"})
    (done,) = flashed([running.serial])
    assert (done.error, done.state, done.files) == ("", "updated", 1)
    assert done.sent_bytes < 1000
    with RawPrompt.open(running.serial) as prompt:
        assert b"# old" not in prompt.read("/boot.py")
        assert prompt.read("/lib/motefw/stale.mpy") is None


def test_another_release_leaves_the_files(running):
    (done,) = flashed([running.serial], version="1.29.0")
    assert (done.error, done.state, done.files) == ("", "updated", 0)
    assert 0 < done.sent_bytes < 90_000  # a third of the program, compressed
    assert done.hello.name == "roof"


def test_erased_it_is_a_new_board(running):
    (done,) = flashed([running.serial], erase=True)
    assert (done.error, done.state) == ("", "flashed")
    assert done.hello.name is None
    with RawPrompt.open(running.serial) as prompt:
        assert prompt.read("/keys") is None


def test_what_holds_something_else_is_left_alone(fleet):
    virtual = fleet(BLANK).boards[0]
    virtual.flash.program(BOARD.chip.bootloader_offset, synthetic.release(BOARD.chip))
    before = virtual.flash.written_bytes
    (done,) = flashed([virtual.serial])
    assert done.state == "failed"
    assert "holds something else (partitions nvs, phy_init, factory)" in done.error
    assert "--erase" in done.error
    assert virtual.flash.written_bytes == before
    (done,) = flashed([virtual.serial], erase=True)
    assert (done.error, done.state) == ("", "flashed")


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
        (fault("board_pulled", at_s=4), ""),
    ],
    ids=["dead", "protected", "weak", "wrong chip", "pulled"],
)
def test_a_bad_board_is_named_with_what_is_wrong(fleet, scenario, says):
    virtual = fleet(scenario).boards[0]
    (done,) = flashed([virtual.serial])
    assert done.state == "failed"
    assert says in done.error
    assert done.error


@pytest.mark.parametrize(
    "scenario",
    [
        fault("loader_baud_fails"),
        fault("loader_brownout", at_s=3.5),
        fault("board_pulled", at_s=3.5, for_s=0.1),
    ],
    ids=["baud", "brownout", "pulled for a moment"],
)
def test_what_passes_is_ridden_out(fleet, scenario):
    virtual = fleet(scenario).boards[0]
    (done,) = flashed([virtual.serial])
    assert (done.error, done.state) == ("", "flashed")


def test_an_interrupted_flash_is_done_again(fleet):
    virtual = fleet(fault("board_pulled", at_s=4, for_s=12)).boards[0]
    (done,) = flashed([virtual.serial])
    assert done.state == "failed"
    for _ in range(3):
        (done,) = flashed([virtual.serial])
        if done.state != "failed":
            break
    assert done.hello.device == virtual.device


def test_many_at_once_and_a_dead_one_holds_nobody_up(fleet):
    text = BLANK.replace("[[board]]\n", "[[board]]\ncount = 4\n")
    virtuals = fleet(f'{text}[[fault]]\nkind = "loader_dead"\nboard = 2\n').boards
    done = flashed([each.serial for each in virtuals])
    assert [each.state for each in done] == ["flashed", "flashed", "failed", "flashed"]
    assert [each.port for each in done] == [each.serial for each in virtuals]


@pytest.mark.parametrize("chip", sorted(CHIPS))
def test_every_chip_boots_what_is_flashed(fleet, chip):
    name = next(n for n in boards.names() if boards.load(n).chip.name == chip)
    virtual = fleet(BLANK.replace(NAME, name)).boards[0]
    (done,) = flashed([virtual.serial], boards.load(name))
    assert (done.error, done.state, done.chip) == ("", "flashed", chip)


def test_no_port_is_no_board():
    assert flash.flash([], flash.Job(BOARD, release())) == []
    (done,) = flashed(["/dev/ttyNOSE"])
    assert (done.state, done.mac) == ("failed", "")
    assert "/dev/ttyNOSE" in done.error

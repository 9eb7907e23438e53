"""What is wrong with a board in any state, and what becomes of it: virtual chips, real esptool."""

import json

import pytest

from motekit import board as boards
from motekit.flash import filesystem, merged, partitions
from motekit.flasher import flash as flasher
from motekit.flasher.esptool import Chip
from motekit.flasher.job import Job
from motekit.keys import KeyStore
from motekit.rescue import rescue as rescuer
from motekit.rescue import states
from motekit.rescue.case import Wishes
from motekit.rescue.evidence import Evidence
from motekit.rescue.look import examine, look
from motekit.sim.loader import synthetic
from motekit.store import Store

NAME = "esp32-c3-devkitm-1"
BOARD = boards.load(NAME)
CHIP = f'loader_speed = 1000\n[[board]]\nboard = "{NAME}"\nflash = "blank"\n'
SHT4X = """
  [[board.sensor]]
  driver = "sht4x"
  period_s = 1
  source = { temperature = 21.5, humidity = 40 }
"""
RELEASE = merged.read(synthetic.release(BOARD.chip, app_bytes=100_000), BOARD.chip)
VFS = next(each for each in BOARD.partitions if each.name == "vfs")
APP = next(each for each in BOARD.partitions if each.name == "app")
CONFIG = {
    "board": NAME,
    "name": "roof",
    "buses": {"i2c0": {"kind": "i2c", "id": 0, "sda": 5, "scl": 6, "hz": 400_000}},
    "sensors": [{"driver": "sht4x", "bus": "i2c0", "period_ms": 1000}],
}
ROOT = bytes(range(32))


@pytest.fixture(scope="module", autouse=True)
def slow_machine(tmp_path_factory):
    """Keep what was written where out of the checkout; a machine may be slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("motekit.flasher.history.HOME", tmp_path_factory.mktemp("flashed"))
        patch.setattr(flasher, "HELLO_S", 60.0)
        patch.setattr(flasher, "BOOT_S", 40.0)
        patch.setattr(rescuer, "START_S", 60.0)
        yield


def files(**changes):
    """Return what a flashed board carries; a change to None removes a file."""
    config = json.dumps(CONFIG).encode()
    found = {**Job(BOARD, RELEASE).files, "/config.json": config, "/mine.txt": b"mine"}
    found.update({name: data for name, data in changes.items() if data is not None})
    return {name: data for name, data in found.items() if changes.get(name, b"") is not None}


def image(**changes):
    """Return all of a chip's flash."""
    whole = bytearray(b"\xff" * BOARD.flash_bytes)
    for each in merged.regions(BOARD, RELEASE, files(**changes)):
        whole[each.offset : each.offset + len(each.data)] = each.data
    return whole


@pytest.fixture
def chip(fleet, tmp_path):
    """Return a function that starts a chip with this in its flash."""

    def start(content=None, scenario=CHIP + SHT4X):
        folder = tmp_path / "chips" / "board-0"
        folder.mkdir(parents=True)
        if content is not None:
            (folder / "flash").write_bytes(content)
        return fleet(scenario, folder=folder.parent).boards[0]

    return start


@pytest.fixture
def wishes(tmp_path):
    with Store.open(tmp_path / "fleet.motekit", create=True) as store:
        yield Wishes(
            tmp_path / "rescued", lambda _: RELEASE, lambda _: True, BOARD, store, KeyStore.empty()
        )


def diagnosed(virtual, board=None):
    return states.diagnose(look(virtual.serial, board), board)


def torn(content, offset, size):
    """Return flash in which a piece is erased."""
    content[offset : offset + size] = b"\xff" * size
    return content


def broken_files():
    """Return flash whose file system's first blocks are nonsense."""
    content = image(**{"/keys.json": KeyStore.from_root(ROOT).key_file(DEVICE, 3)})
    content[VFS.offset : VFS.offset + 0x2000] = bytes(range(256)) * 32
    return content


def filled():
    """Return flash whose file system has no room left."""
    size = 900_000
    while True:
        try:
            return image(**{"/big.bin": bytes(size)})
        except filesystem.FilesystemError:
            size -= 4096


def other_app():
    other = boards.load("esp32-c6-devkitc-1").chip
    release = merged.read(synthetic.release(other, app_bytes=100_000), other)
    content = image()
    content[APP.offset : APP.offset + len(release.app)] = release.app
    return content


def stock():
    """Return flash with MicroPython as it is downloaded."""
    content = bytearray(b"\xff" * BOARD.flash_bytes)
    whole = synthetic.release(BOARD.chip, app_bytes=100_000)
    content[: len(whole)] = whole
    return content


RUNNING = ("ok", "configuration refused", "sensor fails", "full")
DEVICE = "4ea987192885"  # of seed 0
MUTE = b"import micropython\nmicropython.kbd_intr(-1)\nwhile True:\n pass\n"
SAID = (
    # (case, flash, scenario, states, said, command)
    ("blank", None, "", ["blank"], "esp32c3 with nothing", f"flash PORT --board {NAME}"),
    (
        "app",
        lambda: torn(image(), APP.offset + 0x8000, 64),
        "",
        ["program damaged"],
        "does not start: its program checksum is",
        f"rescue PORT --board {NAME}",
    ),
    ("wrong", None, 'chip = "esp32c6"\n', ["wrong board"], "has an esp32c6", "doctor PORT"),
    ("stock", stock, "", ["no firmware"], "has MicroPython and no program", f"--board {NAME}"),
    (
        "theirs",
        lambda: image(**dict.fromkeys(set(files()) - {"/main.py"}), **{"/main.py": b"print(1)"}),
        "",
        ["no firmware"],
        "runs another program: MicroPython with a main.py",
        "rescue PORT",
    ),
    ("files", broken_files, "", ["file system broken"], "nothing on it can be reached", "rescue"),
    (
        "mute",
        lambda: image(**{"/main.py": MUTE}),
        "",
        ["silent"],
        "MicroPython is whole, and neither it nor a firmware answers",
        "rescue PORT",
    ),
    (
        "torn",
        lambda: image(**{"/lib/motefw/__init__.mpy": b"M\6", "/boot.py.new": b"#"}),
        "",
        ["firmware damaged"],
        "not as they should be: /lib/motefw/__init__.mpy; brought by half: /boot.py.new",
        "rescue PORT",
    ),
    (
        "keys",
        lambda: image(**{"/keys.json": b"{"}),
        "",
        ["settings damaged"],
        "/keys.json is damaged: no JSON object",
        "rescue PORT",
    ),
    (
        "config",
        lambda: image(**{"/config.json": b"{"}),
        "",
        ["configuration refused"],
        "refuses its configuration: /config.json: no JSON",
        "rescue PORT",
    ),
    ("absent", image, "sensor = []", ["sensor fails"], "sht4x is absent", "sensors scan PORT"),
    ("full", filled, "", ["full"], "its file system is full", "rescue PORT"),
    ("well", image, "", ["ok"], "motefw 0.1.0, 1 sensors", ""),
    (
        "dead",
        None,
        '[[fault]]\nkind = "loader_dead"',
        ["no answer"],
        "neither firmware nor prompt nor the chip's loader answers",
        "hold BOOT",
    ),
)


@pytest.mark.parametrize(
    ("content", "more", "expected", "said", "fix"),
    [case[1:] for case in SAID],
    ids=[case[0] for case in SAID],
)
def test_each_state_is_told_with_what_mends_it(
    chip, monkeypatch, content, more, expected, said, fix
):
    if expected[0] not in RUNNING:  # nobody answers: no need to wait for long
        for name, seconds in (("GREET_S", 1.0), ("LISTEN_S", 2.5), ("PROMPT_S", 2.5)):
            monkeypatch.setattr(f"motekit.rescue.look.{name}", seconds)
        monkeypatch.setattr("motekit.rescue.look.CONNECT_TRIES", 1)
    sensors = "" if "sensor" in more else SHT4X
    virtual = chip(content and content(), CHIP + more + sensors)
    rows = diagnosed(virtual, BOARD)
    assert [row.state for row in rows] == expected, rows
    assert said in rows[0].found
    assert fix.replace("PORT", virtual.serial) in rows[0].fix


class Content:
    """A flash that is read as esptool reads it."""

    def __init__(self, content):
        self._content = bytes(content)

    def read(self, offset, size):
        return self._content[offset : offset + size]


def as_for_two_programs():
    content = image()
    start = partitions.TABLE_OFFSET
    table = partitions.of_board(boards.load("esp32-c6-devkitc-1"))
    content[start : start + partitions.TABLE_BYTES] = partitions.build(table)
    return content


@pytest.mark.parametrize(
    ("content", "expected", "said"),
    [
        (lambda: torn(image(), 0x8000, 0x1000), "flashed by half", "damaged: blank"),
        (lambda: torn(image(), 0x8010, 4), "flashed by half", "its MD5 does not match"),
        (lambda: torn(image(), 0, 0x1000), "program damaged", "its bootloader begins with 0xff"),
        (lambda: torn(image(), 0x2000, 0x1000), "program damaged", "its bootloader checksum is"),
        (lambda: torn(image(), APP.offset, 0x1000), "program damaged", "its program blank"),
        (other_app, "wrong image", "an esp32c3 that was flashed with a program for an esp32c6"),
        (as_for_two_programs, "other program", "with partitions nvs, otadata, phy_init, ota_0"),
        (image, "silent", "MicroPython is whole"),
    ],
)
def test_what_is_in_flash_is_judged_as_the_chip_would(content, expected, said):
    found = Evidence("/dev/ttyUSB0", chip=Chip("esp32c3", DEVICE, BOARD.flash_bytes))
    found.flash = examine(Content(content()), "esp32c3")
    (row,) = states.diagnose(found)
    assert row.state == expected
    assert said in row.found
    assert row.fix.startswith("motekit rescue /dev/ttyUSB0")

"""What is wrong with a board in any state, and what becomes of it: virtual chips, real esptool."""

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from motekit import board as boards
from motekit import unsent
from motekit.flash import filesystem, merged, partitions
from motekit.flasher import flash as flasher
from motekit.flasher.esptool import Chip
from motekit.flasher.job import Job
from motekit.keys import KeyStore
from motekit.prompt import stopped
from motekit.prompt.raw import RawPrompt
from motekit.provision.sparing import Sparing
from motekit.rescue import rescue as rescuer
from motekit.rescue import salvage, settings, states
from motekit.rescue.case import Wishes
from motekit.rescue.evidence import Evidence, Files
from motekit.rescue.look import HEAD_BYTES, beginnings, examine, look, remains
from motekit.sim.loader import synthetic
from motekit.station.reasons import headline
from motekit.store import Store
from motekit.transports.serial import open_port

ROOT_FOLDER = Path(__file__).parents[1]
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
WIFI = json.dumps({"networks": [{"ssid": "site", "password": "canaryword"}]}).encode()
ROOT = bytes(range(32))


@pytest.fixture(scope="module", autouse=True)
def slow_machine(tmp_path_factory):
    """Keep what was written where out of the checkout; a machine may be slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("motekit.flasher.history.HOME", tmp_path_factory.mktemp("flashed"))
        patch.setattr(flasher, "HELLO_S", 60.0)
        patch.setattr(flasher, "BOOT_S", 40.0)
        patch.setattr(rescuer, "START_S", 60.0)
        patch.setattr("motekit.rescue.look.CONNECT_TRIES", 2)
        yield


def key_file(generation):
    return json.dumps(KeyStore.from_root(ROOT).key_file(DEVICE, generation)).encode()


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
    content = image(**{"/keys.json": key_file(3), "/data/note.txt": b"theirs"})
    content[VFS.offset : VFS.offset + 0x2000] = bytes(range(256)) * 32
    return content


def filled():
    """Return flash whose file system has no room left."""
    room = filesystem.build(files(), VFS.size).count(b"\xff" * 4096) * 4096
    while True:
        try:
            return image(**{"/big.bin": bytes(room)})
        except filesystem.FilesystemError:
            room -= 4096


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


RUNNING = ("ok", "configuration refused", "sensor fails")
DEVICE = "4ea987192885"  # of seed 0
MUTE = b"import micropython, time\nmicropython.kbd_intr(-1)\nwhile True:\n time.sleep(1)\n"
SAID = (
    # (case, flash, scenario, states, said, command)
    ("blank", None, "", ["blank"], "esp32c3 with nothing", f"flash PORT --board {NAME}"),
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
    (
        "resets itself",
        lambda: image(**{"/boot.py": b"import machine\nmachine.reset()\n"}),
        "",
        ["starts again and again"],
        "it starts again and again: ",
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
        lambda: image(**{"/config.json": b"nonsense"}),
        "",
        ["configuration refused"],
        "refuses its configuration: /config.json: no JSON",
        "rescue PORT",
    ),
    (
        "bare",
        lambda: image(**{"/config.json": None}),
        "",
        ["no configuration"],
        "runs and has no configuration",
        "rescue PORT",
    ),
    ("absent", image, "sensor = []", ["sensor fails"], "sht4x is absent", "sensors scan PORT"),
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
    if expected[0] not in RUNNING:
        hurry(monkeypatch)
    sensors = "" if "sensor" in more else SHT4X
    virtual = chip(content and content(), CHIP + more + sensors)
    rows = diagnosed(virtual, BOARD)
    assert [row.state for row in rows] == expected, rows
    assert said in rows[0].found
    assert fix.replace("PORT", virtual.serial) in rows[0].fix


def hurry(monkeypatch):
    """Do not wait for long: nobody answers."""
    for name, seconds in (("GREET_S", 1.0), ("LISTEN_S", 4.0), ("PROMPT_S", 8.0)):
        monkeypatch.setattr(f"motekit.rescue.look.{name}", seconds)


@pytest.fixture
def dead(chip, monkeypatch):
    """Return what `chip` does, for what does not say hello."""
    hurry(monkeypatch)
    return chip


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


def with_its_table_elsewhere():
    content = torn(image(), partitions.TABLE_OFFSET, 0x1000)
    table = partitions.build((partitions.Entry("data", partitions.DATA, 0x82, 0x20000, 0x1000),))
    content[0x9000 : 0x9000 + len(table)] = table
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
        (with_its_table_elsewhere, "other program", "with partitions data"),
        (image, "silent", "MicroPython is whole"),
    ],
)
def test_what_is_in_flash_is_judged_as_the_chip_would(content, expected, said):
    found = Evidence("/dev/ttyUSB0", chip=Chip("esp32c3", DEVICE, BOARD.flash_bytes))
    flash = Content(content())
    found.flash = examine(flash, "esp32c3", flash.read(0, HEAD_BYTES))
    (row,) = states.diagnose(found)
    assert row.state == expected
    assert said in row.found
    assert row.fix.startswith("motekit rescue /dev/ttyUSB0")


# Mending.


def kept_of(virtual):
    """Return the files that are on a chip, out of its flash."""
    return filesystem.read(virtual.flash.read(VFS.offset, VFS.size))


def mended(virtual, wishes, **changes):
    report = rescuer.rescue(virtual.serial, replace(wishes, **changes))
    assert (report.error, report.state) == ("", "mended"), report
    assert report.device == virtual.device
    return report


def test_packets_of_a_stopped_firmware_come_out_of_its_ram(dead, wishes):
    virtual = dead(image())
    time.sleep(6)
    with RawPrompt.open(virtual.serial) as prompt:  # as somebody did who then went away
        held = stopped.packets(unsent.queue(prompt))[0]
        prompt.leave()
    rows = diagnosed(virtual)
    assert [row.state for row in rows] == ["firmware stopped"]
    assert "bytes of unsent packets are in its RAM" in rows[0].found
    report = mended(virtual, wishes)
    assert report.packets == len(held) >= 4
    assert wishes.store.epochs(DEVICE)[0].highest == len(held) - 1
    (device,) = wishes.store.summary().devices
    assert device.missing == 0
    assert device.streams[0].samples >= 5
    with RawPrompt.open(virtual.serial) as prompt:
        prompt.leave()
    report = mended(virtual, wishes, store=None)
    assert report.packets > 0
    assert any("motekit collect replay:" in each for each in report.kept)


def test_firmware_that_is_not_whole_is_brought_anew(dead, wishes):
    torn_files = {
        "/lib/motefw/__init__.mpy": b"M\6",
        "/boot.py.new": b"#",
        "/lib/motefw/x.mpy": b"",
    }
    virtual = dead(image(**torn_files))
    report = mended(virtual, wishes)
    assert report.was == ("firmware damaged",)
    there = kept_of(virtual)
    assert there.items() >= files().items()
    assert not {"/boot.py.new", "/lib/motefw/x.mpy"} & there.keys()
    assert (Path(report.folder) / "files/boot.py.new").read_bytes() == b"#"
    again = rescuer.rescue(virtual.serial, wishes)
    assert again.state == "healthy"


def test_damaged_settings_are_made_again(chip, wishes):
    """The keys out of the fleet's, the configuration out of the board file."""
    virtual = chip(image(**{"/keys.json": b"{", "/config.json": b"half"}))
    report = mended(virtual, wishes, key_store=KeyStore.from_root(ROOT))
    there = kept_of(virtual)
    assert there["/keys.json"] == key_file(1)
    assert json.loads(there["/config.json"])["board"] == NAME
    assert there["/mine.txt"] == b"mine"
    assert (Path(report.folder) / "files/config.json").read_bytes() == b"half"
    assert ROOT.hex() not in repr(report)


def test_a_missing_configuration_is_made_from_the_board_file(chip, wishes):
    virtual = chip(image(**{"/config.json": None}))
    report = mended(virtual, wishes)
    assert report.was == ("no configuration",)
    assert json.loads(kept_of(virtual)["/config.json"])["board"] == NAME


def test_a_broken_file_system_is_written_anew_with_what_can_be_found_in_it(dead, wishes):
    virtual = dead(broken_files())
    asked = []
    report = mended(virtual, wishes, ask=lambda text: bool(asked.append(text)) or True)
    assert report.was == ("file system broken",)
    assert "its file system is written anew (saved in" in asked[0]
    there = kept_of(virtual)
    assert json.loads(there["/config.json"])["name"] == "roof"
    assert json.loads(there["/keys.json"])["generation"] == 3
    assert "/mine.txt" not in there
    assert any("all files but" in each for each in report.lost)
    (note,) = Path(report.folder).glob("found/lost+found/*/note.txt")
    assert note.read_bytes() == b"theirs"
    vfs = Path(report.folder) / "vfs.img"
    assert vfs.read_bytes() == broken_files()[VFS.offset : VFS.offset + VFS.size]
    assert vfs.stat().st_mode & 0o077 == Path(report.folder).stat().st_mode & 0o077 == 0


def test_a_flash_that_was_erased_by_half_keeps_the_files_that_are_there(dead, wishes):
    content = torn(image(**{"/wifi.json": WIFI}), 0, APP.offset + APP.size)
    log = next(each for each in BOARD.partitions if each.name == "log")
    content[log.offset + 0x5000] = 0x17
    virtual = dead(content)
    report = mended(virtual, wishes)
    assert report.was == ("erased by half",)
    assert kept_of(virtual).items() >= files(**{"/wifi.json": WIFI}).items()
    assert (Path(report.folder) / "log.img").read_bytes()[0x5000] == 0x17
    assert "canaryword" not in repr(report)


def test_a_board_that_was_erased_by_half_is_not_blank(chip):
    """Its ROM finds no program; that it has files is seen before anything is written."""
    virtual = chip(torn(image(**{"/keys.json": key_file(3)}), 0, 0x20_0000))
    done = flasher.one(virtual.serial, Job(BOARD, RELEASE), spare=Sparing(KeyStore.empty()))
    assert f"a file system at 0x{VFS.offset:x} may hold data; nothing was written" in done.error
    assert f"motekit rescue {virtual.serial} --board {NAME}" in done.error
    assert headline("flash", done.error) == "HAS DATA"
    assert virtual.flash.read(0, VFS.offset).strip(b"\xff") == b""


def test_a_log_is_seen_further_on_too():
    content = torn(image(), 0, BOARD.flash_bytes)
    log = next(each for each in BOARD.partitions if each.name == "log")
    there = beginnings(Chip("esp32c3", DEVICE, 0), None)
    assert remains(Content(content), there) == ""
    content[log.offset + 9] = 0
    assert remains(Content(content), there) == f"a log at 0x{log.offset:x}"
    assert beginnings(Chip("esp32c6", DEVICE, 4 << 20), None) == {}  # no known one is so small


def test_a_program_that_takes_no_interrupt_goes_and_all_else_stays(dead, wishes):
    virtual = dead(image(**{"/main.py": MUTE}))
    report = mended(virtual, wishes)
    assert report.was == ("silent",)
    assert kept_of(virtual).items() >= files().items()
    assert (Path(report.folder) / "files/main.py").read_bytes() == MUTE


def test_a_damaged_program_is_written_again_and_no_file_is_touched(dead, wishes):
    virtual = dead(torn(image(), APP.offset + 0x8000, 64))
    report = mended(virtual, wishes)
    assert report.was == ("program damaged",)
    assert kept_of(virtual)["/mine.txt"] == b"mine"


def test_what_is_not_ours_is_replaced_only_once_that_was_agreed(dead, wishes):
    virtual = dead(image(**{"/main.py": b"print(1)"}))
    before = virtual.flash.written_bytes
    report = rescuer.rescue(virtual.serial, replace(wishes, ask=lambda _: False))
    assert (report.state, report.was) == ("left", ("firmware damaged",))
    assert virtual.flash.written_bytes == before
    report = mended(virtual, wishes)
    assert (Path(report.folder) / "files/main.py").read_bytes() == b"print(1)"
    assert kept_of(virtual)["/mine.txt"] == b"mine"


def test_a_full_file_system_is_given_room_by_what_was_saved(chip, wishes):
    virtual = chip(filled())
    asked = []
    report = mended(virtual, wishes, ask=lambda text: bool(asked.append(text)) or True)
    assert report.was == ("full",)
    assert "its file system is full; /big.bin (" in asked[0]
    assert "will be removed from it (saved in" in asked[0]
    saved = (Path(report.folder) / "files/big.bin").read_bytes()
    assert len(saved) > 500_000
    assert not saved.strip(b"\0")
    assert kept_of(virtual)["/mine.txt"] == b"mine"
    assert report.packets > 0


def test_of_a_full_board_that_runs_it_is_said_what_names_its_files():
    status = {"files_free_bytes": 100}
    rows = states.diagnose(Evidence("/dev/ttyX", status=status), BOARD)
    full = next(row for row in rows if row.state == "full")
    assert "motekit rescue stops it, names the largest and asks" in full.found
    assert full.fix.startswith("motekit rescue /dev/ttyX")


def test_a_port_that_cannot_be_opened_is_told_with_what_to_type(fleet):
    (gone,) = states.diagnose(look("/dev/ttyNOSE"))
    assert (gone.state, gone.fix) == ("no port", "motekit ports")
    port = fleet(f'[[board]]\nboard = "{NAME}"\nsensor = []\n').boards[0].serial
    with open_port(port):
        (busy,) = states.diagnose(look(port))
    assert busy.state == "port in use"
    assert "close it" in busy.found
    found = Evidence("/dev/ttyUSB0", "forbidden", "permission denied")
    (forbidden,) = states.diagnose(found)
    assert forbidden.fix.startswith("sudo usermod -aG ")


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_to_a_file_system_ends_in_anything_but_a_salvage(seed):
    chance = random.Random(seed)
    content = filesystem.build({"/a/one": b"1" * 5000, "/b/two": b"2" * 300}, 0x10000)
    for _ in range(50):
        damaged = bytearray(content)
        for _ in range(chance.randrange(1, 30)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        found = salvage.of_image(bytes(damaged), DEVICE)
        assert found.mounted or found.lost


def test_old_copies_that_say_something_else_are_not_believed():
    old = json.dumps({**CONFIG, "name": "cellar"}).encode()
    new = json.dumps(CONFIG).encode()
    keys = key_file(2)
    blocks = [new, b"{", keys, b'{"board": 7, "buses": {}}', new]
    image = b"".join(each.ljust(4096, b"\xff") for each in blocks)
    found = salvage.scattered(image, DEVICE)
    assert found.keys() == {"/config.json", "/keys.json"}
    assert json.loads(found["/keys.json"]) == json.loads(keys)
    assert salvage.scattered(image + old, DEVICE).keys() == {"/keys.json"}


def test_of_a_damaged_file_system_all_is_read_that_can_be():
    content = filesystem.build({"/a/one": b"1" * 5000, "/b/two": b"2", "/mine": b"m"}, 0x10000)
    found = salvage.of_image(content, DEVICE)
    assert found.whole
    blocks = range(0, 0x10000, 4096)
    (second,) = (at for at in blocks if content[at + 2 : at + 9] == b"\0\0" + b"1" * 5)
    found = salvage.of_image(torn(bytearray(content), second, 4), DEVICE)  # where its first is
    assert found.mounted
    assert found.lost == ("/a/one",)
    assert found.files == {"/b/two": b"2", "/mine": b"m"}
    assert salvage.of_image(b"\xff" * 0x10000, DEVICE).whole


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("/config.json", b"[1]", "no JSON object"),
        (
            "/config.json",
            b'{"board": "x", "sensors": [{"driver": "nose", "bus": "i2c0"}]}',
            "i2c0",
        ),
        ("/keys.json", b'{"generation": 1, "data": "00"}', "data is no key"),
        ("/keys.json", b'{"generation": 0}', "1 to 255 expected"),
        ("/wifi.json", b'{"networks": [{"password": "canaryword"}]}', "ssid"),
        ("/epoch.json", b'{"epoch": -1}', "a number expected"),
        ("/provision.json", b"\xff", "no JSON object"),
    ],
)
def test_settings_that_cannot_be_believed_are_named(name, data, says):
    (why,) = settings.faults({name: data}, DEVICE).values()
    assert says in why
    assert "canaryword" not in why


@pytest.mark.parametrize(
    ("root", "mark", "says"),
    [
        (ROOT, {}, ""),
        (bytes(32), {}, "keys of generation 3"),
        (None, {"unit": "roof", "keys": "5f1a2b3c"}, "3 of key store 5f1a2b3c, as roof"),
        (None, {"unit": ["\x1b[2J"]}, "as ['"),
    ],
)
def test_a_stopped_board_of_another_fleet_is_told_from_ours(root, mark, says):
    read = {"/keys.json": key_file(3), "/provision.json": json.dumps(mark).encode()}
    key_store = KeyStore.from_root(root) if root else KeyStore.empty()
    whose = settings.elsewhere(read, DEVICE, key_store)
    assert says in whose
    assert bool(whose) == bool(says)
    assert "\x1b" not in whose
    names = ("/lib/motefw/app.mpy", "/config.json")
    files = Files(True, free_bytes=1 << 20, names=names, read=read)
    found = Evidence("/dev/ttyX", prompt="waiting", elsewhere=whose, files=files)
    (row,) = states.diagnose(found, BOARD)
    assert row.state == ("keys elsewhere" if says else "firmware stopped")
    assert ("export MOTEKIT_KEYS=FILE" in row.fix) == bool(says)
    assert "motekit rescue /dev/ttyX" in row.fix
    assert settings.elsewhere({}, DEVICE, key_store) == ""
    assert settings.elsewhere({"/keys.json": b"{"}, DEVICE, key_store) == ""


def test_a_driver_that_the_board_alone_has_is_no_fault():
    config = {**CONFIG, "sensors": [{"driver": "nose", "bus": "i2c0"}]}
    read = {"/config.json": json.dumps(config).encode()}
    own = "/lib/motefw/drivers/nose.mpy"
    assert settings.faults(read, DEVICE)
    assert not settings.faults(read, DEVICE, [own])
    assert settings.own_drivers(read, [own, "/lib/motefw/drivers/old.mpy"]) == [own]


def test_the_commands_tell_no_secret_and_mend(chip, tmp_path):
    """doctor, rescue without an answer, rescue, doctor again; as a user types them."""
    fleet_keys = tmp_path / "keys.json"
    KeyStore.from_root(ROOT).save(fleet_keys)
    keys = key_file(2)
    content = {"/keys.json": keys, "/wifi.json": WIFI, "/boot.py": b"x = 1\n", "/main.py": b"\n"}
    virtual = chip(image(**content))
    said = []

    def motekit(*arguments):
        path = os.pathsep.join(str(ROOT_FOLDER / each) for each in ("host", "firmware"))
        environment = {**os.environ, "PYTHONPATH": path, "MOTEKIT_KEYS": str(fleet_keys)}
        done = subprocess.run(
            [sys.executable, "-m", "motekit", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        said.append(done.stdout + done.stderr)
        return done

    done = motekit("doctor", virtual.serial, "--json")
    (row,) = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert (row["state"], row["device"]) == ("firmware damaged", DEVICE)
    assert row["fix"] == f"motekit rescue {virtual.serial}"
    done = motekit("rescue", virtual.serial)
    assert done.returncode == 2
    assert "--yes does without" in done.stderr
    done = motekit("rescue", virtual.serial, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["state"], row["was"], row["left"]) == ("mended", ["firmware damaged"], [])
    done = motekit("doctor", virtual.serial)
    assert done.returncode == 0
    assert kept_of(virtual).items() >= {"/keys.json": keys, "/wifi.json": WIFI}.items()
    secrets = ["canaryword", ROOT.hex(), *(v for v in json.loads(keys).values() if v != 2)]
    assert not [each for each in secrets if each in "".join(said)]

"""The boot ROM of virtual chips: real esptool writes and reads it, and nothing breaks it."""

import hashlib
import os
import pty
import select
import subprocess
import sys
import threading
import tty
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motekit.chips import CHIPS
from motekit.flash import image, merged
from motekit.keys import KeyStore
from motekit.provision.look import over_link
from motekit.sim.loader import slip
from motekit.sim.loader.nor import SECTOR_BYTES, Nor
from motekit.sim.loader.rom import Loader

MAC = bytes.fromhex("a0b1c2d3e4f5")
FLASH_BYTES = 0x40_0000
PROGRAM = hashlib.shake_256(b"program").digest(200_000)


@contextmanager
def served(loader):
    """Give the path of a line at whose end the loader listens."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    ended = threading.Event()

    def serve():
        while not ended.is_set():
            if select.select([master], [], [], 0.05)[0]:
                out = memoryview(loader.feed(os.read(master, 65536)))
                while out:
                    out = out[os.write(master, out) :]

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        ended.set()
        thread.join()
        os.close(master)
        os.close(slave)


def esptool(port, *arguments):
    argv = [sys.executable, "-m", "esptool", "--port", port, "--before", "no-reset"]
    argv += ["--after", "no-reset", "--baud", "460800", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def release(chip):
    boot = image.build(chip.name, 1, [(2, PROGRAM[:5000])])
    return merged.build(chip, boot, image.build(chip.name, 1, [(2, PROGRAM)]))


@pytest.mark.parametrize("stub", [(), ("--no-stub",)], ids=["stub", "rom"])
@pytest.mark.parametrize("name", sorted(CHIPS))
def test_esptool_writes_verifies_and_reads(name, stub, tmp_path):
    chip = CHIPS[name]
    flash = Nor(tmp_path / "flash", FLASH_BYTES)
    loader = Loader(chip, MAC, flash)
    made = release(chip)
    (tmp_path / "image").write_bytes(made)
    start = chip.bootloader_offset
    with served(loader) as port:
        done = esptool(port, *stub, "write-flash", hex(start), tmp_path / "image")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "a0:b1:c2:d3:e4:f5" in done.stdout
        assert "Hash of data verified" in done.stdout
        if not stub or name != "esp32":  # esptool leaves that ROM's baud alone
            assert loader.baud == 460_800
        assert flash.read(start, len(made)) == made
        loader = Loader(chip, MAC, flash)
    with served(loader) as port:
        done = esptool(port, *stub, "read-flash", "0x7000", "0x2500", tmp_path / "read")
        assert done.returncode == 0, done.stdout + done.stderr
        assert (tmp_path / "read").read_bytes() == flash.read(0x7000, 0x2500)


def test_esptool_names_the_chip_and_its_flash(tmp_path):
    loader = Loader(CHIPS["esp32s3"], MAC, Nor(tmp_path / "flash", 0x80_0000))
    with served(loader) as port:
        said = esptool(port, "flash-id").stdout
    assert "ESP32-S3" in said
    assert "8MB" in said


def test_a_wrong_md5_is_noticed_by_esptool(tmp_path):
    flash = Nor(tmp_path / "flash", FLASH_BYTES)
    loader = Loader(CHIPS["esp32c3"], MAC, flash)
    flash.program(0x1_0800, bytes(8))  # and no erase: bits that do not come back
    flash.erase = lambda *_: None
    (tmp_path / "image").write_bytes(PROGRAM)
    with served(loader) as port:
        done = esptool(port, "write-flash", "0x10000", tmp_path / "image")
    assert done.returncode != 0
    assert "MD5" in done.stdout + done.stderr


def test_a_protected_flash_refuses(tmp_path):
    flash = Nor(tmp_path / "flash", FLASH_BYTES)

    def veto(_offset, _size):
        raise OSError("write protected")

    flash.veto = veto
    (tmp_path / "image").write_bytes(b"x" * 1000)
    with served(Loader(CHIPS["esp32c3"], MAC, flash)) as port:
        done = esptool(port, "write-flash", "0x10000", tmp_path / "image")
    assert done.returncode != 0
    assert flash.read(0x1_0000, 1000) == b"\xff" * 1000


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.integers(1, 50))
def test_frames_come_back_however_they_are_cut(frames, piece):
    line = b"noise" + b"".join(slip.encode(each) for each in frames)
    decoder = slip.Decoder()
    found = []
    for at in range(0, len(line), piece):
        found += decoder.feed(line[at : at + piece])
    assert found == frames


@given(st.lists(st.binary(max_size=400), max_size=20))
def test_whatever_comes_is_survived(tmp_path_factory, pieces):
    folder = tmp_path_factory.getbasetemp() / "survived"
    folder.mkdir(exist_ok=True)
    loader = Loader(CHIPS["esp32c3"], MAC, Nor(folder / "flash", SECTOR_BYTES * 4))
    for each in pieces:
        loader.feed(each)
        loader.feed(slip.encode(b"\0" + each))
    assert (folder / "flash").stat().st_size == SECTOR_BYTES * 4


COMMANDS = (
    (0x02, (0x1000, 1, 0x400, SECTOR_BYTES * 3 + 1)),  # ends outside of the flash
    (0x02, (0xFFFF_FFFF, 1, 0x400, 0)),
    (0x10, (SECTOR_BYTES * 5, 1, 0x400, 0)),
    (0x13, (0, SECTOR_BYTES * 5, 0, 0)),
    (0x0E, (0, 65)),
    (0x0F, (1, 0)),
    (0xD0, ()),  # the stub's alone
    (0x77, ()),
)


@pytest.mark.parametrize(("op", "words"), COMMANDS)
def test_a_command_that_cannot_be_is_refused(op, words, tmp_path):
    flash = Nor(tmp_path / "flash", SECTOR_BYTES * 4)
    loader = Loader(CHIPS["esp32"], MAC, flash)
    data = b"".join(each.to_bytes(4, "little") for each in words)
    frame = bytes((0, op)) + len(data).to_bytes(2, "little") + bytes(4) + data
    (reply,) = slip.Decoder().feed(loader.feed(slip.encode(frame)))
    assert reply[:2] == bytes((1, op))
    assert reply[8] == 1
    assert flash.written_bytes == 0


def test_flash_is_nor(tmp_path):
    flash = Nor(tmp_path / "flash", SECTOR_BYTES * 2)
    flash.program(100, b"\x0f")
    flash.program(100, b"\xf1")
    assert flash.read(99, 3) == b"\xff\x01\xff"
    flash.erase(4000, 200)
    assert flash.read(0, SECTOR_BYTES * 2) == b"\xff" * SECTOR_BYTES * 2
    with pytest.raises(ValueError, match="flash: 2 bytes at"):
        flash.program(SECTOR_BYTES * 2 - 1, b"ab")


def test_a_chip_whose_flash_was_wiped_starts_nothing_when_its_power_comes_back(fleet):
    blank = '[[board]]\nboard = "esp32-c3-devkitm-1"\nflash = "blank"\n'
    virtual = fleet(blank).boards[0]
    virtual.flash.program(0, b"\0")
    wiped = threading.Event()
    virtual._loop.call_soon_threadsafe(lambda: (virtual.wipe(), wiped.set()))
    assert wiped.wait(60)
    found = over_link(virtual.serial, KeyStore.empty(), lambda: False, 60, known=True)
    assert found.blank
    assert virtual.counts.starts == 0
    assert not virtual.flash.read(0, virtual.flash.size_bytes).strip(b"\xff")

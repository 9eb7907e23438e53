"""A disk that is full or may not be written: path, reason and what to try, in one line."""

import errno
import os
import shutil

import pytest

from motekit import board, bundle, disk, firmware
from motekit.errors import MotekitError
from motekit.sim import fleet, image, scenario

PLAN = """
clock = "virtual"
[[board]]
board = "esp32-c3-devkitm-1"
"""


@pytest.fixture
def full(monkeypatch):
    """Let each file that is copied meet a full disk."""

    def copy(*_args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", copy)
    monkeypatch.setattr(image, "copy", copy)


def test_firmware_on_a_full_disk(full, tmp_path):
    with pytest.raises(MotekitError) as caught:
        bundle.write(board.load("esp32-devkitc"), tmp_path / "roof")
    said = f"{tmp_path / 'roof'}: the disk is full; make room, or name a folder elsewhere"
    assert str(caught.value) == f"{said} with --out"


def test_boards_flash_on_a_full_disk(full, tmp_path):
    (tmp_path / "s.toml").write_text(PLAN)
    plan = scenario.load(tmp_path / "s.toml")
    with (
        pytest.raises(MotekitError, match=r"kept: the disk is full; make room, or .*--keep"),
        fleet.running(plan, folder=tmp_path / "kept"),
    ):
        pass


def test_compiled_firmware_on_a_full_disk(monkeypatch, tmp_path):
    """Its folder is named, which can be on another disk than the one that boards live on."""

    def make(*_args, **_more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "new.py").write_text("")
    monkeypatch.setattr(firmware.places, "made", lambda: tmp_path / "cache")
    monkeypatch.setattr(firmware.tempfile, "TemporaryDirectory", make)
    with (
        pytest.raises(MotekitError, match=r"cache/mpy: the disk is full; .* remove what is in it"),
        disk.writing(tmp_path / "elsewhere", "name another"),
    ):
        firmware.compiled_tree({"new.py": tmp_path / "new.py"})


def test_what_may_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MotekitError) as caught:
        bundle.write(board.load("esp32-devkitc"), tmp_path / "file" / "roof")
    assert str(caught.value).startswith(f"{tmp_path / 'file' / 'roof'}: cannot be written (Not a")


def test_other_errors_pass():
    with pytest.raises(ValueError, match="mine"), disk.writing("x", "y"):
        raise ValueError("mine")

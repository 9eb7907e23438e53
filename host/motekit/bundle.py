"""All files of a board in one folder, as on its flash: firmware, start files, configuration."""

import json
import shutil
from pathlib import Path

from motekit import disk, firmware, resources
from motekit.board import Board
from motekit.config import device_config
from motekit.errors import UsageError

START_FILES = ("boot.py", "main.py")
_ELSEWHERE = "name a folder elsewhere with --out"
CHIP_MARCHES = ("xtensawin", "rv32imc")  # ESP32 and ESP32-S3; ESP32-C3 and ESP32-C6


def write(board: Board, folder: Path) -> list[Path]:
    """Fill a new or empty folder with what goes onto a board; return the files, relative to it."""
    settings = json.dumps(device_config(board), indent=1)
    with disk.writing(folder, _ELSEWHERE):
        _make_room(folder)
        firmware.compile_to(folder, board.chip.march)
        for name in START_FILES:
            shutil.copyfile(resources.start_file(name), folder / name)
        (folder / "config.json").write_text(settings + "\n", "utf-8")
    return _files(folder)


def files(board: Board) -> dict[str, bytes]:
    """Return the program of a board, by the path that each file has there."""
    return files_for(board.chip.march)


def files_for(march: str) -> dict[str, bytes]:
    """Return the program of boards of an architecture, by the path that each file has there."""
    home = firmware.for_board(march)
    found = {f"/lib/{p.relative_to(home)}": p.read_bytes() for p in home.rglob("*.mpy")}
    start = {f"/{name}": resources.start_file(name).read_bytes() for name in START_FILES}
    return {**found, **start}


def compile_all(folder: Path, host_march: str | None) -> dict[str, list[Path]]:
    """Compile every module for all chips and for this machine's VM: folder/<march>/motefw."""
    made: dict[str, list[Path]] = {}
    for march in dict.fromkeys((*CHIP_MARCHES, host_march)):
        name = march or "bytecode"
        with disk.writing(folder, _ELSEWHERE):
            _make_room(folder / name)
            made[name] = _files(firmware.compile_to(folder / name, march))
    return made


def _make_room(folder: Path) -> None:
    """Empty a folder of earlier output; a folder with anything else in it is left alone."""
    ours = {*_OURS, *(Path(name).with_suffix(".mpy").name for name in resources.own)}
    if folder.exists():
        strange = [p.name for p in folder.iterdir() if p.name not in ours]
        if strange:
            raise UsageError(f"{folder}: is not empty: {strange[0]}; name another folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


_OURS = ("motefw", "config.json", *START_FILES)


def _files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())

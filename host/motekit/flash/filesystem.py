"""The board's file system, littlefs, made and read on the host.

The geometry is that of MicroPython's ESP32 port: blocks of 4 KiB, reads and writes of 32 bytes,
cache of 128, lookahead of 32 (`ports/esp32/modules/inisetup.py`, `extmod/vfs_lfsx.c`).
"""

import importlib
from pathlib import PurePosixPath
from typing import Any

from motekit.errors import MotekitError

BLOCK_BYTES = 4096
_FOLDER = 2  # LFS_TYPE_DIR
_GEOMETRY = {"read_size": 32, "prog_size": 32, "cache_size": 128, "lookahead_size": 32}
_DISK_VERSION = 0x0002_0000  # 2.0: what every MicroPython with littlefs 2 mounts


class FilesystemError(MotekitError):
    """A file system that cannot be made or mounted."""


def build(files: dict[str, bytes], size_bytes: int) -> bytes:
    """Return a littlefs of size_bytes that holds the files, by absolute path.

    Raises FilesystemError when they do not fit.
    """
    system = _littlefs(size_bytes)
    faults = _faults()
    for name, data in sorted(files.items()):
        try:
            system.makedirs(str(PurePosixPath(name).parent), exist_ok=True)
            with system.open(name, "wb") as f:
                f.write(data)
        except faults as e:
            total = sum(map(len, files.values()))
            raise FilesystemError(
                f"{name}: {len(files)} files of {total:,} bytes do not fit into {size_bytes:,}"
                f" bytes of littlefs ({e})"
            ) from e
    return bytes(system.context.buffer)


def read(image: bytes, where: str = "file system") -> dict[str, bytes]:
    """Return all files of a littlefs, by absolute path; FilesystemError if it does not mount."""
    faults = _faults()
    try:
        system = _littlefs(len(image), image)
        found: dict[str, bytes] = {}
        for folder, _, names in system.walk("/"):
            for name in names:
                path = str(PurePosixPath(folder) / name)
                with system.open(path, "rb") as f:
                    found[path] = f.read()
    except faults as e:
        raise FilesystemError(f"{where}: no littlefs that mounts ({e})") from e
    return found


def salvage(image: bytes) -> tuple[dict[str, bytes], list[str]]:
    """Return (files, what could not be read) of a littlefs that may be damaged.

    FilesystemError if it does not mount at all.
    """
    faults = _faults()
    try:
        system = _littlefs(len(image), image)
    except faults as e:
        raise FilesystemError(f"no littlefs that mounts ({e})") from e
    found: dict[str, bytes] = {}
    lost: list[str] = []
    folders = ["/"]
    while folders:
        folder = folders.pop()
        try:
            entries = list(system.scandir(folder))
        except faults:
            lost.append(folder)
            continue
        for entry in entries:
            path = str(PurePosixPath(folder) / entry.name)
            if entry.type == _FOLDER:
                folders.append(path)
                continue
            try:
                with system.open(path, "rb") as f:
                    found[path] = f.read()
            except faults:
                lost.append(path)
    return found, lost


def _littlefs(size_bytes: int, image: bytes | None = None) -> Any:
    """Return a mounted file system, a new one unless an image is given."""
    system = _library("littlefs").LittleFS(
        block_size=BLOCK_BYTES,
        block_count=size_bytes // BLOCK_BYTES,
        disk_version=_DISK_VERSION if image is None else 0,  # 0: whatever is there
        mount=False,
        **_GEOMETRY,
    )
    system.context.buffer[:] = image or b"\xff" * size_bytes
    if image is None:
        system.format()
    system.mount()
    return system


def _faults() -> tuple[type[Exception], ...]:
    """Return what comes of a file system that is full, or damaged: names need not be text."""
    return _library("littlefs.errors").LittleFSError, OSError, ValueError


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)  # it carries no types
    except ImportError as e:
        raise FilesystemError(
            "littlefs-python is missing: pip install 'motekit[flash]' brings it"
        ) from e

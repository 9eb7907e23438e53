"""Backups as files: JSON that can be read, with a version and a checksum over all of it.

    {"motekit_backup": 1, "device", "name", "board", "firmware", "at", "networks": [ssid..],
     "secrets": false,
     "files": {"/config.json": {"json": {..}}, "/table.csv": {"text": ".."},
               "/table.bin": {"base64": ".."}},
     "sha256": of the rest, as JSON with sorted keys and no blanks}

With secrets it holds keys and passwords, and is for its owner alone. What counts up on a board is
never in it: an epoch that came back would name new packets like old ones. A file that is damaged
in any place is refused as a whole.
"""

import base64
import binascii
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from motekit import disk
from motekit.errors import UsageError

VERSION = 1
CONFIG, KEYS, WIFI = "/config.json", "/keys.json", "/wifi.json"
JSON_FILES = (CONFIG, KEYS, WIFI)
SECRET = (KEYS, WIFI)
FILES_MAX = 64
FILE_MAX_BYTES = 1 << 20
_SIZE_MAX = 32 * FILE_MAX_BYTES  # as much as flashes have, in base64
_NAME_CHARS = 64
_NAME = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9_. -]*)+")
_RUNNING = re.compile(r"/(epoch|provision|record|trial)\.json|/(boot|main)\.py|/config\.\w+")
_OURS = ("/lib/motefw/", "/motefw/")
_LITTER = (".new", ".try", ".old")
_FIELDS = {
    "motekit_backup": int,
    "device": str,
    "name": str,
    "board": str,
    "firmware": str,
    "at": str,
    "networks": list,
    "secrets": bool,
    "files": dict,
    "sha256": str,
}


class BackupError(UsageError):
    """A file that is no backup, or not a whole one."""


@dataclass(frozen=True)
class Backup:
    """What a board had; `files` by their paths there, `networks` the names alone."""

    device: str
    name: str
    board: str
    firmware: str
    at: str
    files: Mapping[str, bytes] = field(repr=False)
    networks: tuple[str, ...] = ()

    @property
    def secrets(self) -> bool:
        """Tell whether there are keys or passwords in it."""
        return any(name in self.files for name in SECRET)

    @property
    def config(self) -> dict[str, Any]:
        """Return the board's configuration, empty if it is none."""
        value = parsed(self.files.get(CONFIG, b""))
        return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def parsed(data: bytes | None) -> object:
    """Return what JSON stands for, None if it is none."""
    try:
        return json.loads(data or b"")
    except (ValueError, RecursionError):
        return None


def dumped(value: object) -> bytes:
    """Return JSON as boards have it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def is_users(name: str) -> bool:
    """Tell whether a file on a board is neither ours nor what the firmware keeps for itself."""
    return not (
        name.startswith(_OURS)
        or name.endswith(_LITTER)
        or name in JSON_FILES
        or _RUNNING.fullmatch(name)
    )


def save(path: Path, backup: Backup) -> None:
    """Write a backup whole, for its owner alone if it has secrets; MotekitError if it cannot be.

    Another file than an older backup of the same board is never overwritten, nor is one with
    secrets by one without.
    """
    if path.exists():
        there = load(path)
        if there.device != backup.device:
            raise BackupError(f"{path}: is a backup of {there.device} already; name another file")
        if there.secrets and not backup.secrets:
            raise BackupError(
                f"{path}: has keys and passwords of {there.device}, which this one would not;"
                " name another file, or add --secrets"
            )
    document: dict[str, object] = {
        "motekit_backup": VERSION,
        "device": backup.device,
        "name": backup.name,
        "board": backup.board,
        "firmware": backup.firmware,
        "at": backup.at,
        "networks": list(backup.networks),
        "secrets": backup.secrets,
        "files": {name: _packed(name, data) for name, data in backup.files.items()},
    }
    document["sha256"] = _checksum(document)
    data = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    if len(data) > _SIZE_MAX:
        raise BackupError(
            f"{path}: would have {len(data):,} bytes, at most {_SIZE_MAX:,} can be; without"
            " --files, only what is configured is saved"
        )
    with disk.writing(path, "name another file"):
        disk.replace(path, data, private=backup.secrets)


def load(path: Path) -> Backup:
    """Read a backup; BackupError for one that is damaged, too new, or open to others."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(_SIZE_MAX + 1)
    except OSError as e:
        raise BackupError(f"{path}: cannot be read: {e.strerror or e}") from None
    document = _document(path, data)
    checksum = document.pop("sha256")
    if checksum != _checksum(document):
        raise BackupError(f"{path}: is damaged: its checksum is another; nothing of it is used")
    files = _files(path, document["files"])
    backup = Backup(
        document["device"],
        document["name"],
        document["board"],
        document["firmware"],
        document["at"],
        files,
        tuple(str(each) for each in document["networks"]),
    )
    if not re.fullmatch(r"[0-9a-f]{12}", backup.device):
        raise BackupError(f"{path}: device is {backup.device[:40]!r}, 12 hex digits expected")
    if backup.secrets and os.name == "posix" and status.st_mode & 0o077:
        raise BackupError(
            f"{path}: has keys and passwords, and can be read by others; chmod 600 {path}"
        )
    return backup


def _document(path: Path, data: bytes) -> dict[str, Any]:
    """Return the object of a file, its fields of the right types."""
    try:
        document: Any = json.loads(data) if len(data) <= _SIZE_MAX else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or "motekit_backup" not in document:
        raise BackupError(f"{path}: is no backup, or a damaged one; nothing of it is used")
    fields = cast("dict[str, Any]", document)
    version = fields["motekit_backup"]
    if version != VERSION:
        raise BackupError(
            f"{path}: is a backup of version {version!r:.20}, this motekit knows {VERSION};"
            " `pip install --upgrade motekit` brings one that knows it"
        )
    for name, kind in _FIELDS.items():
        if type(fields.get(name)) is not kind:
            raise BackupError(f"{path}: {name} is not of type {kind.__name__}; it is damaged")
    if unknown := sorted(set(fields) - set(_FIELDS)):
        raise BackupError(f"{path}: unknown key {unknown[0]!r:.40}")
    return fields


def _files(path: Path, entries: Mapping[str, Any]) -> dict[str, bytes]:
    if len(entries) > FILES_MAX:
        raise BackupError(f"{path}: {len(entries)} files, at most {FILES_MAX} expected")
    found: dict[str, bytes] = {}
    for name, entry in entries.items():
        data = _unpacked(name, entry)
        fits = name in JSON_FILES or (is_users(name) and is_name(name))
        if data is None or not fits or len(data) > FILE_MAX_BYTES:
            raise BackupError(f"{path}: {name[:80]!r} is no file that a backup has")
        found[name] = data
    return found


def is_name(name: str) -> bool:
    """Tell whether a backup can have a file of this name."""
    return len(name) <= _NAME_CHARS and _NAME.fullmatch(name) is not None


def _packed(name: str, data: bytes) -> dict[str, object]:
    value = parsed(data) if name in JSON_FILES else None
    try:
        if isinstance(value, dict) and dumped(cast("object", value)):
            return {"json": value}
    except UnicodeEncodeError:
        pass  # half a character in it: kept as the text that it is
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _unpacked(name: str, entry: object) -> bytes | None:
    """Return a file's bytes, None if they cannot be."""
    if not isinstance(entry, dict) or len(cast("dict[str, object]", entry)) != 1:
        return None
    ((kind, value),) = cast("dict[str, object]", entry).items()
    if kind == "json" and name in JSON_FILES and isinstance(value, dict):
        return dumped(cast("object", value))
    if not isinstance(value, str):
        return None
    try:
        if kind == "base64":
            return base64.b64decode(value, validate=True)
        return value.encode() if kind == "text" else None
    except (binascii.Error, UnicodeEncodeError):
        return None


def _checksum(document: Mapping[str, object]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()

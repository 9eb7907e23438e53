"""Which MicroPython image a release is: where it lies, how long it is, what its SHA-256 is.

A manifest is made by who has fetched and checked the images (`motekit firmware refresh`); none is
shipped. It can be kept with a project, so that all who flash from it write the same bytes:

    {"version": 1, "images": [{"build": "ESP32_GENERIC_C3", "release": "1.28.0",
                               "url": "...", "size": 1700000, "sha256": "..."}]}
"""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import platformdirs

from motekit import disk
from motekit.chips import Chip
from motekit.errors import UsageError

VERSION = 1
SIZE_MAX_BYTES = 32 << 20
RELEASE = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}(\.[0-9]{1,4})?(-preview\.[0-9]{1,6})?")
_URL = re.compile(r"https?://[!-~]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REFRESH = "`motekit firmware refresh` makes one; `--image FILE` does without"


class ManifestError(UsageError):
    """A manifest that is missing, malformed, or has no such image."""


@dataclass(frozen=True)
class Entry:
    """One image."""

    build: str
    release: str
    url: str
    size: int
    sha256: str


def default_path() -> Path:
    """Return `$MOTEKIT_MANIFEST`, or the place in the user's configuration folder."""
    named = os.environ.get("MOTEKIT_MANIFEST")
    return Path(named) if named else platformdirs.user_config_path("motekit") / "images.json"


def load(path: Path) -> tuple[Entry, ...]:
    """Return the entries of a manifest; raise ManifestError that names what is wrong."""
    try:
        found: Any = json.loads(path.read_bytes())
    except OSError as e:
        raise ManifestError(f"{path}: {e.strerror or e}; {_REFRESH}") from e
    except (ValueError, RecursionError) as e:
        raise ManifestError(f"{path}: no JSON ({e}); {_REFRESH}") from e
    table = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if table.get("version") != VERSION or not isinstance(table.get("images"), list):
        raise ManifestError(f"{path}: no manifest of version {VERSION}; {_REFRESH}")
    rows = cast("list[Any]", table["images"])
    return tuple(_entry(row, f"{path}: images[{i}]") for i, row in enumerate(rows))


def save(path: Path, entries: tuple[Entry, ...]) -> None:
    """Write a manifest whole, or leave the old one."""
    rows = [asdict(each) for each in sorted(entries, key=lambda each: (each.build, each.release))]
    text = json.dumps({"version": VERSION, "images": rows}, indent=1) + "\n"
    with disk.writing(path.parent, "name another place with --manifest"):
        disk.replace(path, text.encode(), private=False)


def find(entries: tuple[Entry, ...], chip: Chip, release: str | None, path: Path) -> Entry:
    """Return a chip's image of a release, the newest if None; ManifestError if there is none."""
    have = [each for each in entries if each.build == chip.micropython]
    chosen = [each for each in have if release in (None, each.release)]
    if not chosen:
        known = ", ".join(sorted(each.release for each in have)) or "none"
        raise ManifestError(
            f"{path}: no {chip.micropython} {release or 'at all'}, it has: {known};"
            f" try: motekit firmware refresh --release {release or '1.28.0'}"
        )
    return max(chosen, key=lambda each: order(each.release))


def order(release: str) -> tuple[int, ...]:
    """Return what releases are sorted by; a preview comes before its release."""
    number, _, preview = release.partition("-preview.")
    parts = [int(each) for each in number.split(".")]
    return (*parts, *(0 for _ in range(3 - len(parts))), int(preview) if preview else 1 << 30)


def _entry(row: object, where: str) -> Entry:
    """Return a row of a manifest, each field checked."""
    if not isinstance(row, dict):
        raise ManifestError(f"{where}: {row!r}, an object expected")
    fields = cast("dict[str, Any]", row)
    for name, pattern in (
        ("build", re.compile(r"[A-Z0-9_]{1,64}")),
        ("release", RELEASE),
        ("url", _URL),
        ("sha256", _SHA256),
    ):
        value = fields.get(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ManifestError(f"{where}.{name}: {value!r}, {pattern.pattern} expected")
    size = fields.get("size")
    if type(size) is not int or not 0 < size <= SIZE_MAX_BYTES:
        raise ManifestError(f"{where}.size: {size!r}, 1 to {SIZE_MAX_BYTES} expected")
    return Entry(fields["build"], fields["release"], fields["url"], size, fields["sha256"])

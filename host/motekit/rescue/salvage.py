"""What can be had of a board's file system: all of it, or of a broken one what is still to read.

A littlefs whose first blocks are gone does not mount, but a small file lies in one piece in a
block of its own, or within its folder's. So settings are looked for by what they look like. Old
copies look alike: one is believed only if all that are sane say the same.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, cast

from motefw.errors import ConfigError
from motekit.flash import filesystem
from motekit.flash.filesystem import FilesystemError
from motekit.rescue import fragments, settings

_OBJECT = re.compile(rb'\{"[a-z]')
_MARKS = (
    # (file, keys that it has and no other object of a board)
    (settings.KEYS, {"generation", "data", "ack"}),
    (settings.CONFIG, {"board", "buses"}),
    (settings.WIFI, {"networks"}),
    (settings.PROVISION, {"plan", "unit"}),
)


@dataclass(frozen=True)
class Salvage:
    """Files by absolute path; `lost` says what could not be had, `whole` if nothing was.

    `pieces` are files out of what does not mount: theirs who look at them, not the board's.
    """

    files: dict[str, bytes] = field(repr=False)
    lost: tuple[str, ...]
    mounted: bool
    pieces: dict[str, bytes] = field(default_factory=dict[str, bytes], repr=False)

    @property
    def whole(self) -> bool:
        """Tell whether all was read."""
        return self.mounted and not self.lost


def of_image(image: bytes, device: str) -> Salvage:
    """Return what a partition `vfs` holds, whatever state it is in."""
    if not image.strip(b"\xff"):
        return Salvage({}, (), mounted=True)
    try:
        files, lost = filesystem.salvage(image)
    except FilesystemError as e:
        found = scattered(image, device)
        why = f"all files but {', '.join(found)}" if found else "all files"
        pieces = fragments.of_image(image)
        return Salvage(found, (f"{why}: {e}",), mounted=False, pieces=pieces)
    return Salvage(files, tuple(lost), mounted=True)


def scattered(image: bytes, device: str) -> dict[str, bytes]:
    """Return the settings that lie somewhere in an image and that nothing contradicts."""
    candidates: dict[str, dict[str, bytes]] = {}
    for found in _OBJECT.finditer(image):
        text = image[found.start() : found.start() + settings.MAX_BYTES].decode("latin-1")
        try:
            value: Any = json.JSONDecoder().raw_decode(text)[0]
        except (ValueError, RecursionError):
            continue
        name = _name(cast("dict[str, Any]", value))
        if name is None:
            continue
        data = json.dumps(value, sort_keys=True).encode()
        try:
            settings.check(name, data, device)
        except (settings.DamagedError, ConfigError):
            continue
        candidates.setdefault(name, {})[data.decode()] = data
    agreed = {name: found for name, found in candidates.items() if len(found) == 1}
    return {name: next(iter(found.values())) for name, found in agreed.items()}


def _name(value: dict[str, Any]) -> str | None:
    for name, marks in _MARKS:
        if marks <= value.keys():
            return name
    return None

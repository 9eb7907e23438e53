"""What was written to which chip, by its MAC: so that the next time only what differs is.

It is never believed: what is on the chip is compared by hash; a wrong history costs time alone.
"""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any, cast

from motekit import disk, places
from motekit.flash.merged import Region

HOME: Path | None = None  # another place than that for what can be made again
CONTENTS_MAX = 64


def _home() -> Path:
    return HOME or places.made() / "flashed"


def load(mac: str) -> dict[str, Path]:
    """Return what is thought to be in a chip's flash: region's name to a file of its content."""
    try:
        found: Any = json.loads((_home() / f"{mac}.json").read_text("utf-8"))
        rows = cast("dict[str, Any]", found["regions"])
        kept = {name: _home() / f"{digest}.bin" for name, digest in rows.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {name: path for name, path in kept.items() if path.is_file()}


def save(mac: str, regions: tuple[Region, ...]) -> None:
    """Keep what a chip holds now; a disk that is full does not keep a board from being flashed."""
    digests: dict[str, str] = {}
    with contextlib.suppress(OSError):
        _home().mkdir(parents=True, exist_ok=True)
        for region in regions:
            digest = hashlib.sha256(region.data).hexdigest()
            path = _home() / f"{digest}.bin"
            if not path.exists():
                disk.replace(path, region.data)
            digests[region.name] = digest
        disk.replace(_home() / f"{mac}.json", json.dumps({"regions": digests}).encode())
        _tidy()


def _tidy() -> None:
    """Remove contents that no chip is thought to hold any more, once there are many."""
    contents = list(_home().glob("*.bin"))
    if len(contents) <= CONTENTS_MAX:
        return
    told = "".join(each.read_text("utf-8") for each in _home().glob("*.json"))
    for each in contents:
        if each.stem not in told:
            each.unlink(missing_ok=True)

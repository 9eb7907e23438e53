"""One change to a plan's file: another board's id in a row; all else stays as it is written."""

import re
import tomllib
from pathlib import Path
from typing import cast

from motekit import disk
from motekit import plan as plans
from motekit.errors import MotekitError
from motekit.plan import Plan

_ID = re.compile(rb"(?<![0-9A-Fa-f])[0-9A-Fa-f]{2}(?:[:-]?[0-9A-Fa-f]{2}){5}(?![0-9A-Fa-f])")


class PlanEditError(MotekitError):
    """A plan's file that its owner has to change."""


def put_id(path: Path, old: str, new: str, wanted: Plan) -> Path:
    """Put a board's id in the place of another's, so that the file says what is wanted.

    Return the file that was changed. Raises PlanEditError, with all left as it was, where the id
    does not stand there just once, or the plan would be another one then.
    """
    places = [
        (each, match)
        for each in _files(path)
        for match in _ID.finditer(each.read_bytes())
        if re.sub(rb"[:-]", b"", match[0]).lower() == old.encode()
    ]
    if len(places) != 1:
        raise PlanEditError(
            f"{path}: {old} stands there {len(places)} times; put {new} in its place by hand"
        )
    ((file, match),) = places
    before = file.read_bytes()
    after = before[: match.start()] + new.encode() + before[match.end() :]
    try:
        right = plans.load(path, {file: after}) == wanted
    except MotekitError:
        right = False
    if not right:
        raise PlanEditError(f"{file}: {old} there is no board's id; put {new} in by hand")
    _write(file, after)
    return file


def _files(path: Path) -> list[Path]:
    """Return the files that a plan is written in."""
    if path.suffix.lower() == ".csv":
        return [path]
    devices = cast("object", tomllib.loads(path.read_text("utf-8")).get("devices"))
    return [path, path.parent / devices] if isinstance(devices, str) else [path]


def _write(path: Path, data: bytes) -> None:
    """Put new content in the place of the old one, whole, for the same readers."""
    mode = path.stat().st_mode & 0o7777
    disk.replace(path, data)
    path.chmod(mode)

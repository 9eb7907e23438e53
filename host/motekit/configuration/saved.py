"""A plan that was shown, kept in a file: what is applied later is just that, or nothing.

JSON: for each board its id, the configuration that it had and the one that it shall have. Wi-Fi is
not part of it, as its passwords would lie in the file.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from motekit import disk
from motekit.errors import LinkError, MotekitError
from motekit.hello import Hello

from .diff import changes
from .outcome import Outcome, Target, Wanted
from .paths import Config

SUFFIX = ".plan"
FORMAT = "motekit config plan 1"
FILE_MAX_BYTES = 16 << 20
_SAID = 3  # changes at most, in an error
_BOARD = {"device": str, "name": str, "was": dict, "shall": dict}


class SavedError(MotekitError):
    """A file that is no saved plan."""


@dataclass(frozen=True)
class Board:
    """What one board had when the plan was made, and shall have."""

    device: str
    name: str
    was: Config
    shall: Config


def save(path: Path, done: Sequence[Outcome]) -> None:
    """Write a plan as it was shown; MotekitError where that cannot be."""
    boards = [
        {"device": each.device, "name": each.name, "was": each.was, "shall": each.shall}
        for each in done
    ]
    text = json.dumps({"format": FORMAT, "boards": boards}, ensure_ascii=False, indent=1)
    with disk.writing(path, "name another file with --out"):
        disk.replace(path, text.encode() + b"\n")


def load(path: Path) -> dict[str, Board]:
    """Return the boards of a saved plan, by id; SavedError says where it is none."""
    try:
        if path.stat().st_size > FILE_MAX_BYTES:
            raise SavedError(f"{path}: {path.stat().st_size:,} bytes, no saved plan is so long")
        found: Any = json.loads(path.read_bytes())
    except OSError as e:
        raise SavedError(f"{path}: {e.strerror or e}; `motekit config plan --out` makes it") from e
    except (ValueError, RecursionError) as e:
        raise SavedError(f"{path}: no saved plan: {e}") from e
    table = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if table.get("format") != FORMAT or not isinstance(table.get("boards"), list):
        raise SavedError(
            f"{path}: no saved plan: format {str(table.get('format'))[:40]!r}, {FORMAT!r} expected"
        )
    boards = [_board(path, at, each) for at, each in enumerate(table["boards"])]
    return {each.device: each for each in boards}


def _board(path: Path, at: int, found: Any) -> Board:
    row = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    for key, kind in _BOARD.items():
        if not isinstance(row.get(key), kind):
            raise SavedError(
                f"{path}: boards[{at}].{key} is {str(row.get(key))[:40]!r}, a {kind.__name__}"
                " expected: it was edited or damaged; make it anew with `motekit config plan`"
            )
    return Board(**{key: row[key] for key in _BOARD})


def target(boards: Mapping[str, Board]) -> Target:
    """Return what makes each board as was planned; LinkError for one that has changed since."""

    def chosen(hello: Hello, config: Config) -> Wanted:
        board = boards.get(hello.device)
        if board is None:
            raise LinkError(f"{hello.device} is not in this plan; nothing was changed")
        since = changes(board.was, config)
        if since and changes(board.shall, config):
            more = f" and {len(since) - _SAID} more" if len(since) > _SAID else ""
            said = ", ".join(map(str, since[:_SAID])) + more
            raise LinkError(
                f"{hello.device} has changed since this plan was made ({said}); nothing was"
                " changed: make it anew with `motekit config plan --out`"
            )
        return Wanted(board.shall)

    return chosen

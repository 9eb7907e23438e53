"""Who has had a role, and from when on: a role outlives the boards that fill it.

A row says from which moment on a device has a role, until the next row of that role. Packets and
device ids stay what they are; only a question by the role's name is answered by it.
"""

import sqlite3
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from motekit.errors import StoreError

from .database import check_path, connect, translated


class Term(NamedTuple):
    """A device in a role, UTC in us: the first moment is in, the last one out; None: no end."""

    role: str
    device: str
    since_us: int
    until_us: int | None


def terms(db: sqlite3.Connection) -> list[Term]:
    """Return all terms by role and time; none of a store that was made before there were any."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'succession'").fetchone():
        return []
    rows: list[tuple[str, str, int]] = db.execute(
        "SELECT role, device, since_us FROM succession ORDER BY role, since_us"
    ).fetchall()
    return [
        Term(*row, after[2] if after is not None and after[0] == row[0] else None)
        for row, after in pairwise([*rows, None])
        if row is not None
    ]


def succeed(path: Path, role: str, old: str, new: str, since_us: int) -> bool:
    """Note that a device has a role from a moment on, in the place of another; False if it has.

    A collector may be writing to the store meanwhile. Raises StoreError for a moment that is not
    after the last change of the role, and for a store that cannot be written.
    """
    check_path(path, create=False)
    with translated(path):
        db = connect(path, create=False, readonly=False)
        try:
            db.execute("BEGIN IMMEDIATE")
            added = _succeed(db, path, role, old, new, since_us)
            db.execute("COMMIT" if added else "ROLLBACK")
        finally:
            db.close()
    return added


def _succeed(
    db: sqlite3.Connection, path: Path, role: str, old: str, new: str, since_us: int
) -> bool:
    held = [term for term in terms(db) if term.role == role]
    if (held[-1].device if held else old) == new:
        return False
    if held and held[-1].since_us >= since_us:
        raise StoreError(
            f"{path}: {role} has changed hands at or after that moment already, to"
            f" {held[-1].device}; give a later one with --since"
        )
    if not held:
        db.execute("INSERT INTO succession VALUES (?, 0, ?)", (role, old))
    db.execute("INSERT INTO succession VALUES (?, ?, ?)", (role, since_us, new))
    return True

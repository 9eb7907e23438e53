"""The SQLite file: its tables, how it is opened, and what SQLite's errors mean to a user.

Ref: https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html
"""

import shutil
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from motekit.errors import StoreError

APPLICATION_ID = 0x4D4F5445  # "MOTE"
FORMAT = 3  # user_version; a store of a higher one is not touched
BUSY_TIMEOUT_S = 5.0  # only ever waited for another process's checkpoint or recovery

# groups     what came since the last sealing, a row a commit, appended; see tail.py. It is also
#            the redo log of `progress`.
# segments   sealed packets of one epoch and stream (-1: notes and anchors), sorted by seq,
#            without overlap; see sealing.py and segment.py
# epochs     (device, key generation, epoch) as met; `boot` is the JSON of its boot note
# progress   which seqs were settled at the last sealing; see seen.py
# schemas    one row a content; `announced` says which number stands for which one in an epoch
# anchors    (monotonic, UTC) pairs of an epoch
# succession which device has a role from when on; see succession.py
# health     how each board said last that it is, JSON; see health.py
TABLES = """
CREATE TABLE devices (id INTEGER PRIMARY KEY, device TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE epochs (
    id INTEGER PRIMARY KEY, device INTEGER NOT NULL REFERENCES devices,
    generation INTEGER NOT NULL, epoch INTEGER NOT NULL, boot TEXT,
    UNIQUE (device, generation, epoch)
) STRICT;
CREATE TABLE progress (
    epoch INTEGER PRIMARY KEY REFERENCES epochs, next INTEGER NOT NULL, ahead TEXT, lost TEXT
) STRICT;
CREATE TABLE groups (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE segments (
    id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, stream INTEGER NOT NULL,
    first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL, packets INTEGER NOT NULL, samples INTEGER NOT NULL,
    bytes INTEGER NOT NULL, data BLOB NOT NULL
) STRICT;
CREATE INDEX segments_in_order ON segments (epoch, stream, last_seq, first_seq, first_us);
CREATE TABLE schemas (id INTEGER PRIMARY KEY, content TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE announced (
    device INTEGER NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL,
    schema INTEGER NOT NULL REFERENCES schemas, PRIMARY KEY (device, epoch, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE anchors (
    device INTEGER NOT NULL, epoch INTEGER NOT NULL, time_us INTEGER NOT NULL,
    utc_us INTEGER NOT NULL, quality INTEGER NOT NULL, error_us INTEGER NOT NULL,
    PRIMARY KEY (device, epoch, time_us)
) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY, device TEXT NOT NULL, why TEXT NOT NULL, data BLOB NOT NULL
) STRICT;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
# format: what makes one of it out of one of the format before; who only reads needs none of it
CHANGES = {
    2: """
CREATE TABLE succession (
    role TEXT NOT NULL, since_us INTEGER NOT NULL, device TEXT NOT NULL,
    PRIMARY KEY (role, since_us)
) STRICT, WITHOUT ROWID;
""",
    3: """
CREATE TABLE health (device TEXT PRIMARY KEY, told TEXT NOT NULL) STRICT, WITHOUT ROWID;
""",
}

ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full; make room and try again (what was stored is safe)",
    sqlite3.SQLITE_READONLY: "it cannot be written; look at the permissions of file and folder",
    sqlite3.SQLITE_PERM: "it may not be opened; look at the permissions of file and folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; look at the path and its permissions",
    sqlite3.SQLITE_BUSY: "another program holds it locked; close that one and try again",
    sqlite3.SQLITE_LOCKED: "another program holds it locked; close that one and try again",
    sqlite3.SQLITE_NOTADB: "it is no motekit store; give another file with --store",
    sqlite3.SQLITE_CORRUPT: "it is damaged; `sqlite3 FILE .recover` saves what can be read",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write; look at the system's log",
}


def explain(path: Path, error: sqlite3.Error) -> StoreError:
    """Return what an SQLite error means and what to try."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return StoreError(f"{path}: {error}")
    advice = ADVICE.get(code & 0xFF, "this is not expected; please report it")
    if code & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        free = shutil.disk_usage(path.parent).free
        advice += f" ({free // 1_000_000} MB free)"
    return StoreError(f"{path}: {error}: {advice}")


@contextmanager
def translated(path: Path) -> Generator[None]:
    """Turn SQLite's errors into StoreError."""
    try:
        yield
    except sqlite3.Error as e:
        raise explain(path, e) from e


def check_path(path: Path, create: bool) -> None:
    """Raise StoreError where a path can lead to no store."""
    if path.is_dir():
        raise StoreError(f"{path}: is a folder; a store is one file")
    if not path.exists() and not create:
        raise StoreError(f"{path}: no such store; `motekit collect --store {path}` makes one")
    if create and not path.parent.is_dir():
        raise StoreError(f"{path}: the folder {path.parent} does not exist; make it first")


def connect(path: Path, create: bool, readonly: bool, durable: bool = True) -> sqlite3.Connection:
    """Open the file, made ready if `create`; raises StoreError or sqlite3.Error."""
    connection = _connect(path, "ro" if readonly else "rwc" if create else "rw")
    try:
        if not durable:
            connection.execute("PRAGMA synchronous = OFF")
        _identify(connection, path, create and not readonly)
        if not readonly:
            _prepare_writer(connection, durable)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    def attempt(query: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            path.absolute().as_uri() + query,
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("SELECT * FROM sqlite_master").fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    try:
        return attempt(f"?mode={mode}")
    except sqlite3.OperationalError as e:
        wal = path.with_name(path.name + "-wal")
        if mode != "ro" or e.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY or wal.exists():
            raise
        # A reader who may not write beside the store; nobody else does either, so it stands still.
        return attempt("?immutable=1")


def _identify(connection: sqlite3.Connection, path: Path, create: bool) -> None:
    application_id: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if empty and not application_id and create:
        _initialise(connection)
        return
    if application_id != APPLICATION_ID:
        what = "is empty" if empty else "is an SQLite file of another program"
        raise StoreError(f"{path}: {what}, no motekit store; give another file with --store")
    if not 1 <= version <= FORMAT:
        raise StoreError(
            f"{path}: is a store of format {version}, this motekit knows {FORMAT}; "
            "`pip install --upgrade motekit` brings one that knows it"
        )


def _initialise(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(
        f"BEGIN IMMEDIATE; {TABLES}{''.join(CHANGES.values())}"
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
    )


def _prepare_writer(connection: sqlite3.Connection, durable: bool) -> None:
    for pragma in (
        "journal_mode = WAL",
        f"synchronous = {'FULL' if durable else 'OFF'}",  # FULL: on the disk when it returns
        "fullfsync = ON",  # macOS: through the drive's cache too
        "checkpoint_fullfsync = ON",
        "wal_autocheckpoint = 8192",  # 32 MiB; a sealing comes before, unless groups are tiny
        "cache_size = -16384",
    ):
        connection.execute("PRAGMA " + pragma)
    # SQLite opens a file that it may not write, and says so at the first change: here.
    connection.execute("BEGIN IMMEDIATE")
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    for number in range(version + 1, FORMAT + 1):
        connection.execute(CHANGES[number])
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT" if version < FORMAT else "ROLLBACK")

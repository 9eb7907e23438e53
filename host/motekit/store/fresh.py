"""A store to collect into: if it is made here and the collecting fails at once, it goes again."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from motekit.errors import MotekitError, StoreError

from .lock import WriterLock
from .writer import Store

BESIDE = ("-wal", "-shm", "-lock")  # files that a store has beside it


@contextmanager
def collecting_into(path: Path) -> Generator[Store]:
    """Open a store, made if there is none; an error leaves no new file that holds nothing."""
    new = not path.exists()
    try:
        with Store.open(path, create=True) as store:
            yield store
    except MotekitError:
        if new and path.exists():
            with suppress(StoreError, OSError):
                _remove_empty(path)
        raise


def _remove_empty(path: Path) -> None:
    """Remove a store that holds nothing and that nobody writes to; else leave it."""
    lock = WriterLock(path)
    try:
        with Store.open(path, readonly=True) as store:
            holds = store.devices() or store.counter("quarantined")
        if not holds:
            path.unlink()
            for beside in BESIDE:
                path.with_name(path.name + beside).unlink(missing_ok=True)
    finally:
        lock.release()

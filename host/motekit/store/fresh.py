"""Stores that go again: one made to collect into in vain, one that a later run replaces."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from motekit.errors import MotekitError, StoreError

from .lock import WriterLock
from .writer import Store

_BESIDE = ("-wal", "-shm", "-lock")  # files that a store has beside it


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
                remove(path, lambda store: not _holds(store))
        raise


def remove(path: Path, when: Callable[[Store], bool]) -> None:
    """Remove a store of which `when` holds.

    Raises StoreError, with all left as it is: no store, being written to, or `when` does not hold.
    """
    Store.open(path, readonly=True).close()  # what is no store gets no lock beside it
    lock = WriterLock(path)
    try:
        with Store.open(path, readonly=True) as store:
            if not when(store):
                raise StoreError(f"{path}: is a store that holds other data")
        for beside in ("", *_BESIDE):
            path.with_name(path.name + beside).unlink(missing_ok=True)
    finally:
        lock.release()


def _holds(store: Store) -> bool:
    return bool(store.devices() or store.counter("quarantined"))

"""What it means to a user that files cannot be written."""

import errno
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import MotekitError

_UMASK = os.umask(0o077)  # once: to read it is to change it, for all threads
os.umask(_UMASK)


@contextmanager
def writing(folder: Path, instead: str) -> Generator[None]:
    """Turn what the disk refuses into a MotekitError: path, reason, what to do `instead`."""
    try:
        yield
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MotekitError(f"{folder}: the disk is full; make room, or {instead}") from e
        where = e.filename2 or e.filename or folder
        raise MotekitError(f"{where}: cannot be written ({e.strerror or e}); {instead}") from e


def replace(path: Path, data: bytes, *, private: bool = True) -> None:
    """Write a file whole, or leave the old one; on the disk when this returns.

    `private`: for its owner alone, else for whom the user's umask lets read it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as f:
        try:
            f.write(data)
            f.flush()
            if not private:
                Path(f.name).chmod(0o666 & ~_UMASK)
            os.fsync(f.fileno())
            Path(f.name).replace(path)
        except BaseException:
            Path(f.name).unlink(missing_ok=True)
            raise
    settle(path.parent)


def settle(folder: Path) -> None:
    """Have the names in a folder on the disk, too: a new file is lost without its name.

    Not every file system can do that, nor every user: those of a network see to it themselves.
    """
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

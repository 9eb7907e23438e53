"""What it means to a user that files cannot be written."""

import errno
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .errors import MotekitError


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


def replace(path: Path, data: bytes, *, shared: bool = False) -> None:
    """Write a file whole, or leave the old one; on the disk when this returns.

    It is for its owner alone (0600), `shared` for whomever the umask lets.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent / f".new-{secrets.token_hex(8)}"
    mode = 0o666 if shared else 0o600
    try:
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise

"""What it means to a user that files cannot be written."""

import errno
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

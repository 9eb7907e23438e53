"""Host side of motekit: virtual boards, collecting, storing and querying.

import motekit
store = motekit.open("fleet.motekit")
table = store.read(stream="adxl345", since="-1h")
"""

from pathlib import Path
from typing import TYPE_CHECKING

from motefw import __version__ as __version__

if TYPE_CHECKING:
    from .query import Archive


def open(path: str | Path | None = None) -> "Archive":
    """Open a store to be read, by default the one MOTEKIT_STORE names; see `query.Archive`."""
    from .query import open_archive  # NumPy is imported when it is needed

    return open_archive(path)

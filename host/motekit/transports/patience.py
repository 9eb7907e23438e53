"""A port that is away or busy for a moment: a board restarts on its own USB, a hub is slow."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

from motekit.transports.serial import PortBusyError, PortGoneError

PORT_S = 6.0
_POLL_S = 0.1
_T = TypeVar("_T")


def opened(open_: Callable[[], _T], port: str, *, known: bool) -> _T:
    """Open a port, waiting until it can be; LinkError tells what keeps it.

    `known`: a board was there before. A port that never was is a typing error.
    """
    end = time.monotonic() + PORT_S
    while True:
        try:
            return open_()
        except (PortGoneError, PortBusyError):
            if time.monotonic() > end or not (known or os.path.lexists(port)):
                raise
        time.sleep(_POLL_S)

"""Has a USB adapter be found again that was unplugged: Blinka and pyftdi keep the first one.

Each is called before a bus is opened anew. One that is not there yet raises OSError.
"""

import sys
from collections.abc import Callable
from typing import Any


def _renew_mcp2221() -> None:
    """Open the adapter again: Blinka does so but once, as its module is loaded."""
    module: Any = sys.modules.get("adafruit_blinka.microcontroller.mcp2221.mcp2221")
    if module is not None:
        session = module.mcp2221
        session.close()
        session.__init__()  # in place, as Blinka's other modules hold it, too


def _renew_ft232h() -> None:
    """Forget the devices that were found; see pyftdi's UsbTools.flush_cache."""
    module: Any = sys.modules.get("pyftdi.usbtools")
    if module is not None:
        module.UsbTools.release_all_devices()
        module.UsbTools.flush_cache()


RENEWALS: dict[str, Callable[[], None]] = {"mcp2221": _renew_mcp2221, "ft232h": _renew_ft232h}


def absent(error: Exception) -> OSError | None:
    """Return as OSError what pyftdi raises while the adapter is not there, None for all else."""
    module: Any = sys.modules.get("pyftdi.usbtools")
    if module is not None and isinstance(error, module.UsbToolsError):
        return OSError(str(error))  # without the errno of a part that does not acknowledge
    return None

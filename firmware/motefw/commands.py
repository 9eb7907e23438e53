"""Commands of the control plane: one table from name to function, JSON in and out.

See `control` for what becomes of a request.

Ref: SPEC.md, section "Message".
"""

from .errors import MoteError

TABLE = {
    "hello": ("hello", "hello", False),
    "status": ("status", "status", False),
    "schema": ("schema", "schema", False),
    "time.get": ("actions", "time_get", False),
    "time.set": ("actions", "time_set", False),
    "config.get": ("stored", "get", False),
    "config.mark": ("configure", "marks", False),
    "config.part": ("configure", "part", True),
    "config.set": ("configure", "save", True),
    "config.keep": ("configure", "keep", True),
    "bus.scan": ("scan", "scan", True),
    "bus.record": ("actions", "bus_record", True),
    "provision.get": ("trial", "get", False),
    "provision.keep": ("trial", "keep", True),
    "provision.undo": ("trial", "undo", True),
    "readings": ("readings", "readings", False),
    "wifi.get": ("wlan", "wifi_get", False),
    "wifi.set": ("wlan", "wifi_set", True),
    "wifi.scan": ("wlan", "wifi_scan", True),
    "reboot": ("actions", "reboot", True),
}  # name: (module, its function of board and arguments, whether only the command key opens it)


def find(name):
    """Return the entry of a command; MoteError for an unknown one."""
    if name not in TABLE:
        known = ", ".join(sorted(TABLE))
        raise MoteError(f"command: {name} is not one of {known}")
    return TABLE[name]

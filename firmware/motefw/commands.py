"""Commands of the control plane: one table from name to function, JSON in and out.

Here a request is opened; see `control` for what becomes of it.

Ref: SPEC.md, section "Message".
"""

from . import authority
from .errors import MoteError

TABLE = {
    "hello": ("hello", "hello", False),
    "status": ("status", "status", False),
    "schema": ("schema", "schema", False),
    "time.get": ("actions", "time_get", False),
    "time.set": ("actions", "time_set", False),
    "config.get": ("config", "get", False),
    "config.mark": ("configure", "marks", False),
    "config.part": ("configure", "part", True),
    "config.set": ("configure", "save", True),
    "config.keep": ("configure", "keep", True),
    "bus.scan": ("scan", "scan", True),
    "bus.record": ("actions", "bus_record", True),
    "wifi.get": ("wireless", "wifi_get", False),
    "wifi.set": ("wireless", "wifi_set", True),
    "wifi.scan": ("wireless", "wifi_scan", True),
    "reboot": ("actions", "reboot", True),
}  # name: (module, its function of board and arguments, whether only the command key opens it)


def opened(board, data):
    """Return (number, nonce, module, function, arguments); MessageError if it is no request.

    Of one that is refused module and function are None, and the arguments are the answer.
    """
    number, name, nonce = authority.ask(board, data)
    try:
        if name not in TABLE:
            known = ", ".join(sorted(TABLE))
            raise MoteError(f"command: {name} is not one of {known}")
        module, function, guarded = TABLE[name]
        args = authority.open_request(board, data, nonce, guarded)
        return number, nonce, module, function, args
    except MoteError as error:
        return number, nonce, None, None, {"error": str(error)}

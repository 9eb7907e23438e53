"""Commands of the control plane: one table from name to function, JSON in and out.

Nothing is kept here: a board that is short of memory loads for each request first what checks it,
then what carries it out, then what makes the reply.

Ref: SPEC.md, section "Message".
"""

from . import overlay
from .compat import const
from .errors import MoteError

_MAX_TO_HOST_BYTES = const(4096)  # message.MAX_TO_HOST_BYTES, which is not loaded for its sake

TABLE = {
    "hello": ("answers", "hello", False),
    "status": ("answers", "status", False),
    "schema": ("answers", "schema", False),
    "time.get": ("actions", "time_get", False),
    "time.set": ("actions", "time_set", False),
    "config.get": ("actions", "config_get", False),
    "config.set": ("actions", "config_set", True),
    "bus.scan": ("scan", "scan", True),
    "bus.record": ("actions", "bus_record", True),
    "reboot": ("actions", "reboot", True),
}  # name: (module, its function of board and arguments, whether only the command key opens it)


def handle(board, data):
    """Return the reply to a request; MessageError if it is not even one."""
    number, name, nonce = overlay.call("authority", "ask", board, data)
    ok = False
    try:
        if name not in TABLE:
            known = ", ".join(sorted(TABLE))
            raise MoteError(f"command: {name} is not one of {known}")
        module, function, guarded = TABLE[name]
        args = overlay.call("authority", "open_request", board, data, nonce, guarded)
        result = overlay.call(module, function, board, args)
        ok = True
    except MoteError as error:
        result = {"error": str(error)}
    except MemoryError:
        raise  # the host asks again, and finds more room by then
    except Exception as error:  # ours, or the flash's: the host must not wait for ever
        result = {"error": f"{type(error).__name__}: {error}"}
    tagger = board.identity.data
    reply = overlay.call("message", "reply", tagger, nonce, number, ok, result)
    if len(reply) > _MAX_TO_HOST_BYTES:
        result = {"error": f"{name}: reply of {len(reply)} bytes, at most 4096 possible"}
        reply = overlay.call("message", "reply", tagger, nonce, number, False, result)
    return reply

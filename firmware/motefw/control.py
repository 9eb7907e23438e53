"""From a request to its reply, by what is loaded for each step and let go of after it.

A board that is short of heap has room for one of them at a time: what opens a request
(`authority`), what it is (`commands`), what carries it out (such as `status` or `actions`), what
makes the reply (`reply`). What carries it out may go on in another one: it returns that module's
name, its function's and the argument, in place of the result.
"""

import json

from . import overlay
from .compat import const
from .errors import MessageError, MoteError

_HEAD_BYTES = const(11)  # of message.REQUEST_LAYOUT
_TAG_BYTES = const(8)


def handle(board, box):
    """Return the reply to the request in the list, in pieces; MessageError if it is not even one.

    It is taken out of the list: a large one is let go of once it has been opened.
    """
    data = box.pop()
    call = _read(data)
    number, name, nonce = overlay.call("authority", "ask", board, data, call)
    ok = False
    try:
        module, function, guarded = overlay.call("commands", "find", name)
        result = overlay.call("authority", "open_request", board, data, nonce, guarded, call.pop())
        data = None
        result = carry_out(board, module, function, result)
        ok = True
    except MemoryError:
        raise  # the host asks again, and finds more room by then
    except MoteError as error:
        result = {"error": str(error)}
    except Exception as error:  # ours, or the flash's: the host must not wait for ever
        result = {"error": f"{type(error).__name__}: {error}"}
    return overlay.call("reply", "reply", board.identity.data, nonce, number, ok, result)


def carry_out(board, module, function, value):
    """Return the result of a command's function, however many modules that takes."""
    while module:
        value = overlay.call(module, function, board, value)
        module = None
        if type(value) is tuple:
            module, function, value = value
    return value


def _read(data):
    """Return what a request's JSON stands for, while there is room for its text in a piece."""
    try:
        return json.loads(str(memoryview(data)[_HEAD_BYTES:-_TAG_BYTES], "utf-8"))
    except (ValueError, UnicodeError):
        raise MessageError("request: not JSON") from None

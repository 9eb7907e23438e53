"""Who may ask for what: requests are opened here, or refused and counted.

A request is tagged over the board's nonce of this boot and the host's own counter, which only
grows: an old one, and one from who has not the key, is refused and counted. What only reads, and
what a collector needs, may be tagged with the ack key as well, since a collector has no command
key. A `hello` tagged for no device, with the all-zero key, is told who is there, and nothing is
sent for it.

Ref: SPEC.md, section "Message".
"""

from . import keys, message
from .compat import const
from .errors import MessageError

_HOSTS_MAX = const(16)


def ask(board, data, call):
    """Return (number, name, nonce) of a request, its JSON read, before its tag is checked."""
    name = message.call_of(call)[0]
    return message.request_number(data), name, message.NO_NONCE if name == "hello" else board.nonce


def open_request(board, data, nonce, guarded, args):
    """Return the arguments of a request from who may make it, and new; None: a hello from anyone.

    `guarded`: only the command key opens it.
    """
    identity = board.identity
    try:
        opened = message.open_head(identity.command, nonce, data)
    except MessageError:
        try:
            if guarded:
                raise
            opened = message.open_head(identity.ack, nonce, data)
        except MessageError:
            if nonce == message.NO_NONCE and _from_anyone(data):
                return None
            board.refused += 1
            raise
    _, host, counter = opened
    # What says hello has no nonce yet, so nothing tells a new hello from an old one; it only
    # reads.
    if nonce != message.NO_NONCE:
        _count(board, host, counter)
    return args


def _from_anyone(data):
    """Tell whether a hello is tagged for no device, by a host that has to ask who is there."""
    try:
        message.open_head(keys.Tagger(bytes(keys.KEY_BYTES), b""), message.NO_NONCE, data)
    except MessageError:
        return False
    return True


def _count(board, host, counter):
    counters = board.counters
    if counter <= counters.get(host, -1):
        board.refused += 1
        raise MessageError(f"counter: {counter} is not beyond the last one of host {host}")
    if host not in counters and len(counters) >= _HOSTS_MAX:
        # To forget a host would let its requests in again: a new nonce makes them all void.
        board.nonce = board.port.random(8)
        counters.clear()
        board.refused += 1
        raise MessageError("nonce: it is another one now, say hello again")
    counters[host] = counter

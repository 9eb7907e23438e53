"""Commands of the control plane: one table from name to function, JSON in and out.

Nothing is kept here: a board that is short of memory loads this module for each request.

A request is tagged over the board's nonce of this boot and the host's own counter, which only
grows: an old one, and one from who has not the key, is refused and counted. What only reads, and
what a collector needs, may be tagged with the ack key as well, since a collector has no command
key. A `hello` tagged for no device, with the all-zero key, is told who is there, and nothing is
sent for it.

Ref: SPEC.md, section "Message".
"""

import gc
import sys

from . import describe, keys, message, overlay
from .compat import const
from .errors import MessageError, MoteError

_HOSTS_MAX = const(16)
_QUALITY_HOST = const(3)
_UTC_MIN_US = 1_577_836_800_000_000  # 2020: a host whose clock is before that has none
_UTC_MAX_US = 4_102_444_800_000_000  # 2100
_ARCHS = (
    None,
    "x86",
    "x64",
    "armv6",
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
    "rv64imc",
)


def _argument(args, name, low, high):
    """Return the integer argument of a command; MessageError if it is missing or out of range."""
    value = args.get(name)
    if type(value) is not int or not low <= value <= high:
        raise MessageError(f"{name}: {value!r}, a whole number from {low} to {high} expected")
    return value


def hello(board, args):
    """Tell who the board is and where its log stands; `args` None: to a host without its key."""
    if args is not None:
        board.uplink.hello()
    values = describe.about(board)
    arch = getattr(sys.implementation, "_mpy", 0) >> 10 & 15
    values.update(
        {
            "mpy": _ARCHS[arch] if arch < len(_ARCHS) else None,
            "nonce": board.nonce.hex(),
            "next_seq": board.log.next_seq,
            "tail_seq": board.log.tail_seq,
            "uptime_ms": board.clock.now_us() // 1000,
            "streams": [
                {
                    "stream": stream.number,
                    "name": stream.name,
                    "driver": stream.sensor["driver"],
                    "schema": stream.number,
                }
                for stream in board.streams
            ],
        }
    )
    return values


def status(board, args):
    """Tell how the board and its sensors are."""
    gc.collect()  # so that the figure means something
    log, uplink = board.log, board.uplink
    return {
        "uptime_ms": board.clock.now_us() // 1000,
        "heap_free": board.port.heap(),
        "heap_min_free": board.heap_min_bytes,
        "queue_bytes": log.used_bytes,
        "queue_size_bytes": log.size_bytes,
        "queue_dropped": log.dropped,
        "next_seq": log.next_seq,
        "tail_seq": log.tail_seq,
        "frames_bad": board.link.frames_bad,
        "interrupts_ignored": board.interrupts_ignored,
        "messages_bad": board.messages_bad,
        "refused_commands": board.refused,
        "starved_requests": board.starved,
        "skipped_packets": uplink.skipped,
        "resent_packets": uplink.resent,
        "ignored_receipts": uplink.ignored,
        "restarted_tasks": sum(task.restarts for task in board.tasks),
        "config_error": board.config_error,
        "sensors": [describe.state(stream) for stream in board.streams],
    }


def schema(board, args):
    """Tell the channel table of a schema."""
    number = _argument(args, "schema", 0, max(len(board.streams) - 1, 0))
    if number >= len(board.streams):
        raise MessageError(f"schema: {number}, and this board has no sensors")
    return {"schema": describe.schema(board.streams[number])}


def config_get(board, args):
    """Tell the configuration that is in force after the next boot."""
    from . import config, drivers

    return config.load(board.port.root, drivers.load)


def config_set(board, args):
    """Check a configuration and save it; the next boot applies it."""
    from . import config, drivers

    if not isinstance(args.get("config"), dict):
        raise MessageError("config: an object is expected")
    config.save(board.port.root, args["config"], drivers.load)
    return {"reboot": True}


def time_get(board, args):
    """Tell the time of this epoch, for a host that measures how long the answer takes."""
    return {"uptime_us": board.clock.now_us()}


def time_set(board, args):
    """Log what time it is, or was at `uptime_us` of this epoch: a request may come late."""
    now_us = board.clock.now_us()
    args.setdefault("uptime_us", now_us)
    utc_us = _argument(args, "utc_us", _UTC_MIN_US, _UTC_MAX_US)
    error_us = _argument(args, "error_us", 0, 0xFFFFFFFF)
    uptime_us = _argument(args, "uptime_us", 0, now_us)
    board.recorder.anchor(uptime_us, utc_us, _QUALITY_HOST, error_us)
    board.uplink.wake.set()
    return {}


def bus_scan(board, args):
    """Tell who is on an I2C bus."""
    return overlay.call("scan", "scan", board, args)


def reboot(board, args):
    """Boot again, once this reply and what the log holds are with the host, or after 10 s."""
    board.stop("reboot")
    return {}


TABLE = {
    "hello": (hello, False),
    "status": (status, False),
    "schema": (schema, False),
    "time.get": (time_get, False),
    "time.set": (time_set, False),
    "config.get": (config_get, False),
    "config.set": (config_set, True),
    "bus.scan": (bus_scan, True),
    "reboot": (reboot, True),
}  # name: (function, whether only the command key opens it)


def handle(board, data):
    """Return the reply to a request; MessageError if it is not even one."""
    number = message.request_number(data)
    name = message.request_name(data)
    nonce = message.NO_NONCE if name == "hello" else board.nonce
    ok = False
    try:
        args = _open(board, data, name, nonce)
        result = TABLE[name][0](board, args)
        ok = True
    except MoteError as error:
        result = {"error": str(error)}
    except Exception as error:  # ours, or the flash's: the host must not wait for ever
        result = {"error": f"{type(error).__name__}: {error}"}
    reply = message.reply(board.identity.data, nonce, number, ok, result)
    if len(reply) > message.MAX_TO_HOST_BYTES:
        result = {"error": f"{name}: reply of {len(reply)} bytes, at most 4096 possible"}
        reply = message.reply(board.identity.data, nonce, number, False, result)
    return reply


def _from_anyone(data):
    """Tell whether a hello is tagged for no device, by a host that has to ask who is there."""
    try:
        message.open_request(keys.Tagger(bytes(keys.KEY_BYTES), b""), message.NO_NONCE, data)
    except MessageError:
        return False
    return True


def _open(board, data, name, nonce):
    """Return the arguments of a request that is known, from who may make it, and new."""
    identity = board.identity
    if name not in TABLE:
        raise MessageError(f"command: {name} is not one of {', '.join(sorted(TABLE))}")
    try:
        opened = message.open_request(identity.command, nonce, data)
    except MessageError:
        try:
            if TABLE[name][1]:
                raise
            opened = message.open_request(identity.ack, nonce, data)
        except MessageError:
            if name == "hello" and _from_anyone(data):
                return None
            board.refused += 1
            raise
    _, host, counter, _, args = opened
    # What says hello has no nonce yet, so nothing tells a new hello from an old one; it only
    # reads.
    if nonce is not message.NO_NONCE:
        _count(board, host, counter)
    return args


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

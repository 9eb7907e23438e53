"""Answers of a board about itself: `hello`, `status` and `schema`.

Loaded for a request, and let go of again.
"""

import gc
import os
import sys

from . import describe
from .compat import const
from .errors import MessageError

_ARCHS = const(
    "- x86 x64 armv6 armv6m armv7m armv7em armv7emsp armv7emdp xtensa xtensawin rv32imc rv64imc"
)


def hello(board, args):
    """Tell who the board is and where its log stands; `args` None: to a host without its key."""
    if args is not None:
        board.uplink.hello()
    values = describe.about(board)
    arch = getattr(sys.implementation, "_mpy", 0) >> 10 & 15
    archs = _ARCHS.split()
    values["mpy"] = archs[arch] if 0 < arch < len(archs) else None
    values["nonce"] = board.nonce.hex()
    values["next_seq"] = board.log.next_seq
    values["tail_seq"] = board.log.tail_seq
    values["uptime_ms"] = board.clock.now_us() // 1000
    values["streams"] = [
        {
            "stream": stream.number,
            "name": stream.name,
            "driver": stream.sensor["driver"],
            "schema": stream.number,
        }
        for stream in board.streams
    ]
    return values


def status(board, args):
    """Tell how the board and its sensors are; with "files", what room its file system has."""
    gc.collect()  # so that the figure means something
    log, uplink = board.log, board.uplink
    values = {
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
    if args.get("files"):  # which takes littlefs a while
        room = os.statvfs(board.port.root)
        values["files_bytes"] = room[0] * room[2]
        values["files_free_bytes"] = room[0] * room[3]
    return values


def schema(board, args):
    """Tell the channel table of a schema."""
    number = args.get("schema")
    count = len(board.streams)
    if type(number) is not int or not 0 <= number < count:
        raise MessageError(f"schema: {number!r}, and this board has {count} sensors from 0 on")
    return {"schema": describe.schema(board.streams[number])}

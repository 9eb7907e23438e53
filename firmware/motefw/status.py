"""How a board and its sensors are: the answer to `status`. Loaded for that alone."""

import gc
import os

from .sampler import NO_MEMORY


def status(board, args):
    """Tell how the board and its sensors are; with "files", what room its file system has."""
    gc.collect()  # so that the figure means something
    log, uplink = board.log, board.uplink
    free = board.port.heap()
    board.heap_min_bytes = min(board.heap_min_bytes, free)
    values = {
        "uptime_ms": board.clock.now_us() // 1000,
        "heap_free": free,
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
        "sensors": [state(stream) for stream in board.streams]
        + [_left_out(*row) for row in board.left_out],
    }
    if args.get("files"):  # which takes littlefs a while
        room = os.statvfs(board.port.root)
        values["files_bytes"] = room[0] * room[2]
        values["files_free_bytes"] = room[0] * room[3]
    return values


def _left_out(_, name, driver, why):
    """Return less of one that was left out at boot."""
    return {"name": name, "driver": driver, "state": NO_MEMORY, "errors": 1, "last_error": why}


def state(stream):
    """Return what `status` tells of a sensor."""
    return {
        "name": stream.name,
        "driver": stream.sensor["driver"],
        "state": stream.state,
        "errors": stream.errors,
        "last_error": stream.last_error,
        "samples": stream.samples,
        "gaps": stream.gaps,
        "lost": stream.lost,
        "bad": stream.driver.bad if stream.driver else 0,
    }

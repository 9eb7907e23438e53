"""Who a board is: for its boot note and for `hello`. Loaded for that, and let go of again."""

import gc
import sys

from . import __version__
from .compat import const
from .sampler import NO_MEMORY

_ARCHS = const(
    "- x86 x64 armv6 armv6m armv7m armv7em armv7emsp armv7emdp xtensa xtensawin rv32imc rv64imc"
)


def about(board):
    """Return who the board is, for `hello` and the boot note."""
    gc.collect()  # so that the figure means something
    version = sys.implementation.version
    values = {
        "device": board.identity.device.decode(),
        "board": board.settings["board"],
        "firmware": __version__,
        "micropython": ".".join(str(n) for n in version[:3]),
        "encoder": board.encoder,
        "reset": board.port.reset_cause(),
        "previous_seq": board.previous_seq,
        "generation": board.identity.generation,
        "epoch": board.epoch,
        "heap_free": board.port.heap(),
    }
    title = board.settings.get("name")
    if title:
        values["name"] = title
    return values


def hello(board, args):
    """Tell who the board is and where its log stands; `args` None: to a host without its key."""
    if args is not None:
        board.uplink.hello()
    values = about(board)
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
    for number, name, driver, _ in board.left_out:
        row = {"stream": number, "name": name, "driver": driver, "schema": number}
        row["state"] = NO_MEMORY
        values["streams"].append(row)
    return values

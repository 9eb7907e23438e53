"""Who is on an I2C bus: addresses that acknowledge, and registers that the host asks for.

Which register tells which part is for the host to know.
"""

from . import overlay
from .compat import const
from .errors import MessageError

_FIRST = const(0x08)  # what lies below and from 0x78 on is reserved (NXP UM10204, table 4)
_END = const(0x78)
_READS_MAX = const(64)
_ENODEV = const(19)


def scan(board, args):
    """Return {"found": [address..]}, or {"read": [value or None..]} of [address, register] pairs.

    {"hangs": text} instead where a line is held low and freeing the bus does not help.
    """
    found = overlay.call("stored", "load", board.port.root)
    if isinstance(found, dict):
        found["sensors"] = []  # there may be no room for all of them
    buses = overlay.call("config", "check", found, None)["buses"]
    name = args.get("bus")
    spec = buses.get(name) if isinstance(name, str) else None
    if not spec or spec["kind"] != "i2c":
        raise MessageError(f"bus: {name!r} is no I2C bus of this board")
    spec["name"] = name
    reads = args.get("reads")
    if reads is not None:
        _check(reads)
    for last in (False, True):
        try:
            bus = board.bus(spec)
            if reads is None:
                return {"found": _found(bus)}
            return {"read": [_value(bus, address, register) for address, register in reads]}
        except OSError as error:
            if last:
                return {"hangs": f"OSError: {error}"}
            board.recover(spec)
    return None


def _check(reads):
    if not isinstance(reads, list) or len(reads) > _READS_MAX:
        raise MessageError(f"reads: a list of at most {_READS_MAX} is expected")
    for pair in reads:
        if not isinstance(pair, list) or len(pair) != 2:
            raise MessageError(f"reads: {pair!r} is not [address, register]")
        for value, low, end in ((pair[0], _FIRST, _END), (pair[1], 0, 256)):
            if type(value) is not int or not low <= value < end:
                raise MessageError(f"reads: {value!r}, {low} to {end - 1} expected")


def _found(bus):
    found = []
    for address in range(_FIRST, _END):
        try:
            bus.writeto(address, b"")
            found.append(address)
        except OSError as error:
            if error.errno != _ENODEV:
                raise
    return found


def _value(bus, address, register):
    try:
        return bus.readfrom_mem(address, register, 1)[0]
    except OSError as error:
        if error.errno != _ENODEV:
            raise
        return None

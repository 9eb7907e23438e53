"""The command `motekit tail`."""

import time

from motekit.cli import options, say
from motekit.cli.selection import names
from motekit.query import store_path
from motekit.query.digits import rounded, shown
from motekit.query.follow import Follower, Reading, utc_text
from motekit.store import Store

POLL_S = 0.5


def tail(
    *,
    store: options.Store = None,
    device: options.Device = None,
    stream: options.Stream = None,
    for_s: options.For = None,
    as_json: options.Json = False,
) -> None:
    """Show the newest reading of each stream, and each new one as a collector stores it.

    Example: motekit tail --store fleet.motekit --stream sht4x
    """
    with Store.open(store_path(store), readonly=True) as opened:
        follower = Follower(opened, names(device), names(stream))
        end = None if for_s is None else time.monotonic() + for_s
        while True:
            for reading in follower.poll():
                if as_json:
                    say.json_line(_record(reading))
                else:
                    say.out(_line(reading))
            if end is not None and time.monotonic() >= end:
                return
            time.sleep(POLL_S)


def _time(reading: Reading) -> str | None:
    return None if reading.utc_ns is None else utc_text(reading.utc_ns)


def _line(reading: Reading) -> str:
    when = _time(reading) or f"{reading.monotonic_us / 1e6:.3f} s after its start"
    values = "  ".join(
        f"{v.name} -" if v.value is None else f"{v.name} {shown(v.value, v.decimals)} {v.unit}"
        for v in reading.values
    )
    return f"{when}  {reading.device}  {reading.stream}  {values}".rstrip()


def _record(reading: Reading) -> dict[str, object]:
    return {
        "device": reading.device,
        "stream": reading.stream,
        "time": _time(reading),
        "monotonic_us": reading.monotonic_us,
        **{
            v.name: None if v.value is None else rounded(v.value, v.decimals)
            for v in reading.values
        },
    }

"""The command `motekit status`."""

import time
from typing import Any, NamedTuple

from motekit.cli import options, say, show
from motekit.query import store_path
from motekit.query.devices import retired
from motekit.query.follow import newest_utc_ns, utc_text
from motekit.store import DeviceSummary, Store


class _Row(NamedTuple):
    summary: DeviceSummary
    heard_ns: int | None  # UTC of the newest packet
    former: str | None  # the role that it had, and another has now


def status(
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Show each device of a store: what came, how large, what is missing, what is lost.

    Example: motekit status --store fleet.motekit
    """
    with Store.open(store_path(store), readonly=True) as opened:
        summary = opened.summary()
        former = retired(opened)
        rows = [
            _Row(device, newest_utc_ns(opened, device.device), former.get(device.device))
            for device in summary.devices
        ]
    show.rows(_COLUMNS, rows, as_json=_record if as_json else None)
    for row in rows:
        if row.summary.ailing and row.former is None and not as_json:
            say.err(f"{_board(row)} ({row.summary.device}): {', '.join(row.summary.ailing)}")
    if summary.quarantined and not as_json:
        say.err(
            f"{summary.quarantined} packets were set aside, {summary.quarantine_dropped} of them "
            f"dropped since"
        )
    if summary.sealing_error:
        say.err(f"sealing fails: {summary.sealing_error}")


def _ago(heard_ns: int | None) -> str:
    if heard_ns is None:
        return "unknown"
    seconds = (time.time_ns() - heard_ns) / 1e9
    when = "ago" if seconds >= 0 else "ahead"  # of a virtual clock, or a host's that was set back
    seconds = abs(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} {when}"
    return f"{seconds:.0f} s {when}"


def _per_sample(device: DeviceSummary) -> str:
    return f"{device.bytes / device.samples:.2f}" if device.samples else ""


def _lost(device: DeviceSummary) -> str:
    """Return the packets lost, with a + where a board lost power or was reset unasked."""
    return f"{device.lost + device.cut_off}{'+' if device.untold else ''}"


def _board(row: _Row) -> str:
    """Return what a board calls itself; one that was replaced is retired, whatever it says."""
    if row.former is not None:
        return f"{row.former} (retired)"
    return str(row.summary.boot.get("name") or row.summary.boot.get("board", "?"))


def _streams(device: DeviceSummary) -> str:
    return ", ".join(stream.name for stream in device.streams)


_COLUMNS: show.Columns[_Row] = (
    show.Column("board", _board),
    show.Column("device", lambda row: row.summary.device),
    show.Column("streams", lambda row: _streams(row.summary), fold=True, spare=1),
    show.Column("samples", lambda row: f"{row.summary.samples:,}", right=True),
    show.Column("bytes/sample", lambda row: _per_sample(row.summary), right=True, spare=2),
    show.Column("gaps", lambda row: str(row.summary.gaps), right=True),
    show.Column("missing", lambda row: str(row.summary.missing), right=True),
    show.Column("lost", lambda row: _lost(row.summary), right=True),
    show.Column("starts", lambda row: str(row.summary.epochs), right=True, spare=3),
    show.Column("last data", lambda row: _ago(row.heard_ns), right=True),
)


def _record(row: _Row) -> dict[str, Any]:
    device = row.summary
    heard = None if row.heard_ns is None else utc_text(row.heard_ns)
    streams = [stream._asdict() for stream in device.streams]
    retired_from = {} if row.former is None else {"retired_from": row.former}
    return {**device._asdict(), "streams": streams, "last_data": heard, **retired_from}

"""What the same values take on the disk: in a store, unsealed and sealed, and beside it."""

import io
import sqlite3
import zlib
from contextlib import closing

import numpy as np

from motekit.store import Received, Store, segment

from .packet import packets
from .report import has_package

PAGE_BYTES = 4096
COPIES = 40  # of a trace, each a device, so that a store's fixed pages do not count
SIZES = (32, 128, 240, 512)
MAIN_SIZE = 128
ENOUGH = 8  # packets of a trace that are worth measuring
CAPTION = (
    f"Store: the file after closing, {COPIES} devices that sent the trace once "
    "each, unsealed and sealed (less the pages that sealing left free for what comes). "
    "Segment, zlib, zstd: one device's packets in one piece. Parquet: "
    "DELTA_BINARY_PACKED and zstd, the values of one device alone, without time or footer."
)


def disk(report, traces, main, folder):
    """Measure every trace at some packet lengths; `main` gives the figure that has a goal."""
    peers = {"zlib -6": lambda data: len(zlib.compress(data, 6))}
    if has_package("zstandard"):
        import zstandard

        for level in (3, 19):
            pressed = zstandard.ZstdCompressor(level)
            peers[f"zstd -{level}"] = lambda data, p=pressed: len(p.compress(data))
    else:
        report.missing("no Python package zstandard", "zstd beside segments")
    if not has_package("pyarrow"):
        report.missing("no Python package pyarrow", "store.over_parquet")
    names = ("packets", "segment", *peers, "Parquet", "unsealed", "sealed")
    figures = []
    for trace in traces:
        columns = {}
        parquet = parquet_bytes(trace) if has_package("pyarrow") else None
        for size in SIZES:
            if trace.rows // size < ENOUGH:
                continue
            row = measure(trace, size, folder, peers, parquet)
            columns[str(size)] = row
            name = f"store.{trace.name}.{size}"
            if (trace.name, size) == (main.name, MAIN_SIZE):
                name = "store"
            figures += disk_figures(report, name, size, *row[-2:], parquet)
        if columns:
            rows = zip(names, *columns.values(), strict=True)
            title = f"{trace.name}: bytes a value on disk"
            report.table(title, ("samples a packet", *columns), rows)
    report.talk(f"[italic]{CAPTION}[/italic]\n")
    caption = f"The first is of {main.name}, {MAIN_SIZE} samples a packet."
    goals = [figure for figure in figures if figure.goal is not None]
    report.figures_table("sealed store on disk", goals, caption, beside=False)


def disk_figures(report, name, size, unsealed, sealed, parquet):
    """Add the figures of one row; return them."""
    beside = {"unsealed": unsealed}
    if parquet is None:
        return [report.add(f"{name}.bytes_per_value", sealed, "bytes", beside=beside)]
    figure = report.add(
        f"{name}.bytes_per_value", sealed, "bytes", beside={**beside, "Parquet": parquet}
    )
    beside = {"unsealed": unsealed / parquet}
    ratio = sealed / parquet
    over = report.add(f"{name}.over_parquet", ratio, "ratio", goal=goal_of(size), beside=beside)
    return [figure, over]


def goal_of(size):
    """Short packets carry more header than data: the goal is for the usual lengths."""
    return 1.35 if size >= 128 else None


def measure(trace, size, folder, peers, parquet):
    """Return bytes a value: packets, segment, each peer, Parquet, unsealed, sealed."""
    path = folder / f"{trace.name}-{size}.motekit"
    made = [data for data, _, _ in packets(trace, size)]
    values = len(made) * size * len(trace.channels)
    with Store.open(path, create=True) as store:
        store.tail_max_bytes = 1 << 40
        for device in range(COPIES):
            store.append([Received(f"{device:012x}", data, True) for data in made])
    unsealed = path.stat().st_size
    with Store.open(path) as store:
        store.seal()
    sealed = path.stat().st_size - free_bytes(path)
    path.unlink()
    joined = b"".join(made)
    return (
        len(joined) / values,
        len(segment.pack([(True, data) for data in made])) / values,
        *(peer(joined) / values for peer in peers.values()),
        parquet,
        unsealed / COPIES / values,
        sealed / COPIES / values,
    )


def free_bytes(path):
    """Return what of a store is free for the packets to come."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA freelist_count").fetchone()[0] * PAGE_BYTES


def parquet_bytes(trace):
    """Return what Parquet takes for the values alone, bytes a value."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = {}
    for at, name in enumerate(trace.channels):
        mask = None if trace.valid is None else ~trace.valid[at]
        columns[name] = pa.array(trace.columns[at].astype(np.int32), mask=mask)
    out = io.BytesIO()
    parquet.write_table(
        pa.table(columns),
        out,
        compression="zstd",
        use_dictionary=False,
        column_encoding=dict.fromkeys(columns, "DELTA_BINARY_PACKED"),
    )
    meta = parquet.read_metadata(io.BytesIO(out.getvalue()))
    chunks = (
        meta.row_group(group).column(column).total_compressed_size
        for group in range(meta.num_row_groups)
        for column in range(meta.num_columns)
    )
    return sum(chunks) / trace.columns.size

"""Reading a day of one device back out of a store of several."""

import dataclasses
import json
import time

import motekit
from motefw import packet, packet_anchor
from motekit import decode
from motekit.store import Received, Store

from .fleet import EPOCH, Fleet
from .packet import GENERATION, SCHEMA, STREAM
from .report import has_package

HZ = 10
DAY_S = 86_400
DEVICES = 4
SAMPLES = 128
UTC_US = 1_767_225_600_000_000  # 2026-01-01
PER_DAY = HZ * DAY_S // SAMPLES
CAPTION = (
    f"{DEVICES} devices at {HZ} Hz for two days, interleaved; one day of one of them as NumPy "
    "columns in units and UTC. Decode alone: the same packets, in memory. Parquet: pyarrow reads "
    "as many rows of time and float64 (zstd, dictionary) from a file of that day and device alone."
)


def read_back(report, trace, folder):
    """Fill a store and measure."""
    fleet = Fleet(dataclasses.replace(trace, period_s=1 / HZ), DEVICES, SAMPLES)
    path = folder / "day.motekit"
    fill(path, fleet)
    device = fleet.names[1]
    with motekit.open(path) as store:
        start = time.perf_counter()
        table = store.read(device, since="2026-01-01T12:00:00Z", until="2026-01-02T12:00:00Z")
        passed = time.perf_counter() - start
    values = len(table) * fleet.channels
    if len(table) != HZ * DAY_S:
        raise ValueError(f"{len(table)} rows of a day at {HZ} Hz")
    beside = {"decode alone": values / decode_s(path, device)}
    if has_package("pyarrow"):
        beside["Parquet"] = values / parquet_s(table, folder / "day.parquet")
    rate = values / passed
    figures = [
        report.add(
            "store.read_day.values_per_s", rate, "values/s", better="higher", beside=beside
        ),
        report.add("store.read_day.seconds", passed, "s"),
    ]
    report.figures_table("reading a day of one device", figures, CAPTION)


def fill(path, fleet):
    """Store two days of each device."""
    start_us = fleet.first_seq * SAMPLES * 1_000_000 // HZ
    with Store.open(path, create=True) as store:
        store.append(
            [note for at in range(DEVICES) for note in told(fleet, EPOCH + at, at, start_us)]
        )
        for _ in range(2 * PER_DAY // 25):
            group = fleet.group(25 * DEVICES)
            store.append([Received(device, data, True) for device, data in group])


def told(fleet, epoch, at, start_us):
    """Yield the schema and the anchor of a device."""
    device = fleet.names[at]
    channels = [[f"accel_{axis}", "g", 0.001952, 0] for axis in range(fleet.channels)]
    table = {"id": SCHEMA, "stream": STREAM, "name": "accel", "driver": "accel", "rate_hz": HZ}
    body = json.dumps({"schema": {**table, "channels": channels}}).encode()
    out = bytearray(packet.MAX_PACKET_BYTES)
    n = packet.encode_note(out, GENERATION, epoch, 0, start_us, body)
    yield Received(device, bytes(out[: packet.seal(out, n, fleet.taggers[device])]), True)
    n = packet_anchor.encode_anchor(out, GENERATION, epoch, 1, start_us, UTC_US, 3, 1000)
    yield Received(device, bytes(out[: packet.seal(out, n, fleet.taggers[device])]), True)


def decode_s(path, device):
    """Return the seconds that decoding a day of the device's packets takes."""
    with Store.open(path, readonly=True) as store:
        made = [stored.data for _, stored in store.packets(device, STREAM)][:PER_DAY]
    start = time.perf_counter()
    for at in range(0, len(made), 1024):
        decode.samples(made[at : at + 1024])
    return time.perf_counter() - start


def parquet_s(table, path):
    """Return the seconds that pyarrow takes to read the same rows."""
    from pyarrow import parquet

    parquet.write_table(table.arrow().drop_columns(["device", "stream"]), path, compression="zstd")
    start = time.perf_counter()
    read = parquet.read_table(path, use_threads=False)
    columns = [column.to_numpy() for column in read.columns]
    passed = time.perf_counter() - start
    if len(columns[0]) != len(table):
        raise ValueError("Parquet does not hold the same rows")
    return passed

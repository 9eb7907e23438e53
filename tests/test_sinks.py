"""The contract of every sink: what goes in comes out, and a file is there whole or not at all."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from motekit.errors import UsageError
from motekit.query.batch import NO_TIME, Batch, Column, Layout
from motekit.sinks import SINKS, format_of

NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
FULL = Path("/dev/full")
PHYSICAL = Layout(
    (Column("accel_x", np.dtype(np.float64), "g"), Column("temperature", np.dtype(np.float64))),
    monotonic=False,
)
RAW = Layout((Column("accel_x", np.dtype(np.int32)),), monotonic=True)


def batch(n=3, start=0, layout=PHYSICAL, device="a0"):
    values = np.arange(start, start + n)
    column = values.astype(np.int32) if layout is RAW else values * 0.0039
    mask = values % 3 != 2
    valid = {} if mask.all() else {"accel_x": mask}
    time_ns = np.where(values == 0, NO_TIME, NS + values * 10**9)
    return Batch(device, "adxl345", time_ns, values * 1000, {"accel_x": column}, valid)


def expected(n, layout):
    rows = []
    for i in range(n):
        row = {"device": "a0", "stream": "adxl345", "time": NS + i * 10**9 if i else None}
        if layout.monotonic:
            row["monotonic_us"] = i * 1000
        value = None if i % 3 == 2 else i if layout is RAW else i * 0.0039
        row["accel_x"] = value
        if layout is PHYSICAL:
            row["temperature"] = None
        rows.append(row)
    return rows


def from_text(time):
    return int(np.datetime64(time.removesuffix("Z"), "ns").astype(np.int64)) if time else None


def read_csv(path):
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))
    return [
        {
            key: cell if key in ("device", "stream") else number(key, cell)
            for key, cell in row.items()
        }
        for row in rows
    ]


def number(key, cell):
    return from_text(cell) if key == "time" else float(cell) if cell else None


def read_jsonl(path):
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [row | {"time": from_text(row["time"])} for row in rows]


def arrow_rows(table):
    table = table.set_column(2, "time", table["time"].cast(pa.int64()))
    return table.to_pylist()


def read_arrow(path):
    with pa.OSFile(str(path)) as file:
        return arrow_rows(pa.ipc.open_file(file).read_all())


READERS = {
    "csv": read_csv,
    "jsonl": read_jsonl,
    "parquet": lambda path: arrow_rows(parquet.ParquetFile(path).read()),
    "arrow": read_arrow,
}


@pytest.fixture(params=SINKS)
def form(request):
    return request.param


@pytest.fixture
def path(tmp_path, form):
    return tmp_path / ("out" + SINKS[form].SUFFIX)


def test_every_sink_has_a_reader_here():
    assert READERS.keys() == SINKS.keys()


@pytest.mark.parametrize("layout", [PHYSICAL, RAW], ids=["physical", "raw"])
def test_what_goes_in_comes_out(form, path, layout):
    with SINKS[form](path, layout) as sink:
        sink.write(batch(4, 0, layout))
        sink.write(batch(1, 4, layout))
        sink.write(batch(5, 5, layout))
    rows = READERS[form](path)
    assert [list(row) for row in rows[:1]] == [list(layout.names())]
    for row, wanted in zip(rows, expected(10, layout), strict=True):
        x = wanted["accel_x"]
        assert row["accel_x"] == (None if x is None else pytest.approx(x, rel=1e-14))
        assert row | {"accel_x": x} == wanted


def test_no_rows_are_a_whole_file_too(form, path):
    with SINKS[form](path, PHYSICAL):
        pass
    assert READERS[form](path) == []


def test_nothing_is_there_before_the_end_and_nothing_else_after_it(form, path):
    with SINKS[form](path, PHYSICAL) as sink:
        sink.write(batch())
        assert not path.exists()
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_what_was_there(form, path):
    path.write_text("before")

    def fail():
        with SINKS[form](path, PHYSICAL) as sink:
            sink.write(batch())
            raise RuntimeError("a disk fails")

    with pytest.raises(RuntimeError, match="a disk fails"):
        fail()
    assert path.read_text() == "before"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_an_error(form, tmp_path):
    full = tmp_path / "full"
    full.symlink_to(FULL)

    def fill():
        with SINKS[form](full, PHYSICAL) as sink:
            for at in range(100):
                sink.write(batch(10_000, at * 10_000))

    with pytest.raises(OSError, match="No space left"):
        fill()
    assert FULL.exists()


def test_a_link_is_followed(form, tmp_path):
    real = tmp_path / "real"
    (tmp_path / "link").symlink_to(real)
    with SINKS[form](tmp_path / "link", PHYSICAL) as sink:
        sink.write(batch())
    assert len(READERS[form](real)) == 3
    assert (tmp_path / "link").is_symlink()


def test_a_place_that_cannot_be_is_a_wrong_usage(form, tmp_path):
    with pytest.raises(UsageError, match="is a folder"):
        SINKS[form](tmp_path, PHYSICAL)
    with pytest.raises(UsageError, match="does not exist"):
        SINKS[form](tmp_path / "no" / "file", PHYSICAL)


def test_only_text_goes_to_standard_output(form, capsysbinary):
    if not SINKS[form].TEXT:
        with pytest.raises(UsageError, match="binary"):
            SINKS[form]("-", PHYSICAL)
        return
    with SINKS[form]("-", PHYSICAL) as sink:
        sink.write(batch())
    assert capsysbinary.readouterr().out.count(b"adxl345") == 3


def test_numbers_are_short_and_times_are_rfc_3339(tmp_path):
    with SINKS["csv"](tmp_path / "x.csv", PHYSICAL) as sink:
        sink.write(batch(22))
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert lines[0] == "device,stream,time,accel_x,temperature"
    assert lines[1] == "a0,adxl345,,0.0,"
    assert lines[3] == "a0,adxl345,2026-01-01T00:00:02.000000Z,,"
    assert lines[22] == "a0,adxl345,2026-01-01T00:00:21.000000Z,0.0819,"  # not 0.08189999999999999


def test_parquet_has_times_as_int64_ns_and_units(tmp_path):
    with SINKS["parquet"](tmp_path / "x.parquet", PHYSICAL) as sink:
        sink.write(batch())
    schema = parquet.read_schema(tmp_path / "x.parquet")
    assert schema.field("time").type == pa.timestamp("ns", "UTC")
    assert schema.field("accel_x").metadata[b"unit"] == b"g"
    column = parquet.ParquetFile(tmp_path / "x.parquet").schema.column(2)
    assert column.physical_type == "INT64"


def test_memory_stays_bounded(form, path):
    """Row groups are written on the way, so that the file grows while rows come."""
    with SINKS[form](path, RAW) as sink:
        part = None
        for at in range(40):
            sink.write(batch(10_000, at * 10_000, RAW))
            part = part or next(iter(path.parent.iterdir()))
            if at == 39:
                sink.target.file.flush()
                assert part.stat().st_size > 2000
    assert len(READERS[form](path)) == 400_000


def test_formats_follow_the_name_of_the_file():
    assert format_of("a/b.parquet") == "parquet"
    assert format_of("-") == "csv"
    assert format_of("plain") == "csv"
    assert format_of("b.txt", "jsonl") == "jsonl"
    with pytest.raises(UsageError, match="named as csv, but jsonl was asked for"):
        format_of("b.csv", "jsonl")
    with pytest.raises(UsageError, match=r"no format ends in \.xlsx"):
        format_of("b.xlsx")
    with pytest.raises(UsageError, match="one of csv, jsonl"):
        format_of("-", "xml")

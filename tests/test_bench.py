"""The frame of `make bench`: traces, bound, peers, report; no timing."""

import io
import json

import numpy as np
import pytest
from bench import gorilla, sprintz
from bench.__main__ import BENCHES, run_benches
from bench.bound import bound_bytes_per_value, entropy_bits
from bench.fleet import Fleet
from bench.peers import PEERS, filled, narrow
from bench.report import Report
from bench.store import DEVICES, Turns
from bench.traces import Trace, generated, load, read_csv
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from motekit.errors import UsageError


def written(tmp_path, text, name="accel_test_400hz.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_csv_is_read_as_counts(tmp_path):
    trace = read_csv(written(tmp_path, "time,x,Y y\n2010,1,-7.0\n2011,,2e3\n"))
    assert trace.name == "accel_test_400hz"
    assert trace.channels == ("x", "Y y")
    assert trace.period_s == 1 / 400
    assert trace.columns.tolist() == [[1, 0], [-7, 2000]]
    assert trace.valid.tolist() == [[True, False], [True, True]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 rows"),
        ("x\n", "1 rows"),
        ("1,2\n3,4\n", "row 1 holds numbers"),
        ("x,x\n1,2\n", "a name of its own"),
        ("time\n1\n", "0 channels"),
        ("x,y\n1,2\n3\n", "row 3 has 1 cells, the row of names 2"),
        ("x\n1\n2.5\n", "row 3, column 'x': '2.5' is no integer"),
        ("x\n1\nn/a\n", "row 3, column 'x': 'n/a' is no number"),
        ("x\n1e999\n", "row 2, column 'x': '1e999' is no integer"),
        ("x\nnan\n", "is no integer"),
        ("x\n2147483648\n", "does not fit into 32 bits"),
        ("x\n1_000\n", "row 2, column 'x': '1_000' is no number"),
    ],
)
def test_a_csv_that_is_no_trace_is_refused_with_its_place(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(UsageError, match=message) as caught:
        read_csv(path)
    assert str(path) in str(caught.value)


def test_folders_without_traces_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        load(tmp_path / "absent")
    with pytest.raises(UsageError, match=r"no \.csv file"):
        load(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"x\n\xff\xfe\n")
    with pytest.raises(UsageError, match="cannot be read as CSV"):
        read_csv(path)


def test_generated_traces_are_the_same_every_time():
    first, second = generated(), generated()
    assert [trace.name for trace in first] == [trace.name for trace in second]
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.columns, other.columns)
        assert one.columns.dtype == np.int32


def test_packets_cover_the_trace_and_leave_the_tail():
    columns = np.arange(20, dtype=np.int32).reshape(2, 10)
    valid = np.ones((2, 10), bool)
    valid[1, 5] = False
    parts = list(Trace("t", ("a", "b"), columns, valid, 1.0).packets(4))
    assert [start for start, _, _ in parts] == [0, 4]
    assert parts[0][2] is None
    assert parts[1][2].tolist() == [[True] * 4, [True, False, True, True]]


def test_entropy_of_known_distributions():
    assert entropy_bits(np.zeros(8, int)) == 0
    assert entropy_bits(np.arange(8)) == pytest.approx(3)


def test_the_bound_takes_the_best_predictor():
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 4, 40_000)
    for times in range(3):
        series = noise.astype(np.int32)
        for _ in range(times):
            series = np.cumsum(series, dtype=np.int32)
        for factor in (1, 4):
            trace = Trace("t", ("a",), series[None, :20_000] * factor, None, 1.0)
            assert bound_bytes_per_value(trace) == pytest.approx(2 / 8, rel=0.01)


def test_the_bound_leaves_out_missing_readings():
    columns = np.zeros((1, 100), np.int32)
    columns[0, ::2] = np.random.default_rng(1).integers(0, 1000, 50)
    valid = np.zeros((1, 100), bool)
    valid[0, 1::2] = True
    assert bound_bytes_per_value(Trace("t", ("a",), columns, valid, 1.0)) == 0


INT16 = st.integers(-(2**15), 2**15 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)


@settings(max_examples=50, deadline=None)
@given(st.lists(INT16 | st.integers(-3, 3), min_size=1, max_size=100), st.booleans())
def test_sprintz_round_trips_16_bits(values, fire):
    columns = np.array([values, values[::-1]], np.int16)
    data = sprintz.encode(columns, fire=fire)
    assert np.array_equal(sprintz.decode(data, 2, len(values), np.int16, fire=fire), columns)


@settings(max_examples=50, deadline=None)
@given(st.lists(INT32 | st.integers(-3, 3), min_size=1, max_size=100), st.booleans())
def test_sprintz_round_trips_32_bits(values, fire):
    columns = np.array([values], np.int32)
    data = sprintz.encode(columns, fire=fire)
    assert np.array_equal(sprintz.decode(data, 1, len(values), np.int32, fire=fire), columns)


def test_sprintz_packs_long_runs_of_nothing():
    columns = np.zeros((3, 8 * 300), np.int16)
    data = sprintz.encode(columns, fire=False)
    assert len(data) == -(-2 * (3 * 4 + 8) // 8)
    assert np.array_equal(sprintz.decode(data, 3, 8 * 300, np.int16, fire=False), columns)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats() | st.integers(-5, 5).map(float), min_size=1, max_size=60))
def test_gorilla_round_trips_doubles(values):
    column = np.array(values)
    decoded = gorilla.decode(gorilla.encode(column), len(values))
    assert decoded.tobytes() == column.tobytes()


def test_gorilla_codes_a_repeat_as_one_bit():
    assert len(gorilla.encode(np.full(9, 21.5))) == 9


def test_missing_values_get_the_last_one_and_a_bitmap():
    columns = np.array([[5, 6, 7], [1, 2, 3]], np.int32)
    valid = np.array([[True, False, True], [True, True, False]])
    full, bitmap = filled(columns, valid)
    assert full.tolist() == [[5, 5, 7], [1, 2, 2]]
    assert bitmap == bytes([0b101110_00])


def test_narrow_keeps_every_value():
    assert narrow(np.array([[-32768, 32767]])).dtype == np.int16
    assert narrow(np.array([[32768]])).dtype == np.int32


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_carries_every_class_of_trace(peer):
    if peer.package:
        pytest.importorskip(peer.package)
    for trace in generated():
        for _, columns, valid in list(trace.packets(128))[:3]:
            size = len(peer.encode(columns, valid, trace.period_s))
            assert 0 < size < columns.size * 60


def report_of():
    return Report(Console(file=io.StringIO(), width=200))


def test_tables_fit_into_80_columns():
    out = io.StringIO()
    report = Report(Console(file=out, width=80))
    name = "encode.plain_16_bit.instructions_per_value"
    figure = report.add(name, 2990.0, "instr/value", goal=30000, beside={"json": 16_100.0})
    report.figures_table("Encode", [figure], "What was measured, " * 9)
    sizes = ("32", "128", "240", "512")
    report.table("Sizes", ("samples a packet", *sizes), [["header and tag, bytes", *sizes]])
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert any(name in line and "2,990 instr/value" in line and "met" in line for line in lines)
    assert any("json 16,100" in line for line in lines)


def test_the_report_writes_what_it_was_given(tmp_path):
    report = report_of()
    report.add("a.b", np.float64(1.5), "ratio", goal=2.0, beside={"peer": np.float32(2)})
    report.add("a.c", 3, "Mvalue/s", goal=4, better="higher")
    report.add("a.d", 3, "B")
    report.write(tmp_path / "build" / "bench.json")
    assert json.loads((tmp_path / "build" / "bench.json").read_text()) == [
        {
            "name": "a.b",
            "value": 1.5,
            "unit": "ratio",
            "goal": 2.0,
            "better": "lower",
            "beside": {"peer": 2.0},
        },
        {
            "name": "a.c",
            "value": 3.0,
            "unit": "Mvalue/s",
            "goal": 4,
            "better": "higher",
            "beside": {},
        },
        {"name": "a.d", "value": 3.0, "unit": "B", "goal": None, "better": "lower", "beside": {}},
    ]
    assert "1 of 2 goals met, missed: a.c" in report.summary()


@pytest.mark.parametrize(
    ("name", "better"), [("nodots", "lower"), ("A.b", "lower"), ("a.b", "smaller")]
)
def test_the_report_refuses_names_that_no_reader_expects(name, better):
    with pytest.raises(ValueError, match=r"figure name|better is"):
        report_of().add(name, 1, "B", better=better)


def test_a_figure_is_measured_once():
    report = report_of()
    report.add("a.b", 1, "B")
    with pytest.raises(ValueError, match="twice"):
        report.add("a.b", 2, "B")


def test_what_is_left_out_is_said_once():
    report = report_of()
    for _ in range(2):
        report.missing("no program valgrind", "instructions a value")
    assert len(report.left_out) == 1
    assert "instructions a value (no program valgrind)" in report.summary()


def test_a_bench_that_breaks_does_not_stop_the_others(monkeypatch, caplog):
    monkeypatch.setitem(BENCHES, "broken", ".no_such_bench")
    assert run_benches(["broken", "broken"], report_of(), []) == ["broken", "broken"]
    assert "no_such_bench" in caplog.text


def test_the_store_is_measured_through_the_real_collector(tmp_path):
    trace = next(each for each in generated() if len(each.channels) == 3)
    measured = Turns(tmp_path, Fleet(trace, DEVICES, 32), 100)
    measured.turn(2)
    measured.close()  # which says if anything was not stored
    assert measured.packets == measured.appended == 200

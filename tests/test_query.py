"""Questions to a store: times by hand and by property, ranges, units, resampling."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import motekit
from motekit.errors import MotekitError, UsageError
from motekit.query import columnar
from motekit.query.bounds import bounds, time_ns, where
from motekit.query.clock import Clock
from motekit.query.sampling import start_times
from motekit.store import Anchor, Store
from tests.packets import DEVICE, anchor, note, received, samples, schema

SECOND = 1_000_000  # us
UTC = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z
NOW_NS = (UTC + 3600 * SECOND) * 1000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fleet.motekit"


def fill(path, packets, tail_max_bytes=1 << 20):
    with Store.open(path, create=True) as store:
        store.tail_max_bytes = tail_max_bytes
        for one in packets:
            device, data = one if isinstance(one, tuple) else (DEVICE, one)
            done = store.append([received(data, device)])
            assert (done.new, done.quarantined) == (1, 0)


def steady(n, count=10, period_us=10_000, first_seq=10, start_us=0, **more):
    """Return n packets of a stream whose two channels count up and down."""
    return [
        samples(
            (
                range(i * count, (i + 1) * count),
                range(-i * count, -(i + 1) * count, -1),
            ),
            seq=first_seq + i,
            index=i * count,
            time_us=start_us + i * count * period_us,
            **more,
        )
        for i in range(n)
    ]


def fleet():
    """Return an epoch of ten seconds at 100 Hz whose clock is told at 0 s and at 10 s."""
    return [
        note({"boot": {"reset": "power_on"}}, seq=0),
        note({"schema": schema(rate_hz=100)}, seq=1),
        anchor(UTC, seq=2, time_us=0),
        anchor(UTC + 10 * SECOND, seq=3, time_us=10 * SECOND),
        *steady(100),
    ]


def stamps(column):
    return [str(stamp) for stamp in column]


def test_three_lines_give_numpy_columns_in_units(path):
    fill(path, fleet())
    store = motekit.open(path)
    table = store.read(device=DEVICE, stream="adxl345")
    assert list(table.columns) == ["device", "stream", "time", "accel_x", "accel_y"]
    assert len(table) == 1000
    assert table["accel_x"].dtype == np.float64
    assert table["accel_x"].tolist() == [i * 0.5 for i in range(1000)]
    assert table["accel_y"].tolist() == [-i * 0.5 for i in range(1000)]
    assert set(table["device"]) == {DEVICE}
    assert set(table["stream"]) == {"adxl345"}
    assert table["time"].dtype == np.dtype("datetime64[ns]")
    assert stamps(table["time"][:2]) == [
        "2026-01-01T00:00:00.000000000",
        "2026-01-01T00:00:00.010000000",
    ]
    with pytest.raises(KeyError, match="accel_x"):
        table["accel_z"]
    store.close()


def test_a_value_is_the_integer_times_scale_plus_offset(path):
    table = schema(channels=("temperature",))
    table["channels"] = [["temperature", "Cel", 0.25, -45]]
    fill(path, [note({"schema": table}, seq=0), samples([[0, 180, 400]], seq=1)])
    with motekit.open(path) as store:
        assert store.read()["temperature"].tolist() == [-45, 0, 55]


def test_raw_is_the_untouched_integers_with_the_boards_time(path):
    fill(path, fleet())
    with motekit.open(path) as store:
        table = store.read(raw=True)
    assert list(table.columns)[2:] == ["time", "monotonic_us", "accel_x", "accel_y"]
    assert table["accel_x"].dtype == np.int32
    assert table["accel_x"].tolist() == list(range(1000))
    assert table["monotonic_us"].tolist() == list(range(0, 10_000_000, 10_000))


@pytest.mark.parametrize("tail_max_bytes", [1, 1000, 1 << 20])
@pytest.mark.parametrize(
    ("since", "until", "first", "last"),
    [
        (None, None, 0, 999),
        ("2026-01-01T00:00:05Z", None, 500, 999),
        ("2026-01-01T00:00:04.995Z", "2026-01-01T00:00:05.005Z", 500, 500),
        (None, "2026-01-01T01:00:05+01:00", 0, 499),
        ("2026-01-01 00:00:05", "2026-01-01T00:00:05.010Z", 500, 500),
        ("2025-12-31", "2026-01-01T00:00:00.011Z", 0, 1),
        ("2026-01-01T00:00:09.990Z", "2027-01-01", 999, 999),
        (datetime.fromisoformat("2026-01-01T00:00:05+00:00"), None, 500, 999),
    ],
)
def test_since_is_in_and_until_is_out(path, tail_max_bytes, since, until, first, last):
    fill(path, fleet(), tail_max_bytes)
    with motekit.open(path) as store:
        whole = store.read(raw=True)
        table = store.read(raw=True, since=since, until=until)
    assert table["accel_x"].tolist() == list(range(first, last + 1))
    assert table["time"].tolist() == whole["time"][first : last + 1].tolist()


def test_relative_times_count_from_now(path):
    fill(path, fleet())
    with motekit.open(path) as store:
        now_ns = (UTC + 10 * SECOND) * 1000
        result = store.query(since="-2s", until="-1s", raw=True, now_ns=now_ns)
        rows = [value for batch in result.batches for value in batch.values["accel_x"].tolist()]
    assert rows == list(range(800, 900))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", 3600),
        ("-1h", 0),
        ("-90s", 3510),
        ("-1.5m", 3510),
        ("2026-01-01T00:00:01.5Z", 1.5),
        ("2026-01-01T02:00:00+02:00", 0),
        ("2026-01-01T00:00:00.000000001Z", 1e-9),
        ("2026-01-02", 86_400),
        ("1970-01-01T00:00:00Z", -UTC / SECOND),
    ],
)
def test_times_that_can_be_asked_for(text, seconds):
    assert time_ns(text, NOW_NS, "since") == UTC * 1000 + round(seconds * 1e9)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "-1", "-1 year", "25:00", "9999-01-01", "-0s", "1e9"]
)
def test_a_bad_time_is_a_wrong_usage(text):
    with pytest.raises(
        UsageError, match=r"since .*a (time|time before now|duration) such as"
    ) as caught:
        time_ns(text, NOW_NS, "since")
    assert caught.value.exit_code == 2


def test_an_empty_range_is_a_wrong_usage():
    with pytest.raises(UsageError, match="not before"):
        bounds(NOW_NS, "-1h", "-2h")


def test_where_takes_device_and_stream():
    assert where(["device=a,b", "stream=s", "device=c"]) == {
        "device": ["a", "b", "c"],
        "stream": ["s"],
    }
    for wrong in ("device", "device=", "board=x", "=x"):
        with pytest.raises(UsageError, match="device=NAME"):
            where([wrong])


def test_an_unknown_device_or_stream_names_those_there_are(path):
    fill(path, fleet())
    with motekit.open(path) as store:
        with pytest.raises(UsageError, match=rf"device nobody.*{DEVICE}"):
            store.read(device="nobody")
        with pytest.raises(UsageError, match=r"stream sht4x.*adxl345"):
            store.read(stream="sht4x")


def test_a_device_goes_by_its_boards_name_where_that_is_clear(path):
    named = {"boot": {"reset": "power_on", "board": "b", "name": "mill"}}
    twins = ("000000000001", "000000000002")
    more = [(id_, note({"boot": {"board": "b"}}, device=id_, seq=0)) for id_ in twins]
    fill(
        path, [note(named, seq=0), note({"schema": schema()}, seq=1), samples(((5,),) * 2, seq=2)]
    )
    fill(path, more)
    with motekit.open(path) as store:
        assert set(store.read("mill")["device"]) == {DEVICE}
        assert store.streams("mill") == ["adxl345"]
        (part,) = store.by_stream("mill")
        assert (part.device, part.label, part.stream) == (DEVICE, "mill", "adxl345")
        with pytest.raises(UsageError, match=f"2 devices are called so.*{', '.join(twins)}"):
            store.read("b")
        with pytest.raises(UsageError, match=rf"there are: .*mill \({DEVICE}\)"):
            store.read("mil")


def test_an_epoch_without_anchors_has_empty_time_and_no_range(path):
    fill(path, [note({"schema": schema(rate_hz=100)}, seq=0), *steady(3, first_seq=1)])
    with motekit.open(path) as store:
        table = store.read(raw=True)
        assert np.isnat(table["time"]).all()
        assert table["monotonic_us"].tolist() == list(range(0, 300_000, 10_000))
        later = store.read(since="1970-01-01")
        assert len(later) == 0
        assert later.notes == [
            "30 samples left out: they have no UTC, and a time range was asked for"
        ]


def test_data_from_before_the_first_anchor_gets_its_time(path):
    late = anchor(UTC + 10 * SECOND, seq=200, time_us=10 * SECOND)
    fill(path, [note({"schema": schema(rate_hz=100)}, seq=0), *steady(2, first_seq=1), late])
    with motekit.open(path) as store:
        table = store.read()
    assert stamps(table["time"][:2]) == [
        "2026-01-01T00:00:00.000000000",
        "2026-01-01T00:00:00.010000000",
    ]


def test_mixed_streams_give_the_union_of_channels(path):
    other = schema(1, 1, "sht4x", ("temperature", "accel_x"), period_ms=1000)
    packets = [
        note({"schema": schema(rate_hz=100)}, seq=0),
        note({"schema": other}, seq=1),
        samples(((1,), (2,)), seq=2),
        samples(((3,), (4,)), seq=3, stream=1, schema=1),
    ]
    fill(path, packets)
    with motekit.open(path) as store:
        table = store.read(raw=True)
    assert list(table.columns)[4:] == ["accel_x", "accel_y", "temperature"]
    assert table["accel_x"].tolist() == [1, 4]
    assert table["accel_y"].tolist() == [2, None]
    assert table["temperature"].tolist() == [None, 3]
    assert table["stream"].tolist() == ["adxl345", "sht4x"]


def test_an_invalid_reading_is_empty_and_never_nan(path):
    packets = [
        note({"schema": schema(rate_hz=100)}, seq=0),
        samples(((1, 2, 3), (4, 5, 6)), seq=1, invalid=[(0, 1), (1, 2)]),
    ]
    fill(path, packets)
    with motekit.open(path) as store:
        table = store.read()
    assert table["accel_x"].tolist() == [0.5, None, 1.5]
    assert table["accel_y"].tolist() == [2.0, 2.5, None]
    assert not np.isnan(np.asarray(table["accel_x"])).any()


def test_a_stream_without_schema_is_there_raw_and_counted_otherwise(path):
    fill(path, [samples(((7, 8), (9, 10)), seq=0)])
    with motekit.open(path) as store:
        raw = store.read(raw=True)
        assert raw["channel_0"].tolist() == [7, 8]
        assert set(raw["stream"]) == {"stream-0"}
        physical = store.read()
        assert len(physical) == 0
        assert "2 samples left out: no schema of stream-0" in physical.notes[0]


@pytest.mark.parametrize("raw", [False, True])
def test_packets_that_do_not_fit_their_schema_are_counted(path, raw):
    head = note({"schema": schema(channels=("x",))}, seq=0)
    fill(path, [head, samples(((1, 2),), seq=1), samples(((3,), (4,)), seq=2)])
    with motekit.open(path) as store:
        table = store.read(raw=raw)
    assert len(table["x"]) == 2
    assert table.notes == ["1 samples left out: their packet does not fit the schema of adxl345"]


def test_samples_that_carry_their_times_keep_them(path):
    steps = [0, 1_000_000, 1_000_500, 3]
    packets = [
        note({"schema": schema(channels=("pm2_5",))}, seq=0),
        samples(((1, 2, 3, 4),), seq=1, time_us=5000, steps_us=steps),
    ]
    fill(path, packets)
    with motekit.open(path) as store:
        table = store.read(raw=True)
    assert table["monotonic_us"].tolist() == [5000, 1_005_000, 2_005_500, 2_005_503]


def test_verified_leaves_the_others_out(path):
    with Store.open(path, create=True) as store:
        store.append(
            [
                received(note({"schema": schema()}, generation=1, seq=0), verified=True),
                received(samples(((1,), (2,)), generation=1, seq=1), verified=True),
                received(samples(((3,), (4,)), generation=1, seq=2), verified=False),
            ]
        )
    with motekit.open(path) as store:
        assert store.read(raw=True)["accel_x"].tolist() == [1, 3]
        assert store.read(raw=True, verified=True)["accel_x"].tolist() == [1]


def test_resampling_tells_mean_least_greatest_and_count(path):
    fill(path, fleet())
    with motekit.open(path) as store:
        table = store.read(
            every="1s", since="2026-01-01T00:00:01.5Z", until="2026-01-01T00:00:03Z"
        )
        with pytest.raises(UsageError, match="take one"):
            store.read(every="1s", raw=True)
        with pytest.raises(UsageError, match="a duration such as"):
            store.read(every="often")
    assert list(table.columns)[3:7] == [
        "accel_x_mean",
        "accel_x_min",
        "accel_x_max",
        "accel_x_count",
    ]
    assert stamps(table["time"]) == [
        "2026-01-01T00:00:01.000000000",
        "2026-01-01T00:00:02.000000000",
    ]
    assert table["accel_x_count"].tolist() == [50, 100]
    assert table["accel_x_min"].tolist() == [75.0, 100.0]
    assert table["accel_x_max"].tolist() == [99.5, 149.5]
    assert table["accel_x_mean"].tolist() == [87.25, 124.75]
    assert table["accel_y_max"].tolist() == [-75.0, -100.0]


def test_spans_in_which_two_runs_overlap_are_told_once(path):
    """The second run begins, by a clock that was set back, 4 s before the first one ends."""
    second = [
        note({"schema": schema(rate_hz=100)}, epoch=2, seq=1),
        anchor(UTC + 6 * SECOND, epoch=2, seq=2, time_us=0),
        anchor(UTC + 16 * SECOND, epoch=2, seq=3, time_us=10 * SECOND),
        *steady(100, epoch=2),
    ]
    fill(path, [*fleet(), *second])
    with motekit.open(path) as store:
        table = store.read(every="2s")
        assert stamps(table["time"]) == sorted(set(stamps(table["time"])))
        assert list(table["accel_x_count"]) == [200, 200, 200, 400, 400, 200, 200, 200]
        rows = store.read()
        early = rows["time"] < rows["time"].min() + np.timedelta64(8, "s")
        late = ~early & (rows["time"] < rows["time"].min() + np.timedelta64(10, "s"))
        assert table["accel_x_mean"][4] == pytest.approx(rows["accel_x"][late].mean())
        assert table["accel_x_max"][4] == pytest.approx(rows["accel_x"][late].max())


def test_resampling_a_span_of_invalid_readings_is_empty(path):
    packets = [
        note({"schema": schema(rate_hz=1)}, seq=0),
        anchor(UTC, seq=1),
        samples(((2, 4), (6, 8)), seq=2, time_us=0, invalid=[(0, 0), (0, 1), (1, 0)]),
    ]
    fill(path, packets)
    with motekit.open(path) as store:
        table = store.read(every="1m")
    assert table["accel_x_mean"].tolist() == [None]
    assert table["accel_x_count"].tolist() == [0]
    assert table["accel_y_mean"].tolist() == [4.0]


def test_rows_come_by_device_stream_and_time_of_start(path):
    """The second epoch came first, as after an outage of the collector."""
    packets = []
    for epoch, start_s, value in ((8, 100, 2), (7, 50, 1)):
        packets += [
            note({"schema": schema(channels=("x",))}, epoch=epoch, seq=0),
            anchor(UTC + start_s * SECOND, epoch=epoch, seq=1),
            samples(((value,),), epoch=epoch, seq=2),
        ]
    fill(path, packets)
    with motekit.open(path) as store:
        assert store.read(raw=True)["x"].tolist() == [1, 2]


def test_arrow_names_the_extra_that_is_missing(path, monkeypatch):
    fill(path, fleet())
    with motekit.open(path) as store:
        table = store.read()
        arrow = table.arrow()
        assert arrow.column_names == list(table.columns)
        assert arrow["accel_x"].to_pylist() == table["accel_x"].tolist()
        assert arrow.schema.field("accel_x").metadata == {b"unit": b"g"}

        def absent(module):
            raise ImportError(module)

        monkeypatch.setattr(columnar.importlib, "import_module", absent)
        with pytest.raises(MotekitError, match=r"pip install 'motekit\[arrow\]'"):
            table.arrow()


def test_open_takes_the_store_that_the_environment_names(path, monkeypatch):
    fill(path, fleet())
    monkeypatch.setenv("MOTEKIT_STORE", str(path))
    with motekit.open() as store:
        assert store.devices() == [DEVICE]
        assert store.streams() == ["adxl345"]
    monkeypatch.delenv("MOTEKIT_STORE")
    with pytest.raises(UsageError, match="--store FILE"):
        motekit.open()


# The clock, by hand. Times in us.


def utc_us(anchors, *times_us):
    clock = Clock([Anchor(*a) for a in anchors])
    return [t // 1000 for t in clock.utc_ns(np.array(times_us, np.int64) * 1000).tolist()]


def test_between_anchors_time_is_linear():
    anchors = [(0, UTC, 3, 0), (1000, UTC + 1100, 3, 0), (2000, UTC + 2000, 3, 0)]
    assert utc_us(anchors, 0, 500, 1000, 1500, 2000) == [
        UTC,
        UTC + 550,
        UTC + 1100,
        UTC + 1550,
        UTC + 2000,
    ]


def test_outside_anchors_time_runs_at_the_nearest_rate_with_lower_quality():
    hour = 3600 * SECOND
    drift = hour // 10_000  # 100 ppm
    anchors = [(hour, UTC, 3, 1000), (2 * hour, UTC + hour + drift, 3, 1000)]
    assert utc_us(anchors, 0, 3 * hour) == [UTC - hour - drift, UTC + 2 * (hour + drift)]
    clock = Clock([Anchor(*a) for a in anchors])
    times = np.array([0, hour, 2 * hour, 3 * hour], np.int64) * 1000
    assert clock.qualities(times).tolist() == [2, 3, 3, 2]


def test_a_rate_that_anchors_cannot_tell_is_taken_as_one():
    anchors = [(0, UTC, 3, 50_000), (SECOND, UTC + SECOND + 20_000, 3, 50_000)]
    assert utc_us(anchors, 11 * SECOND) == [UTC + 11 * SECOND + 20_000]


def test_a_clock_that_was_set_bends_nothing_beyond():
    hour = 3600 * SECOND
    anchors = [(0, UTC, 3, 0), (hour, UTC + 3 * hour, 3, 0)]
    assert utc_us(anchors, 2 * hour) == [UTC + 4 * hour]


def test_anchors_of_the_best_quality_count_alone():
    assert utc_us([(0, 5, 1, 0), (1000, UTC, 2, 0), (2000, 7, 0, 0)], 0) == [UTC - 1000]
    assert not Clock([Anchor(0, UTC, 0, 0)])
    assert not Clock([])


YEARS = 20 * 365 * 86400 * SECOND
TEN_MIN = 600 * SECOND


def told(*offs_us, every_us=TEN_MIN):
    """Return anchors of a board whose host is off by so much at each."""
    return [(i * every_us, UTC + i * every_us + off, 3, 1000) for i, off in enumerate(offs_us)]


@pytest.mark.parametrize(
    ("offs", "refused"),
    [
        ((0, YEARS, 0), [1]),
        ((0, -YEARS, 0, 0), [1]),
        ((0, YEARS, YEARS, YEARS, 0), [1, 2, 3]),
        ((0, 0, YEARS, -YEARS, 0), [2, 3]),
        ((0, 0, 5 * SECOND, 0), [2]),  # of a board whose line was slow, and said it was not
        ((YEARS, 0, 0, YEARS, 0), [0, 3]),
    ],
)
def test_anchors_that_those_around_them_contradict_are_refused(offs, refused):
    anchors = told(*offs)
    clock = Clock([Anchor(*a) for a in anchors])
    assert clock.refused == tuple(Anchor(*anchors[i]) for i in refused)
    times = np.arange(0, (len(offs) - 1) * TEN_MIN, TEN_MIN // 7) * 1000
    assert not clock.doubtful(times).any()
    assert (clock.utc_ns(times) - times == UTC * 1000).all()
    assert clock.qualities(times)[len(times) // 2] == 3


@pytest.mark.parametrize("off", [YEARS, -YEARS, 30 * SECOND])
def test_where_a_clock_was_set_for_good_nothing_is_interpolated(off):
    """Nobody can tell who is right: up to the first that is other, time runs on, in doubt."""
    clock = Clock([Anchor(*a) for a in told(0, 0, off, off)])
    assert clock.refused == ()
    assert clock.apart_us == abs(off)
    times = np.array([0, 599, 601, 1199, 1201, 1801], np.int64) * SECOND * 1000
    wanted = [UTC, UTC, UTC, UTC, UTC + off, UTC + off]
    assert (clock.utc_ns(times) - times == np.array(wanted) * 1000).all()
    assert clock.doubtful(times).tolist() == [False, False, True, True, False, False]
    assert clock.qualities(times).tolist() == [3, 3, 2, 2, 3, 2]


def test_a_crystal_that_is_far_off_is_believed():
    drift = [round(i * TEN_MIN * 2e-3) for i in range(6)]
    clock = Clock([Anchor(*a) for a in told(*drift)])
    assert clock.refused == ()
    assert not clock.doubtful(np.array([0, 5 * TEN_MIN]) * 1000).any()


HOUR = 3600 * SECOND
DAY = 24 * HOUR


def at(*told_us):
    """Return anchors of (the board's time, by how much the host is off)."""
    return [Anchor(time, UTC + time + off, 3, 1000) for time, off in told_us]


@pytest.mark.parametrize(
    ("anchors", "asked"),
    [
        (at((0, 0), (TEN_MIN, 0), (30 * DAY, HOUR)), 15 * DAY),
        (at((0, 0), (TEN_MIN, 0), (30 * DAY, HOUR), (30 * DAY + TEN_MIN, HOUR)), 15 * DAY),
        (at((0, 0), (HOUR, 0), (2 * HOUR, 10 * SECOND), (3 * HOUR, 10 * SECOND)), 3 * HOUR // 2),
    ],
)
def test_what_no_crystal_does_is_in_doubt_after_a_long_silence_too(anchors, asked):
    """A host that is an hour off after a month, or a board that stood still within an hour."""
    clock = Clock(anchors)
    times = np.array([asked * 1000])
    assert clock.utc_ns(times) - times == UTC * 1000
    assert clock.doubtful(times).all()
    assert clock.refused == ()
    assert clock.apart_us == anchors[-1].utc_us - anchors[-1].time_us - UTC


def test_a_right_anchor_after_a_wrong_one_after_a_long_silence_refuses_it():
    anchors = at((0, 0), (TEN_MIN, 0), (30 * DAY, HOUR), (30 * DAY + 2 * TEN_MIN, 0))
    clock = Clock(anchors)
    assert clock.refused == (anchors[2],)
    times = np.arange(0, 30 * DAY, DAY) * 1000
    assert (clock.utc_ns(times) - times == UTC * 1000).all()
    assert not clock.doubtful(times).any()


@pytest.mark.parametrize("every_us", [TEN_MIN, HOUR, DAY])
@pytest.mark.parametrize("off", [2.9e-3, -2e-3, 250e-6])
def test_a_crystal_that_is_far_off_all_the_time_bends_nothing(every_us, off):
    clock = Clock(at(*((i * every_us, round(i * every_us * off)) for i in range(6))))
    assert (clock.refused, clock.apart_us) == ((), 0)
    times = np.arange(0, 5 * every_us, every_us // 7) * 1000
    assert np.abs(clock.utc_ns(times) - UTC * 1000 - times * (1 + off)).max() < 2000
    assert not clock.doubtful(times).any()


@pytest.mark.parametrize("off", [2e-3, -0.05])
def test_a_crystal_that_goes_far_off_for_a_while_has_no_anchor_refused(off):
    late = [round(min(max(i - 2.5, 0), 3.3) * TEN_MIN * off) for i in range(9)]
    clock = Clock([Anchor(*a) for a in told(*late)])
    assert clock.refused == ()


def test_any_number_of_anchors_that_all_contradict_each_other_is_looked_at_once():
    anchors = [Anchor(i * TEN_MIN, UTC + i * i % 977 * YEARS // 50, 3, 0) for i in range(20_000)]
    clock = Clock(anchors)
    assert clock
    assert len(clock.refused) < len(anchors)


def test_times_that_anchors_do_not_tell_are_told_to_be_in_doubt(path):
    offs = {0: 0, 5: YEARS, 6: 0, 12: 30 * SECOND, 20: 30 * SECOND}
    anchors = [
        anchor(UTC + s * SECOND + off, seq=2 + i, time_us=s * SECOND)
        for i, (s, off) in enumerate(offs.items())
    ]
    fill(path, [*fleet()[:2], *anchors, *steady(200)])
    with motekit.open(path) as store:
        table = store.read()
    seconds = (table["time"] - np.datetime64(UTC, "us")) / np.timedelta64(1, "s")
    assert (np.diff(seconds)[:1199] < 0.02).all()  # 100 a second, up to the 12th
    refused, doubt = table.notes
    assert refused.endswith("1 time anchors not believed, those before and after contradict them")
    assert "600 samples may be off by up to 30 s" in doubt


ANCHORS = st.lists(
    st.tuples(
        st.integers(1, 10**10),
        st.one_of(st.integers(-(10**6), 10**6), st.sampled_from([10**9, 10**14])),
        st.integers(0, 10**5),
    ),
    min_size=1,
    max_size=6,
)


@given(rows=ANCHORS, start=st.integers(0, 10**12), asked=st.integers(-(10**11), 10**11))
def test_the_monotonic_bounds_enclose_what_a_range_selects(rows, start, asked):
    anchors = []
    time_us, utc = start, UTC
    for step, off, error in rows:
        anchors.append(Anchor(time_us, utc, 2, error))
        time_us += step
        utc += max(step + off, 1)
    clock = Clock(anchors)
    bound = (UTC + asked) * 1000
    at = {clock.earliest_ns(bound), clock.latest_ns(bound), 0, time_us * 1000}
    times = np.array(sorted(t + d for t in at for d in (-(10**9), -1, 0, 1, 10**9) if t + d >= 0))
    utc_ns = clock.utc_ns(times)
    slack = 10  # ns, of rounding
    assert not (times[utc_ns >= bound + slack] < clock.earliest_ns(bound) - slack).any()
    assert not (times[utc_ns < bound - slack] > clock.latest_ns(bound) + slack).any()
    for known in anchors:
        assert utc_us([*anchors], known.time_us) == [known.utc_us]


# True rates.


@settings(deadline=None)
@given(
    packets=st.integers(2, 60),
    count=st.integers(2, 100),
    period_us=st.integers(600, 2_000_000),
    off=st.floats(-0.05, 0.05),
    seed=st.integers(0, 1000),
)
def test_the_true_rate_is_found_through_jitter(packets, count, period_us, off, seed):
    """The sensor runs up to 5 % off its nominal rate; the board notes times up to 5 ms late."""
    random = np.random.default_rng(seed)
    index = np.arange(packets) * count
    true_ns = index * period_us * 1000.0 * (1 + off)
    noted_ns = (true_ns + random.uniform(0, 5e6, packets)).astype(np.int64)
    counts = np.full(packets, count)
    start, step = start_times(index, noted_ns, counts, period_us * 1000.0)
    mean_late = 2.5e6
    assert np.abs(start - true_ns - mean_late).max() <= 5e6
    if packets > 20:
        spread = np.std((start - true_ns)[8:-8])
        assert spread < 0.6 * np.std((noted_ns - true_ns)[8:-8]) + 1
        assert np.abs(step[8:-8] * count - np.diff(true_ns)[0]).max() < 2.5e6
    assert (step > 0).all()


def test_without_jitter_times_are_exact():
    index = np.arange(50) * 32
    time = index * 625_000 + 10**15
    start, step = start_times(index, time, np.full(50, 32), 600_000.0)
    assert start.tolist() == time.tolist()
    assert step == pytest.approx(np.full(50, 625_000))


def test_a_pause_of_the_sensor_is_no_drift():
    """Ten minutes of silence that the index does not know."""
    index = np.arange(40) * 10
    time = index * 10_000_000 + np.where(np.arange(40) >= 20, 600 * 10**9, 0)
    start, step = start_times(index, time, np.full(40, 10), 10_000_000.0)
    assert start.tolist() == time.tolist()
    assert step == pytest.approx(np.full(40, 1e7))


def test_lost_samples_leave_a_gap_in_the_index_and_keep_the_rate():
    index = np.concatenate([np.arange(20) * 10, np.arange(20) * 10 + 700])
    time = index * 10_000_000
    start, step = start_times(index, time, np.full(40, 10), None)
    assert start.tolist() == time.tolist()
    assert step == pytest.approx(np.full(40, 1e7))


def test_times_do_not_depend_on_the_range_or_on_what_is_sealed(path, tmp_path):
    random = np.random.default_rng(5)
    head = [
        note({"schema": schema(rate_hz=100)}, seq=0),
        anchor(UTC, seq=1),
    ]
    packets = [
        samples(
            (range(i * 10, i * 10 + 10), range(10)),
            seq=2 + i,
            index=10 * i,
            time_us=100_000 * i + int(random.integers(0, 5000)),
        )
        for i in range(300)
    ]
    fill(path, head + packets)
    fill(tmp_path / "sealed.motekit", head + packets, 500)
    with motekit.open(path) as store:
        whole = store.read(raw=True)
        part = store.read(raw=True, since="2026-01-01T00:00:12Z", until="2026-01-01T00:00:15Z")
    with motekit.open(tmp_path / "sealed.motekit") as store:
        sealed = store.read(raw=True)
    assert whole["time"].tolist() == sealed["time"].tolist()
    assert (np.diff(whole["time"]) > np.timedelta64(0)).all()
    at = int(part["accel_x"][0])
    assert len(part) > 290
    assert part["time"].tolist() == whole["time"][at : at + len(part)].tolist()

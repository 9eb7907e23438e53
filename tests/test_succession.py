"""Roles that go from one device to another: asked for by name, each device for its time."""

import json
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import motekit
from motekit.cli import app
from motekit.errors import StoreError, UsageError
from motekit.query.devices import retired
from motekit.store import Store, database, succeed
from tests.packets import DEVICE, anchor, note, received, samples, schema

OTHER = "0a0a0a0a0a0a"
SECOND = 1_000_000
UTC = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fleet.motekit"


def fill(path, device, from_s, count=10):
    """Store one sample a second of a device that calls itself roof."""
    packets = [
        note({"boot": {"reset": "power_on", "name": "roof"}}, seq=0, device=device),
        note({"schema": schema(period_ms=1000)}, seq=1, device=device),
        anchor(UTC + from_s * SECOND, seq=2, time_us=0),
        anchor(UTC + (from_s + 10) * SECOND, seq=3, time_us=10 * SECOND),
    ]
    for i in range(count):
        one = samples(((i,), (0,)), seq=4 + i, index=i, time_us=i * SECOND, device=device)
        packets.append(one)
    with Store.open(path, create=True) as store:
        store.append([received(data, device) for data in packets])


def seconds(path, **asked):
    """Return {device: seconds of its rows} of an answer."""
    with motekit.open(path) as store:
        table = store.read(**asked)
    found = {}
    for device, time in zip(table["device"], table["time"], strict=True):
        found.setdefault(device, []).append((int(time.astype("i8")) // 1000 - UTC) // SECOND)
    return found


def test_a_role_is_each_of_its_devices_for_its_time(path):
    fill(path, DEVICE, 0)
    fill(path, OTHER, 5)
    with pytest.raises(UsageError, match="2 devices are called so"):
        seconds(path, device="roof")
    assert succeed(path, "roof", DEVICE, OTHER, UTC + 8 * SECOND)
    assert seconds(path, device="roof") == {
        DEVICE: [0, 1, 2, 3, 4, 5, 6, 7],
        OTHER: [8, 9, 10, 11, 12, 13, 14],
    }
    assert seconds(path, device=DEVICE) == {DEVICE: list(range(10))}
    assert seconds(path, device=["roof", OTHER])[OTHER] == list(range(5, 15))
    within = {"since": "2026-01-01T00:00:06Z", "until": "2026-01-01T00:00:10Z"}
    assert seconds(path, device="roof", **within) == {DEVICE: [6, 7], OTHER: [8, 9]}
    assert {len(times) for times in seconds(path).values()} == {10}
    with motekit.open(path) as store:
        (row, *_) = store.read(device="roof", every="1d")["accel_x_count"].tolist()
        assert row == 8


def test_a_role_may_come_back(path):
    fill(path, DEVICE, 0)
    fill(path, OTHER, 0)
    succeed(path, "roof", DEVICE, OTHER, UTC + 3 * SECOND)
    succeed(path, "roof", OTHER, DEVICE, UTC + 6 * SECOND)
    assert seconds(path, device="roof") == {DEVICE: [0, 1, 2, 6, 7, 8, 9], OTHER: [3, 4, 5]}
    with motekit.open(path) as store:
        counts = store.read(device="roof", every="1d")
    assert dict(zip(counts["device"], counts["accel_x_count"], strict=True)) == {
        DEVICE: 7,
        OTHER: 3,
    }


def test_to_note_it_twice_is_to_note_it_once(path):
    fill(path, DEVICE, 0)
    assert succeed(path, "roof", DEVICE, OTHER, UTC)
    assert not succeed(path, "roof", DEVICE, OTHER, UTC + SECOND)
    with Store.open(path, readonly=True) as store:
        assert [tuple(term) for term in store.succession()] == [
            ("roof", DEVICE, 0, UTC),
            ("roof", OTHER, UTC, None),
        ]
        assert retired(store) == {DEVICE: "roof"}
    with pytest.raises(StoreError, match="has changed hands at or after that moment"):
        succeed(path, "roof", OTHER, DEVICE, UTC)


def test_it_is_noted_while_a_collector_writes(path):
    fill(path, DEVICE, 0)
    with Store.open(path) as collecting:
        succeed(path, "roof", DEVICE, OTHER, UTC)
        late = samples(((1,), (0,)), seq=50, index=50, time_us=50 * SECOND)
        assert collecting.append([received(late, DEVICE)]).new == 1
        assert retired(collecting) == {DEVICE: "roof"}
    assert seconds(path, device=DEVICE)[DEVICE][-1] == 50, "a retired one is collected still"


def test_a_store_of_before_is_read_as_it_is_and_changed_by_who_writes(path):
    fill(path, DEVICE, 0)
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE succession")
        db.execute("DROP TABLE health")
        db.execute("PRAGMA user_version = 1")
    db.close()
    assert len(seconds(path, device="roof")[DEVICE]) == 10
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()
    Store.open(path).close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (database.FORMAT,)
        assert db.execute("SELECT count(*) FROM succession").fetchone() == (0,)
    db.close()
    assert succeed(path, "roof", DEVICE, OTHER, UTC)


def test_status_says_who_is_retired_and_where_takes_a_name(path):
    fill(path, DEVICE, 0)
    fill(path, OTHER, 5)
    succeed(path, "roof", DEVICE, OTHER, UTC + 8 * SECOND)
    run = CliRunner().invoke
    said = run(app, ["status", "--store", str(path)]).stdout
    assert "roof (retired)" in said
    rows = [
        json.loads(x)
        for x in run(app, ["status", "--store", str(path), "--json"]).stdout.splitlines()
    ]
    assert {row["device"]: row.get("retired_from") for row in rows} == {
        DEVICE: "roof",
        OTHER: None,
    }
    done = run(app, ["query", "--store", str(path), "--where", "name=roof", "--json"])
    assert len(done.stdout.splitlines()) == 15


MOMENTS = st.lists(st.tuples(st.integers(1, 60), st.sampled_from("abc")), max_size=6)


@settings(max_examples=20, deadline=None)
@given(MOMENTS)
def test_whoever_has_a_role_has_it_alone(tmp_path_factory, moments):
    path = tmp_path_factory.mktemp("store") / "s.motekit"
    Store.open(path, create=True).close()
    held = ["a"] * 61
    last = 0
    for moment, device in moments:
        if device == held[-1]:
            assert not succeed(path, "r", held[-1], device, moment)
        elif moment <= last:
            with pytest.raises(StoreError):
                succeed(path, "r", held[-1], device, moment)
        else:
            assert succeed(path, "r", held[-1], device, moment)
            held[moment:] = [device] * (61 - moment)
            last = moment
    with Store.open(path, readonly=True) as store:
        terms = store.succession()
    for moment in range(61):
        there = [t.device for t in terms if t.since_us <= moment < (t.until_us or 61)]
        assert there == [held[moment]] or not terms

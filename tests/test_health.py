"""How full boards said last that their queues are: kept in a store, shown by `motekit status`."""

import json
import sqlite3
import subprocess
import sys

import pytest

from motekit.store import Store
from tests.packets import DEVICE, note, received, samples, schema

OTHER = "000000000001"
UTC_US = 1_767_225_600_000_000
STATUS = {
    "queue_bytes": 512,
    "queue_size_bytes": 6144,
    "queue_dropped": 3,
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "fleet.motekit"
    with Store.open(path, create=True) as store:
        store.append(
            [
                received(note({"schema": schema(channels=("x",))}, seq=0), DEVICE),
                received(samples(((5,),), seq=1), DEVICE),
            ]
        )
    return path


def told(path):
    with Store.open(path, readonly=True) as store:
        return store.health()


def status(path, *args):
    command = [sys.executable, "-m", "motekit", "status", "--store", str(path), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_it_goes_with_the_next_packets_or_by_itself_if_none_come(path):
    with Store.open(path) as store:
        store.told(DEVICE, STATUS, UTC_US)
        assert told(path) == {}
        store.append([received(samples(((6,),), seq=2, index=1), DEVICE)])
        assert told(path)[DEVICE].queue_size_bytes == 6144
        store.told(DEVICE, {**STATUS, "queue_bytes": 7}, UTC_US + 1)
        assert told(path)[DEVICE].queue_bytes == 512
        store.told(DEVICE, {**STATUS, "queue_bytes": 8}, UTC_US + 2)
        assert told(path)[DEVICE].queue_bytes == 8
        store.told(OTHER, STATUS, UTC_US)
    assert set(told(path)) == {DEVICE, OTHER}


@pytest.mark.parametrize(
    "said", [{}, {"queue_bytes": -1, "queue_dropped": None}, {"queue_size_bytes": "x"}]
)
def test_nonsense_of_a_board_is_kept_as_unknown(path, said):
    with Store.open(path) as store:
        store.told(DEVICE, said, UTC_US)
    health = told(path)[DEVICE]
    assert health == (UTC_US, None, None, None)
    assert "adxl345" in status(path)


def test_status_shows_the_queue(path):
    with Store.open(path) as store:
        store.told(DEVICE, STATUS, UTC_US)
    head, row = status(path).splitlines()
    assert "queue" in head
    assert "0.5/6 KiB" in row
    health = json.loads(status(path, "--json"))["health"]
    assert health["time"] == "2026-01-01T00:00:00.000000Z"
    assert (health["queue_bytes"], health["queue_size_bytes"], health["queue_dropped"]) == (
        *(512, 6144, 3),
    )


def test_a_store_of_before_says_nothing_of_it(path):
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE health")
        db.execute("PRAGMA user_version = 2")
    db.close()
    assert told(path) == {}
    assert json.loads(status(path, "--json"))["health"] is None
    with Store.open(path) as store:
        store.told(DEVICE, STATUS, UTC_US)
    assert set(told(path)) == {DEVICE}

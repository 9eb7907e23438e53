"""What a session does for its board: the time, whatever the line does to requests; its health."""

from types import SimpleNamespace

import pytest

from motefw.packet import NOTE
from motekit.client import NoReplyError
from motekit.collector.caretaker import STATUS_EVERY_S, Caretaker
from motekit.collector.live import Live

UTC_S = 1_800_000_000.0
STORE = SimpleNamespace(told=lambda *_: None)  # a board's health is kept elsewhere


class SlowLine:
    """A board that booted at UTC_S, behind a line of which each answer takes its own time."""

    def __init__(self, trips):
        self.trips = list(trips)  # (seconds there, seconds back), None: no answer
        self.now_s = 100.0
        self.anchors = []
        self.asked_s = []
        self.pipe = SimpleNamespace(stats=SimpleNamespace(frames_bad=0))
        self.round_trip_s = 0.0

    def monotonic(self):
        return self.now_s

    def utc(self):
        return UTC_S + self.now_s

    def request(self, name, args):
        trip = self.trips.pop(0)
        if trip is None:
            self.now_s += 9
            raise NoReplyError(name)
        self.now_s += trip[0]
        uptime_us = round(self.now_s * 1e6)
        self.now_s += trip[1]
        self.round_trip_s = sum(trip)
        if name == "status":
            self.asked_s.append(self.now_s)
            state = "starting" if len(self.asked_s) < 2 else "ok"
            return {"sensors": [{"name": "pms5003", "state": state}]}
        if name == "time.get":
            return {"uptime_us": uptime_us}
        self.anchors.append(args)
        return {}


def caretaker(line):
    return Caretaker(line, STORE, Live(), lambda _kind, _text: None, line)


@pytest.mark.parametrize(
    "trips",
    [
        [(0.01, 0.02), (0, 0)],
        [(0.01, 0.02), (3.0, 0)],
        [(0.9, 0.01), (0.01, 0.9), (0.04, 0.01), (3.0, 3.0)],
        [(0.3, 0.01), (0.9, 0.01), (0.9, 0.01), (0.01, 0.9), (0.3, 0)],
    ],
    ids=["good", "set late", "good at last", "never good"],
)
def test_an_anchor_is_right_within_what_it_says(trips):
    line = SlowLine(trips)
    caretaker(line).set_time()
    (anchor,) = line.anchors
    off_us = anchor["utc_us"] - round(UTC_S * 1e6) - anchor["uptime_us"]
    assert abs(off_us) <= anchor["error_us"]
    assert anchor["error_us"] <= min(sum(trip) for trip in trips[:-1]) * 5e5 + 1001


def test_a_sensor_that_starts_is_asked_for_again_soon():
    line = SlowLine([(0, 0)] * 3)
    live = Live()
    hello = SimpleNamespace(device="a0b1c2d3e4f5")
    looks_after = Caretaker(line, STORE, live, lambda _kind, _text: None, line)
    said = []
    for _ in range(40):
        line.now_s += 1
        looks_after.due(hello)
        said.append(live.rows()[0].errors if live.rows() else None)
    assert ("pms5003: starting",) in said
    assert said[-1] == ()
    assert len(line.asked_s) == 2
    assert line.asked_s[1] - line.asked_s[0] <= 16


class Board(SlowLine):
    """A board that says how it is, and when it was asked."""

    def __init__(self):
        super().__init__([])
        self.asked = []
        self.pipe = SimpleNamespace(stats=SimpleNamespace(frames_bad=3))

    def request(self, name, args):
        self.asked.append(self.now_s - 100)
        return {"sensors": [{"name": "sht4x", "state": "absent"}]}


def head(kind):
    return SimpleNamespace(kind=kind, epoch=1, schema=0)


def asked_within(board, care, until_s, notes=()):
    """Return when a board was asked how it is, if notes of it come at such times."""
    hello = SimpleNamespace(device="a", epoch=1)
    for now in range(until_s):
        board.now_s = 100.0 + now
        if now in notes:
            care.saw(head(NOTE))
        assert care.due_at() <= board.now_s + STATUS_EVERY_S
        care.due(hello)
    return board.asked


def test_a_board_is_asked_how_it_is_at_first_and_then_each_minute():
    board = Board()
    live = Live()
    care = Caretaker(board, STORE, live, lambda _kind, _text: None, board)
    assert asked_within(board, care, 130) == [2, 62, 122]
    (row,) = live.rows()
    assert row.errors == ("sht4x: absent",)
    assert row.frames_bad == 3


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ((30,), [2, 32, 92]),
        ((3,), [2, 17, 77]),
        (range(20, 60), [2, 22, 37, 52, 67]),
    ],
    ids=["soon", "not too soon", "never too often"],
)
def test_a_note_has_a_board_asked_soon(notes, expected):
    board = Board()
    assert asked_within(board, caretaker(board), 100, notes)[: len(expected)] == expected

"""A station's state machine, its journal, its counts: boards that come, go, fail and break off."""

import contextlib
import json
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from motekit import plan as plans
from motekit.errors import LinkError, MotekitError, UsageError
from motekit.keys import KeyStore
from motekit.provision import Outcome, Records
from motekit.provision.look import Found
from motekit.station import run as running
from motekit.station import tally, work
from motekit.station.desk import ENDS, FLICKER_S, Desk
from motekit.station.journal import Entry, Journal, JournalError
from motekit.station.labels import Labels
from motekit.station.run import Station
from motekit.station.visit import AlreadyError, Step
from motekit.station.watch import Plug, Watch
from motekit.station.work import Work

PORTS = tuple(f"tty{n}" for n in range(5))
AT_ONCE = 2


class Desks(RuleBasedStateMachine):
    """In whatever order things happen: one verdict a plugging, and only so many at once."""

    def __init__(self):
        super().__init__()
        self.desk = Desk(AT_ONCE)
        self.now_s = 0.0
        self.plugged = {}
        self.marks = 0
        self.begun = {}  # slot's id -> how often
        self.kept = []  # so that no id comes twice
        self.shown = {}  # ports with a verdict -> the mark of the plugging that it is about

    def look(self):
        came, went = self.desk.see(self.plugged, self.now_s)
        for slot in went:
            assert slot.state != "busy"
        for slot in came:
            assert slot.state == "waiting"
        for slot in self.desk.begin(self.now_s):
            assert slot.state == "busy"
            assert id(slot) not in self.begun
            self.begun[id(slot)] = 1
            self.kept.append(slot)

    @rule(port=st.sampled_from(PORTS))
    def plug(self, port):
        self.marks += 1
        self.plugged[port] = Plug(port, (self.marks,))
        self.look()

    @precondition(lambda self: self.plugged)
    @rule(data=st.data())
    def unplug(self, data):
        del self.plugged[data.draw(st.sampled_from(sorted(self.plugged)))]
        self.look()

    @rule(passed_s=st.floats(0.1, 2 * FLICKER_S))
    def wait(self, passed_s):
        self.now_s += passed_s
        self.look()

    @precondition(lambda self: self.desk.busy())
    @rule(data=st.data(), state=st.sampled_from(ENDS))
    def end(self, data, state):
        slot = data.draw(st.sampled_from(self.desk.busy()))
        self.desk.end(slot, state, self.now_s, "why")
        with pytest.raises(ValueError, match="cannot become"):
            self.desk.end(slot, state, self.now_s)
        self.look()

    @invariant()
    def only_so_many_at_once(self):
        assert len(self.desk.busy()) <= AT_ONCE

    @invariant()
    def who_is_there_is_seen(self):
        assert set(self.plugged) <= set(self.desk.slots)

    @invariant()
    def nobody_waits_while_there_is_room(self):
        waiting = [each for each in self.desk.slots.values() if each.state == "waiting"]
        assert not waiting or len(self.desk.busy()) == AT_ONCE

    def teardown(self):
        """What is unplugged and done goes away; what is plugged in ends with a verdict."""
        for _ in range(100):
            for slot in self.desk.busy():
                self.desk.end(slot, "passed", self.now_s)
            self.now_s += 2 * FLICKER_S
            self.look()
        assert set(self.desk.slots) == set(self.plugged)
        assert self.desk.idle(self.plugged)


TestDesks = Desks.TestCase
TestDesks.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def plug(port, mark=1):
    return {port: Plug(port, (mark,))}


def ended(state, mark=1):
    desk = Desk(1)
    desk.see(plug("a", mark), 0)
    (slot,) = desk.begin(0)
    desk.end(slot, state, 5)
    return desk, slot


@pytest.mark.parametrize("state", ["passed", "already", "pulled"])
def test_what_comes_back_is_looked_at_anew_however_quick(state):
    """It may be another board."""
    desk, slot = ended(state)
    came, went = desk.see(plug("a", 2), 5.1)
    assert (came[0].port, came[0].state, went) == ("a", "waiting", [slot])


def test_a_failed_board_that_resets_for_ever_is_begun_once():
    desk, slot = ended("failed")
    for n in range(20):
        desk.see({}, 6 + n)
        assert desk.see(plug("a", n), 6.5 + n) == ([], [])
    assert desk.slots["a"] is slot
    desk.see({}, 30)
    came, _ = desk.see(plug("a", 99), 30 + FLICKER_S)
    assert came[0].state == "waiting"


def test_a_port_that_goes_while_its_board_is_worked_on_is_waited_for():
    desk = Desk(1)
    desk.see(plug("a"), 0)
    (slot,) = desk.begin(0)
    assert desk.see({}, 100) == ([], [])
    assert desk.see(plug("a", 2), 101) == ([], [])
    desk.end(slot, "passed", 102)
    assert desk.see(plug("a", 2), 103) == ([], [])
    assert slot.seconds == 102


def test_no_more_than_so_many_at_once_and_who_came_first_is_first():
    desk = Desk(2)
    desk.see({**plug("c"), **plug("a"), **plug("b")}, 0)
    first = desk.begin(0)
    assert [each.port for each in first] == ["c", "a"]
    assert desk.begin(0) == []
    desk.end(first[0], "passed", 1)
    assert [each.port for each in desk.begin(1)] == ["b"]


# The journal


def test_a_journal_says_what_it_was_told(tmp_path):
    path = tmp_path / "deep" / "journal"
    with Journal(path, lambda: "2026-07-01T08:00:00Z") as journal:
        journal.add(Entry("begun", "a0", "tty1", job="x"))
        journal.add(Entry("passed", "a0", "tty1", "roof-1", "x", seconds=2.5))
        journal.add(Entry("begun", "b0", "tty2"))
    with Journal(path) as journal:
        assert journal.passed("a0").name == "roof-1"
        assert journal.passed("b0") is None
        assert journal.passed("c0") is None
        assert [each.device for each in journal.unfinished()] == ["b0"]
        journal.add(Entry("begun", "a0"))
        assert journal.passed("a0") is None
    assert json.loads(path.read_text().splitlines()[1]) == {
        "what": "passed",
        "device": "a0",
        "port": "tty1",
        "name": "roof-1",
        "job": "x",
        "seconds": 2.5,
        "at": "2026-07-01T08:00:00Z",
    }


@given(st.integers(0, 200))
def test_a_journal_that_a_crash_has_cut_off_loses_its_last_line_alone(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "journal"
    with Journal(path, lambda: "now") as journal:
        for n in range(5):
            journal.add(Entry("passed", f"a{n}", "tty", "näme"))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - cut])
    whole = data[: len(data) - cut].count(b"\n")
    with Journal(path, lambda: "now") as journal:
        assert [each.device for each in journal.entries] == [f"a{n}" for n in range(whole)]
        journal.add(Entry("passed", "b0"))
    with Journal(path) as journal:
        assert len(journal.entries) == whole + 1


@given(st.binary(max_size=80))
def test_what_is_no_journal_is_refused_and_kept(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("none") / "journal"
    data = b"{}\n" + data.replace(b"\n", b"") + b"\n"
    path.write_bytes(data)
    with pytest.raises(JournalError, match=r"journal: line 1: .* name another with --journal"):
        Journal(path)
    assert path.read_bytes() == data


def test_a_journal_is_of_one_station(tmp_path):
    with Journal(tmp_path / "j"), pytest.raises(JournalError, match="another station"):
        Journal(tmp_path / "j")
    with Journal(tmp_path / "j") as journal:
        assert journal.entries == []
    with pytest.raises(JournalError, match="cannot be written"):
        Journal(tmp_path)


def test_boards_are_counted_by_what_became_of_them_last():
    entries = [
        Entry("failed", "a0"),
        Entry("begun", "a0"),
        Entry("passed", "a0", seconds=10),
        Entry("passed", "b0", seconds=20),
        Entry("passed", "b0", seconds=60),
        Entry("passed", "c0", seconds=30),
        Entry("failed", "c0"),
        Entry("failed"),
        Entry("pulled", "d0", "tty1"),
        Entry("begun", "e0"),
    ]
    found = tally.of(entries)
    assert (found.passed, found.first_time, found.failed) == (2, 1, 2)
    assert (found.share, found.seconds, found.pulled) == (0.5, 25, 1)
    assert found.said() == "2 boards passed, 2 failed, 1 pulled"
    assert tally.of([]).share is None


def test_a_board_that_never_says_who_it_is_counts_once_while_it_stays_plugged():
    tries = [Entry("failed", port="tty0", plug="1")] * 3
    assert tally.of(tries).failed == 1
    assert tally.of([*tries, Entry("failed", port="tty0", plug="2")]).failed == 2
    assert tally.of([*tries, Entry("failed", port="tty1", plug="1")]).failed == 2
    found = tally.of([*tries, Entry("passed", "a0", "tty0", plug="1")])
    assert (found.failed, found.passed) == (0, 1)  # it has said so after all
    found = tally.of([*tries, Entry("passed", "a0", "tty0", plug="2")])
    assert (found.failed, found.passed) == (1, 1)


def test_where_no_plug_is_told_a_board_without_a_name_counts_until_another_one_has_one():
    """So that it is not one more each time that the station is started."""
    tries = [Entry("failed", port="socket://x:1")] * 3
    assert tally.of(tries).failed == 1
    more = [*tries, Entry("passed", "a0", "socket://x:1")]
    assert tally.of(more).failed == 1
    assert tally.of([*more, *tries]).failed == 2


def test_a_board_that_was_pulled_and_comes_again_is_counted_by_what_became_of_it():
    pulled = [Entry("pulled", port="tty0"), Entry("pulled", "a0", "tty1")]
    assert tally.of(pulled).pulled == 2
    found = tally.of([*pulled, Entry("passed", "b0", "tty0"), Entry("failed", "a0", "tty2")])
    assert (found.passed, found.failed, found.pulled) == (1, 1, 0)
    assert tally.of([Entry("passed", "a0", "tty1"), *pulled]).pulled == 1


# What is plugged in


def test_ports_are_seen_to_come_and_to_be_made_anew(tmp_path):
    node = tmp_path / "node"
    node.touch()
    other = tmp_path / "tty0"
    watch = Watch([f"serial:{tmp_path}/tty*", str(tmp_path / "tty0"), "socket://a:1"])
    assert watch.explicit == [str(other), "socket://a:1"]
    assert list(watch.look()) == ["socket://a:1"]
    other.symlink_to(node)
    first = watch.look()
    assert list(first) == ["socket://a:1", str(other)]
    assert watch.look() == first
    time.sleep(0.02)  # a file system's clock has a grain
    other.unlink()
    other.symlink_to(node)
    assert watch.look()[str(other)].mark != first[str(other)].mark
    (tmp_path / "tty1").symlink_to(node)  # the same port under another name
    assert len(watch.look()) == 2
    with pytest.raises(UsageError, match="no port"):
        Watch(["http://x"])


def test_no_two_ports_have_one_place(tmp_path):
    for name in ("a/tty0", "b/tty0", "b/tty1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = Watch([f"{tmp_path}/*/tty*"]).look()
    assert [each.place for each in found.values()] == [
        *(f"{tmp_path}/a/tty0", f"{tmp_path}/b/tty0", "tty1")
    ]


# Labels

OUTCOME = Outcome("tty0", "provisioned", "a0b1c2d3e4f5", "roof-1", "roof", "esp32-devkitc")


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text('fleet = "acme"\nboard = "esp32-devkitc"\n[[device]]\nname = "roof-1"\n')
    return plans.load(path)


def test_a_label_is_written_and_printed(plan, tmp_path):
    folder, printed = tmp_path / "labels", tmp_path / "printed"
    printed.mkdir()
    Labels(plan, folder, None, f"cp --target-directory={printed}")(OUTCOME)
    assert {each.name for each in folder.iterdir()} == {
        *("roof-1-a0b1c2d3e4f5.png", "roof-1-a0b1c2d3e4f5.svg")
    }
    (png,) = printed.iterdir()
    assert png.read_bytes() == (folder / png.name).read_bytes()


@pytest.mark.parametrize(
    ("command", "says"), [("false", "ends with 1"), ("no-such-program", "does not print it")]
)
def test_a_label_that_is_not_printed_is_an_error(plan, tmp_path, command, says):
    with pytest.raises(MotekitError, match=f"label: {command} .*{says}"):
        Labels(plan, tmp_path, None, command)(OUTCOME)


def test_labels_that_cannot_be_are_refused_before_the_first_board(plan, tmp_path):
    with pytest.raises(UsageError, match="No closing quotation"):
        Labels(plan, tmp_path, None, "lp 'x")
    (tmp_path / "file").touch()
    with pytest.raises(MotekitError, match="file"):
        Labels(plan, tmp_path / "file", None)


# Threads, with steps that are handed in


class Bag:
    """Model boards, what their flash holds, and what roles were given away: survives a crash."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.flash = {}
        self.roles = {}
        self.plugged = {}
        self.lock = threading.Lock()
        self.failing = set()
        self.provisioned = []
        self.begun = []

    def at(self, visit):
        with self.lock:
            device = self.plugged.get(visit.port)
        if device is None or visit.stopped():
            raise LinkError(f"{visit.port}: unplugged")
        return device

    def steps(self, journal):
        def look(visit):
            device = self.at(visit)
            passed = journal.passed(device)
            if passed and self.flash.get(device, {}).get("role") == passed.name:
                visit.is_of(device)
                visit.slot.name = passed.name
                raise AlreadyError(visit.port)

        def flash(visit):
            device = self.at(visit)
            visit.begin(device, "job")
            if self.begun.count(device):
                raise RuntimeError("two at work on one board")
            self.begun.append(device)
            try:
                for part in range(3):
                    visit.tell("writing", part, 3)
                    if self.at(visit) != device or device in self.failing:
                        raise LinkError(f"{visit.port}: write error")
                    self.flash.setdefault(device, {})[part] = "ok"
            finally:
                self.begun.remove(device)

        def provision(visit):
            device = self.at(visit)
            if device != visit.slot.device:
                raise LinkError(f"{visit.port}: boards were exchanged")
            with self.lock:
                role = self.roles.setdefault(device, f"role-{len(self.roles)}")
            if self.flash[device].get("role") != role:
                self.provisioned.append(device)
            self.at(visit)
            self.flash[device]["role"] = role
            visit.slot.name = role

        return (Step("look", look), Step("flash", flash), Step("provision", provision))

    def look(self):
        with self.lock:
            return {port: Plug(port, (hash(device),)) for port, device in self.plugged.items()}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(running, "LOOK_S", 0.002)
    monkeypatch.setattr(running, "PULLED_S", 0.005)
    monkeypatch.setattr(running, "COPY_S", 0.1)
    monkeypatch.setattr(running, "_POLL_S", 0.002)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("plug"), st.sampled_from(PORTS), st.integers(0, 6)),
        st.tuples(st.just("pull"), st.sampled_from(PORTS)),
        st.tuples(st.just("break"), st.integers(0, 6)),
        st.tuples(st.just("mend")),
        st.tuples(st.just("crash")),
        st.tuples(st.just("rest")),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(ACTIONS)
def test_whatever_happens_in_the_end_each_board_is_one_of_the_fleet_and_none_twice(
    tmp_path_factory, actions
):
    bag = Bag(tmp_path_factory.mktemp("bag") / "journal")
    todo = list(actions)
    while todo:
        with Journal(bag.path) as journal:
            station = Station(bag.steps(journal), journal, lambda: act(bag, todo), at_once=3)
            with contextlib.suppress(CrashError):
                station.run(lambda _: not todo)
            assert not station.desk.busy()
    bag.failing.clear()
    devices = set(bag.flash) | set(bag.plugged.values())
    bag.plugged = {f"last{n}": device for n, device in enumerate(sorted(devices))}
    for expected in ("passed", "already"):
        written = list(bag.provisioned)
        with Journal(bag.path) as journal:
            station = Station(bag.steps(journal), journal, bag.look, at_once=3)
            station.run(lambda desk: desk.idle(bag.plugged))
            found = {each.device: each.state for each in station.desk.slots.values()}
            names = {each.device: each.name for each in station.desk.slots.values()}
        assert set(found) == devices
        assert set(found.values()) <= {expected, "already"}
        assert names == bag.roles
    assert written == bag.provisioned
    assert len(set(bag.roles.values())) == len(bag.roles)
    assert sorted(set(bag.provisioned)) == sorted(bag.provisioned)


class CrashError(Exception):
    """The station's process is gone."""


def act(bag, todo):
    """Have the next thing happen, once a round, and tell what is plugged in."""
    if threading.current_thread() is not threading.main_thread():
        return bag.look()
    what, *who = todo.pop(0) if todo else ("rest",)
    with bag.lock:
        if what == "plug" and f"d{who[1]}" not in bag.plugged.values():
            bag.plugged[who[0]] = f"d{who[1]}"
        elif what == "pull":
            bag.plugged.pop(who[0], None)
        elif what == "break":
            bag.failing.add(f"d{who[0]}")
        elif what == "mend":
            bag.failing.clear()
    if what == "crash":
        raise CrashError
    return bag.look()


def served(bag, until=None, **options):
    """Run a station until all ports have a verdict; return it and its events."""
    events = []
    with Journal(bag.path) as journal:
        station = Station(
            options.pop("steps", None) or bag.steps(journal),
            journal,
            bag.look,
            on_event=lambda event: events.append((event.what, event.slot.port)),
            **options,
        )
        station.run(until or (lambda desk: desk.idle(bag.plugged)))
    return station, events


@pytest.fixture
def bag(tmp_path):
    made = Bag(tmp_path / "journal")
    made.plugged = {"tty0": "a0"}
    return made


def test_what_happens_is_told(bag):
    station, events = served(bag)
    assert events == [
        *(("plugged", "tty0"), ("step", "tty0"), ("step", "tty0"), ("step", "tty0")),
        *(("step", "tty0"), ("passed", "tty0")),
    ]
    slot = station.desk.slots["tty0"]
    assert (slot.device, slot.name, slot.why) == ("a0", "role-0", "")
    _, events = served(bag)
    assert events[-1] == ("already", "tty0")


def test_a_fail_says_why_and_holds_nobody_up(bag):
    bag.plugged["tty1"] = "b0"
    bag.failing.add("a0")
    station, _ = served(bag)
    assert {port: each.state for port, each in station.desk.slots.items()} == {
        "tty0": "failed",
        "tty1": "passed",
    }
    assert station.desk.slots["tty0"].why == "write error"
    assert station.desk.slots["tty0"].step == "writing"


def test_two_boards_of_one_id_are_not_made_alike(bag):
    bag.plugged["tty1"] = "a0"
    station, _ = served(bag)
    states = sorted(each.state for each in station.desk.slots.values())
    assert states == ["failed", "passed"]
    (failed,) = (each for each in station.desk.slots.values() if each.state == "failed")
    assert "one of them is a copy" in failed.why
    assert bag.provisioned == ["a0"]


def test_blank_chips_are_not_alike(bag, plan, tmp_path, monkeypatch):
    """On a busy machine the boot ROM may be heard late: chips have no id yet then."""
    monkeypatch.setattr(work, "_cannot_boot", lambda _port: b"")
    monkeypatch.setattr(work.look, "over_link", lambda *_, **__: Found("", blank=True))
    records = Records(tmp_path / "records.jsonl")
    blank = {}

    def flash(visit):
        blank[visit.port] = visit.blank

    with Journal(tmp_path / "other") as journal:
        keys = KeyStore.from_root(bytes(range(32)))
        look = Work(plan, {}, keys=keys, records=records, journal=journal).steps()[0]
    bag.plugged = dict.fromkeys(PORTS, "?")
    station, _ = served(bag, steps=(look, Step("flash", flash)))
    assert {each.why for each in station.desk.slots.values()} == {""}
    assert blank == dict.fromkeys(PORTS, True)


def test_a_board_that_is_pulled_is_named_so_and_finished_the_next_time(bag):
    def pulling(visit):
        with bag.lock:
            bag.plugged.clear()
        bag.at(visit)

    with Journal(bag.path) as journal:
        steps = (*bag.steps(journal)[:2], Step("provision", pulling))
    station, events = served(
        bag, lambda desk: any(each.ended for each in desk.slots.values()), steps=steps
    )
    assert events[-1] == ("pulled", "tty0")
    assert station.desk.slots["tty0"].why == "unplugged at 'provision'; plug it in again"
    bag.plugged = {"tty9": "a0"}
    assert served(bag)[1][-1] == ("passed", "tty9")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_step_that_breaks_ends_its_board_and_no_other(bag):
    def breaking(visit):
        if visit.port == "tty0":
            raise ZeroDivisionError

    bag.plugged["tty1"] = "b0"
    station, _ = served(bag, steps=(Step("break", breaking),))
    assert station.desk.slots["tty0"].state == "failed"
    assert "the station itself failed" in station.desk.slots["tty0"].why
    assert "ZeroDivisionError" in station.desk.slots["tty0"].why
    assert station.desk.slots["tty1"].state == "passed"


@pytest.mark.parametrize(("at_once", "state"), [(False, "passed"), (True, "pulled")])
def test_it_ends_when_no_board_is_in_the_middle_or_at_once(bag, at_once, state):
    go = threading.Event()
    bag.plugged["tty1"] = "b0"
    ticks = iter(range(20))

    def waiting(visit):
        visit.begin(bag.at(visit))
        station.stop()
        while not go.wait(0.01):
            if visit.stopped():
                raise LinkError(visit.port)

    def tick():
        if station.desk.closing and next(ticks, None) is None:
            if at_once:
                station.stop(at_once=True)
            else:
                go.set()

    with Journal(bag.path) as journal:
        station = Station((Step("wait", waiting),), journal, bag.look, at_once=1)
        station.run(tick=tick)
        states = [each.state for each in station.desk.slots.values()]
        assert sorted(states) == sorted([state, "waiting"])
        assert len(journal.unfinished()) == at_once


def test_a_disk_that_is_full_passes_no_board(bag, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    station, _ = served(bag)
    assert station.desk.slots["tty0"].state == "failed"
    assert "No space left" in station.desk.slots["tty0"].why
    assert bag.flash == {}


def test_nobody_to_tell_it_to_ends_the_station_and_fails_no_board(bag):
    def deaf(_):
        raise BrokenPipeError

    with Journal(bag.path) as journal:
        station = Station(bag.steps(journal), journal, bag.look, on_event=deaf)
        with pytest.raises(BrokenPipeError):
            station.run()
        assert journal.passed("a0")

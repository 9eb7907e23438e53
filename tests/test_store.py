"""The store: each packet once, whatever comes in whatever order; clear words if it cannot."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from motefw import packet
from motekit.errors import MotekitError, StoreError
from motekit.store import Store, segment
from motekit.store.database import APPLICATION_ID
from motekit.store.quarantine import ROW_BYTES, Quarantine
from motekit.store.seen import RUNS_MAX, Seen
from tests.packets import DEVICE, anchor, note, received, samples, schema

DEVICES = (DEVICE, "000000000001")
SEQS = st.integers(0, 24)
EPOCHS = st.integers(1, 2)
KEYS = st.tuples(st.sampled_from(DEVICES), st.integers(0, 1), EPOCHS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fleet.motekit"


@pytest.fixture
def store(path):
    with Store.open(path, create=True) as store:
        yield store


def packet_of(key, seq):
    """Return a packet that tells which one it is; the stream alternates."""
    device, generation, epoch = key
    return samples(
        ((seq, epoch, generation),),
        device=device,
        generation=generation,
        epoch=epoch,
        seq=seq,
        stream=seq % 2,
        index=3 * seq,
        time_us=1000 * seq,
    )


def seqs(store, device=DEVICE, stream=0, **bounds):
    return [stored.seq for _, stored in store.packets(device, stream, **bounds)]


class StoreMachine(RuleBasedStateMachine):
    """Held against sets: what was stored, what was given up."""

    @initialize(tail_max=st.sampled_from((1, 200, 1 << 20)))
    def start(self, tail_max):
        self.tail_max = tail_max
        self.folder = self.fresh_folder()
        self.path = self.folder / "fleet.motekit"
        self.store = None
        self.reopen()
        self.stored = {}
        self.lost = {}
        self.garbage = 0

    @rule()
    def reopen(self):
        if self.store is not None:
            self.store.close()
        self.store = Store.open(self.path, create=True)
        self.store.tail_max_bytes = self.tail_max

    @rule(group=st.lists(st.tuples(KEYS, SEQS), max_size=12), garbage=st.booleans())
    def append(self, group, garbage):
        packets = [received(packet_of(key, seq), key[0], key[1] > 0) for key, seq in group]
        if garbage:
            packets.insert(len(packets) // 2, received(b"\xffgarbage" * 4))
            self.garbage += 1
        done = self.store.append(packets)
        new = 0
        for key, seq in group:
            stored = self.stored.setdefault(key, set())
            new += seq not in stored
            stored.add(seq)
            self.lost.setdefault(key, set()).discard(seq)
        assert (done.new, done.duplicates) == (new, len(group) - new)
        assert done.quarantined == garbage
        assert done.acks == {key: self.acknowledged(key) for key, _ in group}

    @rule(key=KEYS, seq=SEQS)
    def refuse(self, key, seq):
        self.give_up(key, [seq])
        self.store.refuse(*key, seq)

    @rule(key=KEYS, tail_seq=SEQS)
    def skipped(self, key, tail_seq):
        count = self.give_up(key, range(tail_seq))
        assert self.store.skipped(*key, tail_seq) == count

    @rule()
    def seal(self):
        self.store.seal()

    def give_up(self, key, seqs):
        gone = set(seqs) - self.stored.setdefault(key, set())
        lost = self.lost.setdefault(key, set())
        new = len(gone - lost)
        lost |= gone
        return new

    def acknowledged(self, key):
        settled = self.stored[key] | self.lost[key]
        end = next(seq for seq in range(100) if seq not in settled)
        return end - 1 if end else None

    @invariant()
    def agrees(self):
        for device in DEVICES:
            epochs = self.store.epochs(device)
            assert {(device, e.generation, e.epoch) for e in epochs} == {
                key for key in self.stored if key[0] == device
            }
            assert sorted(self.store.acknowledged(device), key=str) == sorted(
                ((*key[1:], self.acknowledged(key)) for key in self.stored if key[0] == device),
                key=str,
            )
            for stream in (0, 1):
                self.check_stream(device, stream, epochs)
        assert self.store.counter("quarantined") == self.garbage

    def check_stream(self, device, stream, epochs):
        expected = [
            (e.generation, e.epoch, seq, packet_of((device, e.generation, e.epoch), seq))
            for e in epochs
            for seq in sorted(self.stored[device, e.generation, e.epoch])
            if seq % 2 == stream
        ]
        assert expected == [
            (e.generation, e.epoch, stored.seq, stored.data)
            for e, stored in self.store.packets(device, stream)
        ]
        assert all(
            stored.verified == (e.generation > 0)
            for e, stored in self.store.packets(device, stream)
        )

    @invariant()
    def gaps_agree(self):
        for key, stored in self.stored.items():
            lost = self.lost[key]
            assert expand(self.store.lost(*key)) == sorted(lost)
            top = max(stored | lost, default=-1)
            assert expand(self.store.missing(*key)) == sorted(set(range(top)) - stored - lost)

    def teardown(self):
        if getattr(self, "store", None) is not None:
            self.store.close()
            shutil.rmtree(self.folder)


def expand(runs):
    return [seq for first, last in runs for seq in range(first, last + 1)]


def test_store_agrees_with_its_model(tmp_path_factory):
    class Machine(StoreMachine):
        def fresh_folder(self):
            return tmp_path_factory.mktemp("store")

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=60, stateful_step_count=20, deadline=None)
    )


# What is said where a store cannot be used.


def opened(path, **more):
    with pytest.raises(StoreError) as caught:
        Store.open(path, **more)
    return str(caught.value)


def test_no_store_names_the_command_that_makes_one(path):
    assert "motekit collect --store" in opened(path)
    assert "motekit collect --store" in opened(path, readonly=True)
    assert "does not exist" in opened(path.parent / "no" / "x.motekit", create=True)
    assert "is a folder" in opened(path.parent, create=True)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("content", [b"", b"text\n" * 500, bytes(5000)])
def test_a_file_that_is_no_store_is_left_alone(path, content, readonly):
    path.write_bytes(content)
    assert "no motekit store" in opened(path, readonly=readonly)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_another_programs_database_is_left_alone(path):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    before = path.read_bytes()
    assert "another program" in opened(path, create=True)
    assert path.read_bytes() == before


def test_a_newer_store_is_not_touched(path):
    Store.open(path, create=True).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    for more in ({}, {"create": True}, {"readonly": True}):
        assert "format 99" in opened(path, **more)
        assert "upgrade" in opened(path, **more)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store_if_one_is_to_be_made(path):
    """As after a kill between making the file and its tables."""
    path.touch()
    Store.open(path, create=True).close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    db.close()


def test_one_writer_at_a_time_and_any_number_of_readers(path):
    with Store.open(path, create=True) as store:
        store.append([received(samples(seq=0))])
        assert "another collector" in opened(path)
        assert "another collector" in opened(path, create=True)
        with Store.open(path, readonly=True) as one, Store.open(path, readonly=True) as other:
            store.append([received(samples(seq=1))])
            assert seqs(one) == seqs(other) == [0, 1]
            batches = one.batches(1, 0)
            next(batches)
            store.seal()
            store.append([received(samples(seq=2))])
            assert seqs(other) == [0, 1, 2]
            assert [stored.seq for batch in batches for stored in batch] == [2]
            with pytest.raises(StoreError, match="read only"):
                one.append([received(samples(seq=9))])
    Store.open(path).close()


def test_another_process_finds_it_locked(path):
    code = "import sys; from motekit.store import Store; Store.open(sys.argv[1])"
    with Store.open(path, create=True):
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
    assert "another collector is writing to it" in done.stderr


def test_a_full_disk_loses_nothing_that_was_acknowledged(path):
    with Store.open(path, create=True) as store:
        store.append([received(samples(seq=0))])
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        big = [received(packet_of((DEVICE, 0, 1), seq)) for seq in range(1, 400)]
        with pytest.raises(StoreError, match=r"disk is full; make room.*MB free"):
            store.append(big)
        assert seqs(store) == [0]
        assert store.acknowledged(DEVICE) == [(0, 1, 0)]
        store._connection.execute("PRAGMA max_page_count = 100000")
        assert store.append(big).new == 399
        assert store.acknowledged(DEVICE) == [(0, 1, 399)]


def test_sealing_that_fails_costs_nothing_and_is_told(store, monkeypatch):
    def fail(*_):
        raise sqlite3.OperationalError("disk I/O error")

    store.tail_max_bytes = 1
    with monkeypatch.context() as patch:
        patch.setattr("motekit.store.writer.seal", fail)
        assert store.append([received(samples(seq=0))]).new == 1
        assert "disk I/O error" in store.summary().sealing_error
    assert seqs(store) == [0]
    store.append([received(samples(seq=1)), received(samples(seq=2))])
    assert seqs(store) == [0, 1, 2]
    assert store.summary().sealing_error is None


def as_nobody(action):
    """Run an action in a child that may write nothing here; return what it says."""
    out, into = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            os.write(into, str(action()).encode())
        except MotekitError as error:
            os.write(into, repr(error).encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out) as text:
        said = text.read()
    os.waitpid(child, 0)
    return said


def test_a_store_that_may_not_be_written_can_be_read():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "fleet.motekit"
        with Store.open(path, create=True) as store:
            store.append([received(samples(seq=0))])
        (folder / "fleet.motekit-lock").unlink()
        path.chmod(0o444)
        folder.chmod(0o555)

        def read():
            with Store.open(path, readonly=True) as store:
                return seqs(store)

        assert as_nobody(read) == "[0]"
        assert "is the folder writable?" in as_nobody(lambda: Store.open(path))
        folder.chmod(0o777)
        assert "permissions of file and folder" in as_nobody(lambda: Store.open(path))


# What is taken, and what is set aside.


def test_garbage_is_set_aside_and_the_rest_is_stored(store):
    good = samples(seq=0)
    group = [
        received(b""),
        received(good[:-9]),
        received(good),
        received(b"\xff" * 100),
        received(samples(seq=1), device=""),
        received(samples(seq=1), device="x" * 65),
        received(bytes(70_000)),
    ]
    done = store.append(group)
    assert (done.new, done.quarantined) == (1, 6)
    aside = list(store.quarantined())
    assert [len(one.data) for one in aside] == [
        0,
        len(good) - 9,
        100,
        len(good),
        len(good),
        65_536,
    ]
    assert "1 to 64" in aside[3].why
    assert seqs(store) == [0]


def test_a_time_that_no_clock_tells_is_set_aside(store):
    late = bytearray(samples(seq=0, time_us=(1 << 62) - 1))
    late[packet.read_header(late).body - 1] |= 0x40
    done = store.append([received(bytes(late)) for _ in range(300)])
    assert (done.new, done.quarantined) == (0, 300)
    assert all("beyond 62 bits" in one.why for one in store.quarantined())
    assert store.append([received(samples(seq=0, time_us=(1 << 62) - 1))]).new == 1


@pytest.mark.parametrize("at_most", [3, 10])
def test_what_is_to_be_in_quarantine_once_is(path, at_most):
    """As long as it is there: what had to make room comes back."""
    packets = [bytes([at]) * 100 for at in range(5)]
    for _ in range(2):
        with Store.open(path, create=True) as store:
            store._quarantine.max_bytes = at_most * (100 + ROW_BYTES)
            for data in (*packets, packets[-1]):
                store.quarantine(DEVICE, data, "a test", once=True)
            kept = [one.data for one in store.quarantined() if one.device == DEVICE]
            assert sorted(kept) == packets[-at_most:]
            assert not store.quarantine(DEVICE, packets[-1], "another time", once=True)
    with Store.open(path) as store:
        assert store.quarantine(DEVICE[::-1], packets[-1], "of another", once=True)
        assert store.quarantine(DEVICE, packets[-1], "one more time")


def test_quarantine_is_bounded_oldest_out_and_counted(path):
    with Store.open(path, create=True) as store:
        store._quarantine = Quarantine(10 * (100 + ROW_BYTES))
        for at in range(25):
            store.quarantine(DEVICE, bytes([at]) * 100, "a test")
        assert [one.data[0] for one in store.quarantined()] == list(range(15, 25))
        assert store.counter("quarantined") == 25
        assert store.counter("quarantine_dropped") == 15
    with Store.open(path) as store:
        store._quarantine.max_bytes = 10 * (100 + ROW_BYTES)
        store.quarantine("\ud800", b"\1" * 100, "why \0 \ud800")
        assert len(list(store.quarantined())) == 10


def test_schemas_are_kept_once_a_content_and_stand(store):
    first, again = schema(), schema(name="other")
    store.append(
        [
            received(note({"schema": first}, seq=0)),
            received(note({"schema": first}, seq=0, device="b0"), device="b0"),
            received(note({"schema": again}, seq=1)),
        ]
    )
    assert store.schemas(DEVICE, 1)[0].name == "adxl345"
    assert store.schemas("b0", 1)[0].channels[1] == ("accel_y", "g", 0.5, 0.0)
    assert store._connection.execute("SELECT count(*) FROM schemas").fetchone() == (2,)
    assert "announced otherwise" in next(iter(store.quarantined())).why
    assert store.acknowledged(DEVICE) == [(0, 1, 1)]
    store.add_schema(DEVICE, 2, schema(3, name="asked"))
    assert store.schemas(DEVICE, 2)[3].name == "asked"


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({}, "channels"),
        ([], "an object"),
        (schema() | {"id": 16}, "id is 16"),
        (schema() | {"id": True}, "id is True"),
        (schema() | {"stream": "0"}, "stream is '0'"),
        (schema() | {"name": ""}, "name is ''"),
        (schema() | {"driver": "a\nb"}, "cannot be printed"),
        (schema() | {"channels": []}, "1 to 16"),
        (schema() | {"channels": [["x", "g", 1]]}, r"channels\[0\]"),
        (schema() | {"channels": [["x", "g", float("nan"), 0]]}, "scale is nan"),
        (schema() | {"channels": [["x", "g", 1, 10**400]]}, "offset is 1000"),
        (schema() | {"channels": [["time", "g", 1, 0]]}, "named time"),
        (schema() | {"channels": [["x", "g", 1, 0]] * 2}, "share one name"),
        (schema() | {"rate_hz": 0}, "rate_hz is 0"),
        (schema() | {"period_ms": "1"}, "period_ms is '1'"),
    ],
)
def test_a_wrong_schema_says_what_is_wrong_and_is_acknowledged(store, table, why):
    with pytest.raises(StoreError, match=why):
        store.add_schema(DEVICE, 1, table)
    body = json.dumps({"schema": table}).encode()
    done = store.append([received(note({"schema": 0}, seq=0)), received(raw_note(body, seq=1))])
    assert (done.new, done.quarantined) == (2, 2)
    assert store.acknowledged(DEVICE) == [(0, 1, 1)]
    assert store.schemas(DEVICE, 1) == {}


def raw_note(body, seq):
    return note(body, seq=seq)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff\xfe", b"[" * 3000, b'{"schema": []}'])
def test_a_note_that_is_none_is_kept_and_set_aside(store, body):
    done = store.append([received(note(body, seq=0))])
    assert (done.new, done.quarantined) == (1, 1)
    assert "not heeded" in next(iter(store.quarantined())).why


def test_anchors_are_kept_and_absurd_ones_set_aside(store):
    group = [
        received(anchor(1_700_000_000_000_000, seq=0, time_us=5)),
        received(anchor(1_700_000_000_000_009, seq=1, time_us=5, quality=2)),
        received(anchor(1_700_000_009_000_000, seq=2, time_us=9)),
        received(anchor(2**64 - 1, seq=3, time_us=10)),
        received(anchor(5, seq=4, time_us=11, quality=200)),
    ]
    done = store.append(group)
    assert (done.new, done.quarantined) == (5, 2)
    assert store.anchors(DEVICE, 1) == [
        (5, 1_700_000_000_000_000, 3, 1000),
        (9, 1_700_000_009_000_000, 3, 1000),
    ]


def test_the_summary_tells_what_was_lost_and_what_a_restart_cut_off(store):
    store.append(
        [
            received(note({"boot": {"board": "b", "previous_epoch": None}}, epoch=1, seq=0)),
            received(note({"schema": schema()}, epoch=1, seq=1)),
            *(received(samples(((1, 2), (3, 4)), epoch=1, seq=seq)) for seq in (2, 3, 6)),
            received(
                note({"boot": {"board": "b", "previous_epoch": 1, "previous_seq": 9}}, epoch=2)
            ),
        ]
    )
    store.refuse(DEVICE, 0, 1, 4)
    (device,) = store.summary().devices
    assert (device.missing, device.lost, device.cut_off, device.untold) == (1, 1, 3, 0)
    boot = {"board": "b", "previous_epoch": 2, "previous_seq": None}
    store.append([received(note({"boot": boot}, epoch=3))])
    (device,) = store.summary().devices
    assert (device.cut_off, device.untold) == (3, 1)
    assert (device.epoch, device.epochs, device.packets, device.samples) == (3, 3, 3, 6)
    assert device.boot["board"] == "b"
    (stream,) = device.streams
    assert (stream.name, stream.samples, stream.values) == ("adxl345", 6, 12)


def test_a_summary_counts_the_gaps_that_a_board_told_of(store):
    gaps = [{"gap": {"stream": 0, "index": 9, "lost": 12}}, {"gap": {"lost": None}}, {"gap": 3}]
    store.append([received(note(body, seq=seq)) for seq, body in enumerate(gaps)])
    store.seal()
    store.append([received(note(gaps[0], seq=3))])
    (device,) = store.summary().devices
    assert (device.gaps, device.lost_samples) == (3, 24)


def sensor_note(name, state, **where):
    return received(note({"sensor": {"stream": 0, "name": name, "state": state}}, **where))


def test_a_summary_tells_which_sensors_were_not_well_at_last(store):
    store.append([sensor_note("sht4x", "absent", epoch=1, seq=0)])
    states = [("sht4x", "ok"), ("pms5003", "failing"), ("adxl345", "failing"), ("adxl345", "ok")]
    store.append([sensor_note(*each, epoch=2, seq=seq) for seq, each in enumerate(states)])
    assert store.summary().devices[0].ailing == ("pms5003: failing",)
    store.append([sensor_note("sht4x", "ok", epoch=3, seq=0)])
    assert store.summary().devices[0].ailing == ()


def test_an_append_says_what_was_new_with_headers(store):
    group = [received(packet_of((DEVICE, 0, 1), seq)) for seq in (0, 1, 2, 2)]
    done = store.append(group)
    assert (done.new, done.duplicates) == (3, 1)
    assert [each.data for each in done.stored] == [each.data for each in group[:3]]
    assert [each.header.seq for each in done.stored] == [0, 1, 2]
    assert store.append([]).new == 0


def test_threads_may_share_a_store(store, monkeypatch):
    monkeypatch.setattr(store, "tail_max_bytes", 1000)  # it is sealed between them, too
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work(epoch):
        for seq in range(20):
            store.append([received(samples(epoch=epoch, seq=seq))])

    threads = [threading.Thread(target=work, args=(epoch,)) for epoch in range(1, 5)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(usual_s)
    assert {ack[1:] for ack in store.acknowledged(DEVICE)} == {
        (epoch, 19) for epoch in range(1, 5)
    }


# The parts.


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(0, 40), st.just(0)),
            st.tuples(st.just("lose"), st.integers(0, 40), st.integers(0, 40)),
        )
    )
)
def test_settled_seqs_agree_with_a_set(steps):
    seen, came, lost = Seen(1), set(), set()
    for what, a, b in steps:
        if what == "add":
            assert seen.add(a) == (a not in came)
            came.add(a)
            lost.discard(a)
        else:
            gone = set(range(a, b + 1)) - came - lost
            assert seen.give_up(a, b) == len(gone)
            lost |= gone
        again = Seen(1, seen.progress())
        for one in (seen, again):
            settled = came | lost
            assert one.next == next(seq for seq in range(99) if seq not in settled)
            assert expand(one.lost) == sorted(lost)
            assert expand(one.missing()) == sorted(set(range(max(settled, default=0))) - settled)
            assert one.highest() == max(settled, default=None)
            assert one.lost_count() == len(lost)


def test_a_sender_of_every_other_seq_is_put_off(store):
    group = [received(samples(seq=2 * at + 1)) for at in range(RUNS_MAX + 5)]
    done = store.append(group)
    assert (done.new, done.deferred) == (RUNS_MAX, 5)
    assert store.append(group[:10]).duplicates == 10
    assert store.append([received(samples(seq=0))]).new == 1
    assert store.append(group[-5:]).new == 1


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=19, max_size=60)), max_size=40))
def test_a_segment_gives_back_what_was_packed(packets):
    blob = segment.pack(packets)
    assert segment.unpack(blob) == packets
    for wrong in (b"", blob[:5], blob[:-1] + b"", b"\7" + blob[1:], blob + b"x"):
        if wrong != blob:
            with pytest.raises(StoreError, match="segment"):
                segment.unpack(wrong)


def test_late_packets_are_sealed_between_those_around_them(store):
    key = (DEVICE, 0, 1)
    order = [*range(0, 40, 2), *range(100, 140, 2)]
    for seq in order:
        store.append([received(packet_of(key, seq))])
    store.seal()
    for seq in (200, 50, 120 - 1 - 1 + 1, 10 + 1, 30 + 1):
        store.append([received(packet_of(key, seq))])
    store.seal()
    rows = store._connection.execute(
        "SELECT stream, first_seq, last_seq FROM segments ORDER BY stream, last_seq"
    ).fetchall()
    assert all(a[0] != b[0] or a[2] < b[1] for a, b in pairwise(rows)), "segments overlap"
    found = [*seqs(store, stream=0), *seqs(store, stream=1)]
    assert sorted(found) == sorted([*order, 200, 50, 119, 11, 31])
    assert seqs(store, stream=0) == sorted(seqs(store, stream=0))


@pytest.mark.parametrize("sealed", [False, True])
def test_a_range_reaches_back_to_the_packet_that_spans_it(store, sealed):
    key = (DEVICE, 0, 1)
    store.append([received(packet_of(key, seq)) for seq in range(100)])
    if sealed:
        store.seal()
    found = seqs(store, since_us=50_500, until_us=60_000)
    assert set(found) >= {50, 52, 54, 56, 58, 60}
    assert found == sorted(found)


def test_what_is_stored_after_all_was_sealed_and_opened_anew_is_found_at_once(path):
    key = (DEVICE, 0, 1)
    with Store.open(path, create=True) as store:
        for seq in range(0, 8, 2):
            store.append([received(packet_of(key, seq))])
        store.seal()
    with Store.open(path, create=True) as store, Store.open(path, readonly=True) as reader:
        assert seqs(reader) == [0, 2, 4, 6]
        store.append([received(packet_of(key, 8))])
        assert seqs(reader) == seqs(store) == [0, 2, 4, 6, 8]

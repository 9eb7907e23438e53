"""The store: each packet once, whatever comes in whatever order; clear words where it cannot be."""

import shutil

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from motekit.store import Store
from tests.packets import DEVICE, received, samples

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

    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=60, stateful_step_count=20, deadline=None)
    )

"""The collector over real ptys: exactly once, whatever comes, ends, is refused or fails."""

import random
import threading
import time
from pathlib import Path

import pytest

from motefw import keys, keys_host
from motefw.keys import Tagger
from motefw.keys_host import device_key
from motekit import client as client_module
from motekit.client import SilentError
from motekit.collector import Collector, Limits
from motekit.collector import collector as collector_module
from motekit.errors import LinkError, StoreError
from motekit.keys import Host, KeyStore
from motekit.store import Received, Store
from motekit.transports import transport
from motekit.transports.replay import Recorder
from motekit.transports.serial import PortGoneError
from tests.model_board import (
    SCHEMA,
    ModelBoard,
    PtyBoard,
    note_packet,
    samples_packet,
)

DEVICE = "0123456789ab"
OTHER = "0123456789ac"
ROOT = bytes(range(32))
SOON = Limits(for_s=20, until_idle_s=0.8)


def log(device=DEVICE, epoch=7, count=30, first=0, **options):
    packets = [
        note_packet(device, epoch, 0, {"boot": {"reset": "power_on"}}, **options),
        note_packet(device, epoch, 1, {"schema": SCHEMA}, **options),
    ]
    for seq in range(2, count):
        values = [[first + seq * 10 + i for i in range(10)]]
        packets.append(
            samples_packet(
                device, epoch, seq, (seq - 2) * 10, values, time_us=seq * 50_000, **options
            )
        )
    return packets


def stored(store, device=DEVICE):
    """Return (seq, data) of all sample packets of a device, in the store's order."""
    return [(p.seq, p.data) for _, p in store.packets(device, 0)]


def taggers(generation, device=DEVICE):
    identity = device.encode()
    return tuple(
        Tagger(device_key(keys_host.purpose_root(ROOT, purpose), identity, generation), identity)
        for purpose in keys.PURPOSES
    )


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "fleet.motekit", create=True) as opened:
        yield opened


@pytest.fixture
def collect(store, tmp_path, monkeypatch):
    """Return a function that collects from URLs until idle; it returns (collector, notices)."""

    monkeypatch.setattr(collector_module, "SCAN_S", 0.05)

    def run(*urls, key_store=None, limits=SOON, tick=None, **options):
        notices = []
        collector = Collector(
            store,
            [transport(url) for url in urls],
            key_store or KeyStore.empty(),
            Host(tmp_path / "host.json"),
            notices.append,
            **options,
        )
        collector.run(limits, lambda: tick(collector) if tick else None)
        return collector, notices

    return run


def texts(notices, kind="warning"):
    return [n.text for n in notices if n.kind == kind]


def test_everything_a_board_has_is_stored_once_and_let_go_of(store, collect):
    board = ModelBoard(packets=log())
    with PtyBoard(board) as wire:
        collector, notices = collect(wire.path)
    assert stored(store) == list(enumerate(board.log))[2:]
    assert board.tail == len(board.log)
    assert board.bad == 0
    assert store.schemas(DEVICE, 7)[0].name == "adxl345"
    assert [name for name, _ in board.requests] == ["time.get", "time.set"]
    assert texts(notices) == []
    (row,) = collector.live.rows()
    assert (row.packets, row.samples, row.device) == (28, 280, DEVICE)
    assert row.streams[0].rate_hz == pytest.approx(200)


def test_boards_are_known_by_identity_and_many_are_collected_at_once(store, collect):
    boards = [
        ModelBoard(f"0123456789{n:02x}", packets=log(f"0123456789{n:02x}")) for n in range(8)
    ]
    wires = [PtyBoard(board) for board in boards]
    try:
        collect(*(wire.path for wire in wires))
    finally:
        for wire in wires:
            wire.__exit__()
    for board in boards:
        assert stored(store, board.device) == list(enumerate(board.log))[2:]
        assert board.tail == len(board.log)


def noisy(seed, rate=0.001):
    dice = random.Random(seed)
    return lambda data: bytes(dice.randrange(256) if dice.random() < rate else b for b in data)


def test_one_byte_in_a_thousand_damaged_both_ways_changes_nothing(store, collect):
    board = ModelBoard(packets=log(count=200))
    with PtyBoard(board, noisy(1)) as wire:
        collect(wire.path, limits=Limits(for_s=60, until_idle_s=5))
    assert stored(store) == list(enumerate(board.log))[2:]
    assert board.tail == len(board.log)


def test_a_second_collector_goes_on_where_the_first_stopped(store, collect):
    board = ModelBoard(packets=log())
    with PtyBoard(board) as wire:
        collect(wire.path)
        with wire.lock:
            board.log += log(count=60)[30:]
        collect(wire.path)
    assert stored(store) == list(enumerate(board.log))[2:]


def test_an_ack_that_was_lost_with_the_collector_costs_nothing(store, collect):
    board = ModelBoard(packets=log())
    with PtyBoard(board) as wire:
        collect(wire.path)
        board.tail = 0  # as if no ack had ever arrived
        collector, _ = collect(wire.path)
    assert stored(store) == list(enumerate(board.log))[2:]
    assert board.tail == len(board.log)
    assert collector.live.new == 0


def test_what_a_full_queue_let_go_of_is_recorded_as_lost(store, collect):
    board = ModelBoard(packets=log())
    board.tail = 12
    with PtyBoard(board) as wire:
        collector, notices = collect(wire.path, limits=Limits(for_s=20, until_idle_s=3))
    assert store.lost(DEVICE, 0, 7) == [(0, 11)]
    assert store.missing(DEVICE, 0, 7) == []
    assert board.tail == len(board.log)
    assert "12 packets before seq 12 are gone" in texts(notices)[0]
    assert collector.live.rows()[0].lost_packets == 12
    assert store.schemas(DEVICE, 7)[0].name == "adxl345", "asked for: its note was lost"
    boot = store.epochs(DEVICE)[0].boot
    assert (boot["board"], boot["reset"]) == ("model", "power_on"), "as its hello says"
    assert "previous_seq" not in boot


def test_an_overflow_while_collecting_does_not_hold_the_rest_up(store, collect):
    board = ModelBoard(packets=log(count=60))
    with PtyBoard(board) as wire:
        collect(wire.path)
        with wire.lock:
            board.log += log(count=90)[60:]
            board.tail = board.next_send = 75
        collect(wire.path)
    assert store.lost(DEVICE, 0, 7) == [(60, 74)]
    assert board.tail == 90


def test_an_overflow_is_asked_about_as_soon_as_a_packet_shows_it(store, collect):
    board = ModelBoard(packets=log())
    with PtyBoard(board) as wire:

        def overflow(collector):
            if collector.live.new == 30 and board.tail == 30:
                with wire.lock:
                    board.log += log(count=90)[30:]
                    board.tail = board.next_send = 45

        # less than a session waits that hears nothing in order
        collect(wire.path, tick=overflow, limits=Limits(for_s=20, until_idle_s=1.2))
    assert store.lost(DEVICE, 0, 7) == [(30, 44)]
    assert board.tail == 90


def test_holes_of_a_run_that_has_ended_are_lost(store, collect):
    earlier = log()
    store.append([Received(DEVICE, earlier[seq], False) for seq in (0, 1, 5, 6)])
    with PtyBoard(ModelBoard(epoch=8, packets=log(epoch=8))) as wire:
        collector, notices = collect(wire.path)
    assert store.missing(DEVICE, 0, 7) == []
    assert store.lost(DEVICE, 0, 7) == [(2, 4)]
    assert collector.live.rows()[0].lost_packets == 3
    assert "3 packets of earlier runs are gone" in texts(notices)[0]
    assert store.append([Received(DEVICE, earlier[3], False)]).new == 1, "if it comes after all"
    assert store.lost(DEVICE, 0, 7) == [(2, 2), (4, 4)]


def test_a_board_that_restarts_begins_a_new_epoch(store, collect):
    with PtyBoard(ModelBoard(packets=log())) as wire:

        def restart(collector):
            if collector.live.new >= 30 and wire.board.epoch == 7:
                with wire.lock:
                    wire.board = ModelBoard(epoch=8, packets=log(epoch=8))
                wire.print("motefw: 0.1.0 device 0123456789ab epoch 8 reset watchdog\r\n")

        collect(wire.path, tick=restart)
        assert wire.board.tail == 30
    assert [seq for seq, _ in stored(store)] == [*range(2, 30), *range(2, 30)]


def rotten(data):
    return data[:20] + bytes((data[20] ^ 1,)) + data[21:]


def test_a_rotten_record_is_set_aside_and_skipped_after_three_deliveries(store, collect):
    packets = log()
    packets[10] = rotten(packets[10])
    packets[11] = bytes((0xFF,)) + packets[11][1:]  # no header can be read from this one
    board = ModelBoard(packets=packets)
    board.resend_s = 0.4
    with PtyBoard(board) as wire:
        _, notices = collect(wire.path, limits=Limits(for_s=60, until_idle_s=3))
    assert board.refused == [10, 11]
    assert board.tail == len(board.log)
    assert [seq for seq, _ in stored(store)] == [n for n in range(2, 30) if n not in (10, 11)]
    assert store.lost(DEVICE, 0, 7) == [(10, 11)]
    assert [q.data for q in store.quarantined()] == packets[10:12]
    assert sum("3 times intact" in text for text in texts(notices)) == 2


def test_a_format_newer_than_ours_is_set_aside_once_and_stays_on_the_board(store, collect):
    body = b"\xc0" + bytes(30)
    newer = body + Tagger(bytes(32), DEVICE.encode()).tag(body)
    board = ModelBoard(packets=[*log(count=5), newer, *log(count=8)[6:]])
    board.resend_s = 0.3
    with PtyBoard(board) as wire:
        _, notices = collect(wire.path, limits=Limits(for_s=60, until_idle_s=3))
    assert [q.data for q in store.quarantined()] == [newer]
    assert any("update motekit" in text for text in texts(notices))
    assert board.refused == []
    assert board.tail == 5


def test_a_provisioned_board_is_stored_as_verified(store, collect):
    own = taggers(2)
    board = ModelBoard(generation=2, keys=own, packets=log(generation=2, tagger=own[0]))
    with PtyBoard(board) as wire:
        collect(wire.path, key_store=KeyStore.from_root(ROOT))
    assert [p.verified for _, p in store.packets(DEVICE, 0)] == [True] * 28
    assert board.tail == len(board.log)


def test_generation_0_after_a_key_is_quarantined_and_never_acknowledged(store, collect):
    own = taggers(1)
    board = ModelBoard(generation=1, keys=own, packets=log(generation=1, tagger=own[0]))
    fleet = KeyStore.from_root(ROOT)
    with PtyBoard(board) as wire:
        collect(wire.path, key_store=fleet)
    impostor = ModelBoard(epoch=9, packets=log(epoch=9))
    with PtyBoard(impostor) as wire:
        _, notices = collect(wire.path, key_store=fleet)
    assert impostor.tail == 0
    assert impostor.refused == []
    assert len(stored(store)) == 28
    assert {q.why for q in store.quarantined()} == {"generation 0 from a device that has a key"}
    assert any("claims to have none" in text for text in texts(notices))


def test_two_ports_with_one_device_id_are_told_apart(collect):
    with PtyBoard(ModelBoard(packets=log())) as one, PtyBoard(ModelBoard(packets=log())) as two:
        _, notices = collect(one.path, two.path)
        taken, left = sorted((one, two), key=lambda wire: -wire.board.tail)
    assert taken.board.tail == 30
    assert left.board.tail == 0
    assert any("two boards with one id" in text for text in texts(notices))


def test_a_hello_that_is_older_than_what_came_meanwhile_is_no_alarm(store, collect):
    board = ModelBoard(packets=log())
    hello, said = board.hello, []

    def late():
        """Tell of the time before most packets, once, as after the line was bad."""
        said.append(board.nonce)
        return {**hello(), "next_seq": 3} if said.count(board.nonce) == 1 else hello()

    def again(collector):
        if collector.live.new == 30 and not said:
            board.nonce = bytes(8)  # so that it is looked at anew
            board.hello = late
            wire.print("motefw: 0.1.0 device 0123456789ab epoch 7 reset power_on\r\n")

    with PtyBoard(board) as wire:
        _, notices = collect(wire.path, tick=again)
        with wire.lock:
            board.log += log(count=60)[30:]
        collect(wire.path)
    assert len(said) >= 2
    assert texts(notices) == []
    assert stored(store) == list(enumerate(board.log))[2:]
    assert board.tail == 60


@pytest.mark.parametrize(("count", "tail"), [(5, 0), (29, 0), (30, 28), (60, 0), (60, 26)])
def test_another_run_under_an_old_name_is_neither_stored_nor_acknowledged(
    store, collect, count, tail
):
    with PtyBoard(ModelBoard(packets=log())) as wire:
        collect(wire.path)
    before = stored(store)
    copy = ModelBoard(packets=log(count=count, first=5000))
    copy.log[0] = note_packet(DEVICE, 7, 0, {"boot": {"reset": "watchdog"}})
    copy.tail = copy.next_send = tail
    copy.sent_seq = count  # it takes any ack
    with PtyBoard(copy) as wire:
        _, notices = collect(wire.path, limits=Limits(for_s=3))
        mend = f"mpremote connect {wire.path} fs rm :epoch.json + reset"
    (text,) = texts(notices)
    assert texts(notices, "info") == [], "it is not introduced anew at each try"
    assert "restored from a copy" in text
    assert mend in text
    assert copy.tail == tail
    assert copy.refused == []
    assert [name for name, _ in copy.requests] == []
    assert stored(store) == before
    assert store.lost(DEVICE, 0, 7) == []
    assert not list(store.quarantined())


def test_the_same_run_is_known_again_whatever_of_it_is_missing(store, collect):
    packets = log()
    for seq in (*range(8), 12):
        store.append([Received(DEVICE, packets[seq], False)])
    board = ModelBoard(packets=packets)
    board.tail = board.next_send = 8  # of the four that it sends first none is held
    board.sent_seq = 13
    with PtyBoard(board) as wire:
        collect(wire.path)
        assert board.tail == 30
        board.tail, board.log[27] = 27, rotten(packets[27])  # the first that could be compared
        board.resend_s = 0.2
        collect(wire.path)
    assert board.tail == 30
    assert stored(store) == list(enumerate(packets))[2:]


def test_the_only_packet_to_be_compared_may_have_rotted(store, collect):
    packets = log()
    with PtyBoard(ModelBoard(packets=packets)) as wire:
        collect(wire.path)
    board = ModelBoard(packets=[*packets[:29], rotten(packets[29]), *log(count=40)[30:]])
    board.tail = board.next_send = 29
    board.resend_s = 0.2
    with PtyBoard(board) as wire:
        collect(wire.path)
    assert board.tail == 40
    assert [seq for seq, _ in stored(store)] == list(range(2, 40))


def test_a_run_whose_hello_was_lost_is_greeted_when_its_packets_come(store, collect):
    board = ModelBoard(packets=log())
    with PtyBoard(board) as wire:

        def restart(collector):
            if collector.live.new >= 30 and wire.board is board:
                with wire.lock:
                    wire.board = ModelBoard(epoch=8, packets=log(epoch=8))
                    wire.board.alive_until = time.monotonic() + 10  # a hello came, its reply not

        collect(wire.path, tick=restart, limits=Limits(for_s=20, until_idle_s=2.5))
        assert wire.board.tail == 30
        assert [name for name, _ in wire.board.requests][:2] == ["time.get", "time.set"]


def test_a_port_that_comes_later_and_one_that_goes(store, collect, tmp_path):
    ports = tmp_path / "ports"
    ports.mkdir()
    with PtyBoard(ModelBoard(packets=log())) as one:
        (ports / "one").symlink_to(one.path)
        two = PtyBoard(ModelBoard(OTHER, packets=log(OTHER)))

        def plug(collector):
            if collector.live.new == 30 and not (ports / "two").is_symlink():
                (ports / "two").symlink_to(two.path)
            if collector.live.new == 60 and (ports / "two").is_symlink():
                (ports / "two").unlink()
                two.__exit__()

        _, notices = collect(f"serial:{ports}/*", tick=plug)
    assert len(stored(store, OTHER)) == 28
    assert any("unplugged" in text for text in texts(notices))


def test_nothing_is_acknowledged_that_the_store_did_not_take(store, collect):
    board = ModelBoard(packets=log())

    def full(*_arguments):
        raise StoreError("fleet.motekit: the disk is full")

    store.append = full
    with PtyBoard(board) as wire, pytest.raises(StoreError, match="disk is full"):
        collect(wire.path)
    assert board.tail == 0


def test_no_ack_overtakes_a_slow_commit(store, collect):
    append = store.append
    acked = []

    def slow(*arguments):
        durable = max(
            (seq for _, _, seq in store.acknowledged(DEVICE) if seq is not None), default=-1
        )
        time.sleep(0.3)
        acked.append((board.tail - 1, durable))
        return append(*arguments)

    store.append = slow
    board = ModelBoard(packets=log())
    with PtyBoard(board) as wire:
        collect(wire.path, limits=Limits(for_s=30, until_idle_s=2))
    assert all(seq <= durable for seq, durable in acked)
    assert board.tail == 30
    assert len(acked) >= 2


def test_ports_that_are_not_there_end_the_collector_with_what_to_try(collect):
    with pytest.raises(PortGoneError, match="/dev/none: no such port"):
        collect("/dev/none")
    with pytest.raises(LinkError, match=r"nothing to collect from:\n.*none.*\n.*nothing"):
        collect("/dev/none", "/dev/nothing")


def test_one_port_that_is_not_there_is_told_and_the_others_are_collected(store, collect):
    with PtyBoard(ModelBoard(packets=log())) as wire:
        _, notices = collect("/dev/none", wire.path)
    assert len(stored(store)) == 28
    assert [n.port for n in notices if n.kind == "warning"] == ["/dev/none"]


def test_a_port_that_is_busy_ends_the_collector_and_names_who(collect):
    with PtyBoard(ModelBoard()) as wire:
        import fcntl

        with Path(wire.path).open("rb", buffering=0) as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(LinkError, match="in use by"):
                collect(wire.path)


def test_what_is_no_board_ends_the_collector(collect, monkeypatch):
    monkeypatch.setattr(client_module, "HELLO_WAIT_S", 0.1)
    mute = ModelBoard()
    mute.receive = lambda _data, _now: b""
    with PtyBoard(mute) as wire, pytest.raises(SilentError, match="no MicroPython board"):
        collect(wire.path)


def test_stopping_from_another_thread_ends_it_soon(collect):
    board = ModelBoard(packets=log())
    with PtyBoard(board) as wire:
        began = time.monotonic()
        collect(
            wire.path,
            limits=Limits(for_s=30),
            tick=lambda collector: threading.Timer(0.5, collector.stop).start(),
        )
        assert time.monotonic() - began < 5
    assert board.tail == 30


def test_a_recording_is_collected_again_into_another_store(store, collect, tmp_path):
    board = ModelBoard(packets=log())
    path = tmp_path / "day.jsonl"
    with PtyBoard(board) as wire:
        collect(wire.path, recorder=Recorder(path))
    with Store.open(tmp_path / "again.motekit", create=True) as again:
        collector = Collector(
            again,
            [transport(f"replay:{path}")],
            KeyStore.empty(),
            Host(tmp_path / "host.json"),
            lambda _notice: None,
        )
        collector.run(Limits(for_s=20))
        assert stored(again) == stored(store)


def test_packets_of_a_recording_are_checked_like_any_others(store, collect, tmp_path):
    recorder = Recorder(tmp_path / "bad.jsonl")
    packets = log()
    for data in (*packets[:5], rotten(packets[5]), b"no packet"):
        recorder.write(DEVICE, data)
    recorder.close()
    collect(f"replay:{tmp_path / 'bad.jsonl'}")
    assert [seq for seq, _ in stored(store)] == [2, 3, 4]
    assert len(list(store.quarantined())) == 2


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b'{"device": 1}', b'{"device": "ab", "packet": "?"}', b"x" * 9000, b"[" * 8000],
)
def test_a_recording_that_is_none_names_the_line(collect, tmp_path, line):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(line + b"\n")
    with pytest.raises(LinkError, match=r"bad\.jsonl:1: no packet of a recording"):
        collect(f"replay:{path}")

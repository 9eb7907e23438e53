"""What one board says, however wrong, does not end the collecting from others."""

import pytest

import motekit
from motefw import packet, packet_anchor
from motekit.collector import Collector, Limits
from motekit.collector import collector as collector_module
from motekit.keys import Host, KeyStore
from motekit.query.follow import Follower, newest_utc_ns
from motekit.store import Store
from motekit.transports import transport
from tests.model_board import (
    SCHEMA,
    ModelBoard,
    PtyBoard,
    note_packet,
    samples_packet,
    zero_key,
)

DEVICE = "0123456789ab"
GOOD = "0123456789ac"
EPOCH = 7
U64_MAX = (1 << 64) - 1
LATEST_US = (1 << 62) - 1  # what a header may say


def anchor(utc_us, time_us=0):
    out = bytearray(packet.MAX_PACKET_BYTES)
    n = packet_anchor.encode_anchor(out, 0, EPOCH, 2, time_us, utc_us, 3, 1000)
    return bytes(out[: packet.seal(out, n, zero_key(DEVICE))])


def note(body):
    out = bytearray(packet.MAX_PACKET_BYTES)
    n = packet.encode_note(out, 0, EPOCH, 2, 0, body)
    return bytes(out[: packet.seal(out, n, zero_key(DEVICE))])


def schema(text):
    return note(b'{"schema":{"id":1,"stream":1,"name":"a","driver":"d",' + text + b"}}")


def beyond(data):
    """Let a packet of LATEST_US tell the time of 2^64 - 1, and be sealed."""
    spoilt = bytearray(data)
    spoilt[packet.read_header(data).body - 1] = 0xFF
    packet.seal(spoilt, len(data) - 8, zero_key(DEVICE))
    return bytes(spoilt)


LATE_ANCHOR = anchor(1_800_000_000_000_000, time_us=LATEST_US)
LATE_SAMPLES = samples_packet(DEVICE, EPOCH, 2, 0, [[1]], time_us=LATEST_US)
DEEP = b"[" * 900 + b"]" * 900
DIGITS = b"9" * 3900
PACKETS = {
    "anchor at an absurd time": LATE_ANCHOR,
    "anchor at an impossible time": beyond(LATE_ANCHOR),
    "anchor of an absurd time": anchor(U64_MAX),
    "samples at an absurd time": LATE_SAMPLES,
    "samples at an impossible time": beyond(LATE_SAMPLES),
    "note too deep": note(b"[" * 3900),
    "note not UTF-8": note(b'\xff{"boot":1}'),
    "boot deep": note(b'{"boot":' + DEEP + b"}"),
    "boot odd": note(b'{"boot":{"board":"\\ud800","previous_epoch":"x","previous_seq":1e999}}'),
    "gap huge": note(b'{"gap":{"lost":' + DIGITS + b"}}"),
    "schema deep": schema(b'"x":' + DEEP),
    "schema of no text": schema(b'"x":"\\ud800","channels":[["b","g",1,0]]'),
    "schema of no name": schema(b'"channels":[[[1],"g",1,0]]'),
    "schema of no number": schema(b'"rate_hz":NaN,"channels":[["b","g",NaN,Infinity]]'),
    "schema of a huge number": schema(b'"rate_hz":' + DIGITS + b',"channels":[["b","g",1,0]]'),
}
REPLIES = {
    "schema garbage": ("schema", {"schema": {"id": "x"}}),
    "schema no object": ("schema", {"schema": 5}),
    "status garbage": ("status", {"sensors": [{"name": [1], "state": {}}, 4]}),
}


def log(device, second, third=None):
    first = note_packet(device, EPOCH, 0, {"boot": {"reset": "power_on"}})
    packets = [first, note_packet(device, EPOCH, 1, second)]
    if third is not None:
        packets.append(third)
    packets.extend(
        samples_packet(device, EPOCH, seq, seq * 10, [[1, 2, 3]], time_us=seq * 50_000)
        for seq in range(len(packets), 12)
    )
    return packets


def collect(tmp_path, monkeypatch, idle_s, *boards):
    """Collect from the boards, then ask the store all there is to ask."""
    monkeypatch.setattr(collector_module, "SCAN_S", 0.05)
    wires = [PtyBoard(board) for board in boards]
    path = tmp_path / "fleet.motekit"
    try:
        with Store.open(path, create=True) as store:
            host = Host(tmp_path / "host.json")
            lines = [transport(wire.path) for wire in wires]
            collector = Collector(store, lines, KeyStore.empty(), host, lambda _: None)
            collector.run(Limits(for_s=20, until_idle_s=idle_s))
            store.seal()
            store.summary()
            Follower(store).poll()
            newest_utc_ns(store, DEVICE)
        with motekit.open(path) as archive:
            archive.read()
            archive.read(raw=True)
            archive.read(since="-1h")
    finally:
        for wire in wires:
            wire.__exit__()


@pytest.mark.parametrize("what", PACKETS)
def test_no_packet_of_one_board_ends_the_collecting(tmp_path, monkeypatch, what):
    bad = ModelBoard(DEVICE, packets=log(DEVICE, {"schema": SCHEMA}, PACKETS[what]))
    good = ModelBoard(GOOD, packets=log(GOOD, {"schema": SCHEMA}))
    collect(tmp_path, monkeypatch, 0.5, bad, good)
    assert good.tail == len(good.log)


@pytest.mark.parametrize("what", REPLIES)
def test_no_reply_of_one_board_ends_the_collecting(tmp_path, monkeypatch, what):
    name, reply = REPLIES[what]

    class Bad(ModelBoard):
        def _result(self, asked):
            return reply if asked == name else super()._result(asked)

    bad = Bad(DEVICE, packets=log(DEVICE, {"no schema": True}))
    good = ModelBoard(GOOD, packets=log(GOOD, {"schema": SCHEMA}))
    collect(tmp_path, monkeypatch, 3, bad, good)
    assert [board.tail for board in (bad, good)] == [len(bad.log), len(good.log)]

"""What stands between a line and the store: headers, tags, and the queue that is bounded."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from motefw import keys, keys_host, packet, packet_header
from motefw.errors import PacketError
from motekit.collector.inbox import Inbox
from motekit.collector.intake import Intake, SetAside, Wait, judge
from motekit.keys import KeyStore, Verifier
from motekit.store import Received, read_header, read_headers
from motekit.store.header import FIELDS
from tests.model_board import samples_packet

ROOT = bytes(range(32))
U32 = st.integers(0, 2**32 - 1) | st.integers(0, 300)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=16), st.binary(max_size=300))
def test_a_verifier_agrees_with_the_tagger(key, device, body):
    tag = keys.Tagger(key, device).tag(body)
    verifier = Verifier(key, device)
    assert verifier.holds(body + tag)
    assert verifier.holds(body + tag)  # what was begun is not used up
    assert not verifier.holds(body + bytes([tag[0] ^ 1]) + tag[1:])
    assert not verifier.holds(tag[:-1])


def expected(data):
    header = packet.read_header(data)
    return tuple(getattr(header, field) for field in FIELDS)


def told(data):
    """Return what the codec says against a packet, None if nothing."""
    try:
        packet.read_header(data)
    except PacketError as e:
        return e
    return None


@given(
    st.integers(0, 20),
    st.integers(0, 15),
    U32,
    U32,
    st.integers(0, 300),
    st.integers(0, 2**50),
    st.integers(1, 512),
    st.integers(0, 30),
    st.binary(max_size=2),
)
def test_headers_are_read_as_the_packet_codec_reads_them(
    generation, stream, epoch, seq, back, time_us, count, at, damage
):
    out = bytearray(64)
    index = min(max(seq - back, 0) * count, 2**48 - 1)
    head = (generation, stream, 3, epoch, seq, index, time_us, count, 3)
    n = packet_header.write(out, packet.SAMPLES, 0, *head)
    data = bytes(out[:n]) + bytes(12)
    assert read_header(data) == expected(data)
    assert read_headers([data] * 300) == [read_header(data)] * 300
    data = data[:at] + damage + data[at + len(damage) :]
    (read,) = read_headers([data])
    assert str(read) == str(told(data)) or read == expected(data)


def test_a_packet_whose_tag_is_wrong_is_set_aside_at_its_third_delivery_and_never_taken():
    device = "0123456789ab"
    data_root = keys_host.purpose_root(ROOT, keys.DATA)
    tagger = keys.Tagger(keys_host.device_key(data_root, device.encode(), 1), device.encode())
    sound, other = (
        samples_packet(device, 7, seq, 0, [[1, 2, 3]], generation=1, tagger=tagger)
        for seq in range(2)
    )
    rotten = other[:-1] + bytes((other[-1] ^ 1,))
    intake = Intake(KeyStore.from_root(ROOT), device, 1, provisioned=True)
    (first,) = judge([(intake, sound)])
    assert first == Received(device, sound, True, first.header)
    deliveries = [judge([(intake, rotten), (intake, sound)]) for _ in range(3)]
    assert [type(verdict) for verdict, _ in deliveries] == [Wait, Wait, SetAside]
    assert deliveries[2][0].skip
    assert all(verdict == first for _, verdict in deliveries)


def test_an_inbox_is_bounded_until_what_was_taken_is_forgotten():
    inbox = Inbox(10)
    assert inbox.put("a", 6, 0)
    assert not inbox.put("b", 6, 0.01)
    assert inbox.put("c", 4, 0)
    assert inbox.take(6, 0) == ["a"]
    assert not inbox.put("b", 6, 0)
    inbox.forget()
    assert inbox.put("b", 6, 0)
    assert inbox.take(100, 0) == ["c", "b"]
    inbox.forget()
    assert inbox.put("larger than all", 1000, 0)
    assert inbox.take(1, 0) == ["larger than all"]
    assert inbox.empty()
    assert inbox.take(1, 0.01) == []


def test_a_waiting_put_goes_on_when_there_is_room():
    inbox = Inbox(1)
    inbox.put("a", 1, 0)
    done = []
    waiting = threading.Thread(target=lambda: done.append(inbox.put("b", 1, 10)))
    waiting.start()
    assert inbox.take(1, 10) == ["a"]
    inbox.forget()
    waiting.join(90)
    assert done == [True]
    assert inbox.take(1, 10) == ["b"]

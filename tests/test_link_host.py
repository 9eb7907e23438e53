"""The host's link core against a model of the board, over lines that lose, double and damage."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from motefw import frame, frame_host, message, message_host, receipt
from motekit.errors import LinkError
from motekit.transports.link import Link, Log, Message, Packet, Undelivered
from motekit.transports.pieces import ASKS_MAX, Assembler
from tests.model_board import ModelBoard, note_packet, zero_key

DEVICE = "0123456789ab"
COUNT = 40


def packets(seed):
    pick = random.Random(seed)
    return [
        note_packet(DEVICE, 7, seq, {"n": seq, "pad": "x" * pick.randrange(900)})
        for seq in range(COUNT)
    ]


def ack(seq):
    return message_host.receipt(zero_key(DEVICE), receipt.ACK, 0, 7, seq)


def hello(number):
    return message_host.request(zero_key(DEVICE), message.NO_NONCE, number, 1, number, "hello", {})


def unframe(wire):
    data = bytearray(wire.strip(b"\0"))
    return frame_host.decode(data[: frame.unstuff(data, len(data))])


class Wire:
    """Board and host on a damaged line, in a time that only `step` moves."""

    def __init__(self, damage, seed):
        self.board = ModelBoard(DEVICE, packets=packets(seed))
        self.link = Link(seed & 0xFF)
        self.now = 0.0
        self.got = {}
        self.messages = []
        self.next_seq = 0
        self._damage = damage
        self._dice = random.Random(seed)

    def _line(self, data):
        """Change, drop and double bytes."""
        if not self._damage:
            return data
        out = bytearray()
        for b in data:
            roll = self._dice.random() / self._damage
            if roll >= 1.2 or roll < 0.1:
                out.append(b)
            if roll < 1:
                out.append(self._dice.randrange(256) if roll > 0.1 else b)
        return bytes(out)

    def step(self, dt=0.01):
        self.now += dt
        events = self.link.poll(self.now)
        down = self._line(self.link.take())
        up = self._line(self.board.receive(down, self.now) + self.board.poll(self.now))
        while up:
            n = self._dice.randrange(1, 300)
            events += self.link.receive(up[:n], self.now)
            up = up[n:]
        for event in events:
            self._take(event)

    def _take(self, event):
        if isinstance(event, Packet):
            ahead = (event.number - self.next_seq) & 0xFF
            if ahead < 8:
                self.got[self.next_seq + ahead] = event.data
            while self.next_seq in self.got:
                self.next_seq += 1
            if self.next_seq:
                self.link.send(ack(self.next_seq - 1), "ack")
                self.link.packets.expect(self.next_seq)
        elif isinstance(event, Message):
            self.messages.append(event.data)


def collect(damage, seed, limit_s=600):
    wire = Wire(damage, seed)
    said = -10.0
    while wire.next_seq < COUNT and wire.now < limit_s:
        if wire.now - said > 3:
            said = wire.now
            if wire.messages and wire.next_seq:
                wire.link.send(ack(wire.next_seq - 1), "ack")
            else:
                wire.link.send(hello(int(wire.now) + 1), "hello")
        wire.step()
    return wire


def test_packets_cross_a_clean_line_without_a_request_to_resend():
    wire = collect(0.0, 3)
    assert [wire.got[i] for i in range(COUNT)] == wire.board.log
    assert wire.link.stats.asked_again == 0
    assert wire.link.stats.frames_bad == 0
    assert wire.now < 5


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("damage", [0.001, 0.005])
def test_packets_cross_a_damaged_line_whole_and_in_order(damage, seed):
    wire = collect(damage, seed)
    assert [wire.got.get(i) for i in range(COUNT)] == wire.board.log
    assert wire.link.stats.frames_bad > 0


def test_one_byte_in_a_thousand_costs_little_time():
    wire = collect(0.001, 5)
    assert wire.next_seq == COUNT
    assert wire.now < COUNT * 0.5


def test_a_message_goes_piece_by_piece_each_credited_before_the_next():
    link = Link(200)
    link.send(bytes(range(250)) * 2)
    sent = []
    for i in range(20):
        link.poll(i / 100)
        out = link.take()
        assert out.count(b"\0") <= 2, "more than one piece in flight"
        if out:
            payload = unframe(out)
            sent.append(payload[4:])
            link.receive(frame_host.encode(b"C" + payload[1:3]), i / 100)
    assert b"".join(sent) == bytes(range(250)) * 2


def test_a_frame_to_the_board_has_no_byte_that_a_prompt_obeys():
    link = Link(0)
    link.send(bytes(range(84)))
    link.poll(0.0)
    assert not set(link.take()[1:-1]) & set(range(0x20))


def test_a_piece_without_credit_is_sent_ten_times_then_given_up():
    link = Link(0)
    link.send(b"lost")
    events = []
    for i in range(400):
        events += link.poll(i / 100)
    assert events == [Undelivered(b"lost")]
    assert link.stats.sent_again == 9
    assert link.stats.undelivered == 1


def test_a_waiting_message_is_replaced_by_one_of_the_same_key_and_the_queue_is_bounded():
    link = Link(0)
    for i in range(100):
        link.send(b"ack %d" % i, "ack")
    for i in range(15):
        link.send(b"other %d" % i)
    with pytest.raises(LinkError, match="wait for the board already"):
        link.send(b"one too many")
    link.poll(0.0)
    assert unframe(link.take())[4:] == b"ack 99"


def test_numbers_of_messages_wrap_and_all_of_them_arrive():
    wire = Wire(0, seed=250)
    sent = [hello(number) for number in range(20)]
    for message_ in sent:
        wire.link.send(message_)
        for _ in range(40):
            wire.step()
    assert wire.link.stats.undelivered == 0
    assert len({*wire.messages}) == len(sent)  # each was answered


def test_a_message_that_a_board_cannot_take_is_refused():
    for size in (0, 1025):
        with pytest.raises(LinkError, match="1 to 1024"):
            Link(0).send(bytes(size))


def test_log_lines_between_frames_and_a_prompt_without_a_line_end():
    link = Link(0)
    wire = b"motefw: hi\r\n" + frame_host.encode(b"P\1\0\0data") + "über 20 °C\r\n".encode()
    assert link.receive(wire, 0.0) == [Log("motefw: hi"), Packet(1, b"data")]
    assert link.poll(0.05) == []
    assert link.poll(0.2) == [Log("über 20 °C")]
    link.receive(b">>> ", 0.3)
    assert link.poll(1.0) == []
    assert link.tail == ">>> "
    assert link.stats.frames_bad == 0


def test_an_endless_flow_without_zeros_is_bounded_and_counted():
    link = Link(0)
    for _ in range(100):
        link.receive(b"\xff" * 1000, 0.0)
    assert len(link.tail) <= 4096
    assert link.stats.frames_bad > 10


@pytest.mark.parametrize(
    "payload",
    [
        b"P\x00\x00\x00",  # no data
        b"P\x00\x02\x01" + bytes(5),  # index beyond last
        b"P\x00\x00\x20" + bytes(128),  # 33 pieces
        b"P\x00\x00\x01" + bytes(127),  # short, and not the last
        b"Z\x00\x00\x00data",
        b"C\x00",
    ],
)
def test_pieces_that_cannot_be_are_counted_and_dropped(payload):
    link = Link(0)
    assert link.receive(frame_host.encode(payload), 0.0) == []
    assert link.stats.pieces_bad == 1
    assert not link.packets.busy


def test_missing_pieces_are_asked_for_when_the_last_shows_then_each_quarter_second():
    assembler = Assembler()
    assert assembler.take(9, 0, 3, bytes(128), 0.0) is None
    assert assembler.wanted(0.1) is None
    assert assembler.take(9, 3, 3, b"end", 0.1) is None
    assert assembler.wanted(0.1) == (9, 0b0110)
    assert assembler.wanted(0.2) is None
    assert assembler.wanted(0.36) == (9, 0b0110)
    assert assembler.take(9, 1, 3, bytes(128), 0.4) is None
    assert assembler.take(9, 2, 3, bytes(128), 0.4) == bytes(384) + b"end"
    assert assembler.wanted(9.0) is None


def test_what_nobody_sends_again_is_given_up():
    assembler = Assembler()
    assembler.take(9, 1, 1, b"x", 0.0)
    asked = [assembler.wanted(i / 10) for i in range(200)]
    assert sum(w is not None for w in asked) == ASKS_MAX
    assert not assembler.busy
    assert assembler.given_up == 1


def test_a_packet_of_which_nothing_came_is_asked_for_when_a_later_one_comes():
    assembler = Assembler()
    assembler.expect(5)
    assert assembler.take(6, 0, 0, b"six", 0.0) == b"six"
    assert assembler.wanted(0.0) == (5, 0xFFFFFFFF)


def test_numbers_wrap_and_only_those_before_the_next_in_order_are_dropped():
    assembler = Assembler()
    assembler.take(254, 0, 1, b"a" * 128, 0.0)
    assembler.take(1, 0, 1, b"b" * 128, 0.0)
    assembler.expect(255)
    assert assembler.take(1, 1, 1, b"b", 0.0) == b"b" * 129
    assert assembler.take(254, 1, 1, b"a", 0.0) is None, "its first piece was let go of"


def test_pieces_of_two_packets_of_one_number_never_mix():
    assembler = Assembler()
    assembler.take(5, 0, 1, b"a" * 128, 0.0)
    assembler.take(5, 1, 2, b"b" * 128, 0.0)
    assert assembler.given_up == 1
    assembler.take(5, 0, 2, b"b" * 128, 0.0)
    assert assembler.take(5, 2, 2, b"b", 0.0) == b"b" * 257
    assembler.take(6, 0, 1, b"c" * 128, 0.0)
    assembler.take(6, 0, 1, b"d" * 128, 0.0)  # of as many pieces, so only its bytes tell
    assert assembler.given_up == 2
    assert assembler.take(6, 1, 1, b"d", 0.0) == b"d" * 129
    assembler.take(7, 1, 2, b"e" * 128, 0.0)
    assembler.take(7, 1, 2, b"f" * 128, 0.0)
    assembler.take(7, 2, 2, b"f", 0.0)
    assert assembler.take(7, 0, 2, b"f" * 128, 0.0) == b"f" * 257


def test_a_packet_sent_again_is_given_out_again_without_a_request_for_pieces():
    assembler = Assembler()
    for _ in range(2):
        assert assembler.take(5, 0, 1, b"a" * 128, 0.0) is None
        assert assembler.take(5, 1, 1, b"b", 0.0) == b"a" * 128 + b"b"
    assert not assembler.busy


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=20))
def test_any_bytes_in_any_chunks_neither_crash_nor_grow(chunks):
    link = Link(0)
    now = 0.0
    for chunk in chunks:
        now += 0.1
        for event in link.receive(chunk, now) + link.poll(now):
            assert isinstance(event, Log)
    assert len(link.tail) <= 4096


class Pieces(RuleBasedStateMachine):
    """Pieces lost, doubled and out of order: whatever comes out is what was put in."""

    def __init__(self):
        super().__init__()
        self.assembler = Assembler()
        self.data = [random.Random(n).randbytes(160 + n * 70) for n in range(16)]
        self.base = 0
        self.done = set()
        self.now = 0.0
        self.assembler.expect(0)

    def _send(self, n, index):
        data = self.data[n]
        last = (len(data) - 1) // 128
        if index > last:
            return
        part = data[index * 128 : index * 128 + 128]
        whole = self.assembler.take(n, index, last, part, self.now)
        if whole is not None:
            assert whole == data
            self.done.add(n)

    @rule(ahead=st.integers(0, 3), index=st.integers(0, 8), dt=st.floats(0, 0.5))
    def arrive(self, ahead, index, dt):
        self.now += dt
        if self.base + ahead < 16:
            self._send(self.base + ahead, index)

    @rule(dt=st.floats(0, 0.5))
    def answer_a_request(self, dt):
        self.now += dt
        wanted = self.assembler.wanted(self.now)
        if wanted is not None and wanted.number < min(self.base + 4, 16):
            for i in range(32):
                if wanted.mask >> i & 1:
                    self._send(wanted.number, i)

    @precondition(lambda self: self.base in self.done)
    @rule()
    def acknowledge(self):
        self.base += 1
        self.assembler.expect(self.base)

    @invariant()
    def progress_is_possible_and_bounded(self):
        assert len(self.assembler._open) <= 8
        assert len(self.assembler._done) <= 8


TestPieces = Pieces.TestCase

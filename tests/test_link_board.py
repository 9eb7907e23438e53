"""The board's end of the serial line: pieces, credits, resends, garbage."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motefw import frame_host, receipt
from tests.board_line import Host, assemble, texts


@pytest.fixture
def vm(board_vm):
    board_vm.call("reset", 5_000_000)
    board_vm.call("connect")
    return board_vm


def test_nothing_is_sent_before_a_host_says_hello(vm):
    vm.call("note", "one")
    host = Host(vm)
    assert host.exchange() == []
    host.ack(0)
    assert vm.call("line")["alive"] is False
    ok, hello, packets = host.ask("hello")
    assert ok
    assert hello["next_seq"] == 1
    assert texts(packets) == {0: "one"}


def test_a_packet_of_4_kib_comes_in_32_pieces_and_whole(vm):
    text = "".join(random.Random(1).choices("abcdefgh", k=4000))
    vm.call("note", text)
    payloads = Host(vm).exchange(Host(vm).pieces(Host(vm).request("hello")))
    pieces = [p for p in payloads if p[:1] == b"P"]
    assert len(pieces) == 32
    assert all(len(p) <= 132 for p in pieces)
    assert texts(assemble(payloads, b"P")) == {0: text}


def test_each_piece_of_a_message_is_credited_and_acted_on_once(vm):
    host = Host(vm)
    pieces = host.pieces(host.request("hello", {"pad": "x" * 260}))
    assert len(pieces) == 4
    for i, piece in enumerate(pieces):
        for _ in range(2):  # the credit is lost, so the host sends it again
            payloads = host.exchange([piece])
            assert b"C" + bytes((host.message_id, i)) in payloads
    assert vm.call("line")["handled"] == 1


def test_a_piece_out_of_order_waits_for_the_one_before(vm):
    host = Host(vm)
    pieces = host.pieces(host.request("hello", {"pad": "x" * 260}))
    assert host.exchange([pieces[0]]) == [b"C" + bytes((host.message_id, 0))]
    assert host.exchange([pieces[2]]) == []
    assert host.exchange([pieces[1], pieces[2]])[1] == b"C" + bytes((host.message_id, 2))
    host.exchange([pieces[3]])
    assert vm.call("line")["handled"] == 1


def test_a_new_session_that_uses_the_same_id_is_not_taken_for_a_repetition(vm):
    first, second = Host(vm), Host(vm, host=6)
    assert first.ask("hello")[0]
    assert second.ask("hello", {"pad": 1})[0]
    assert first.message_id == second.message_id
    assert vm.call("line")["handled"] == 2


def test_a_message_longer_than_the_board_takes_is_dropped(vm):
    host = Host(vm)
    pieces = host.pieces(bytes(2000))
    payloads = host.exchange(pieces)
    assert len(payloads) == 12  # 12 x 84 bytes fit in 1024
    assert vm.call("line")["handled"] == 0
    assert host.ask("hello")[0]


def test_a_host_that_vanishes_in_mid_message_harms_nothing(vm):
    host = Host(vm)
    host.exchange(host.pieces(host.request("hello", {"pad": "x" * 300}))[:2])
    host.exchange(raw=frame_host.encode_to_board(b"M" + bytes(60))[:30])
    assert host.ask("hello")[0]
    assert vm.call("line")["frames_bad"] == 1


def test_lost_pieces_come_again_on_request(vm):
    vm.call("note", "y" * 1000)
    host = Host(vm)
    payloads = host.exchange(host.pieces(host.request("hello")))
    pieces = [p for p in payloads if p[:1] == b"P"]
    assert host.resend(0, 0b101) == [pieces[0], pieces[2]]
    assert host.resend(0, 0xFFFFFFFF) == pieces
    assert host.resend(7, 0xFFFFFFFF) == []  # never sent
    reply = [p for p in payloads if p[:1] == b"M"]
    assert host.resend(reply[0][1], 1, b"M") == reply[:1]
    host.ack(0)
    assert host.resend(0, 1) == []  # acked, so it is gone


def test_at_most_four_packets_are_under_way(vm):
    for i in range(10):
        vm.call("note", str(i))
    host = Host(vm)
    _, _, packets = host.ask("hello")
    assert list(texts(packets)) == [0, 1, 2, 3]
    assert list(texts(host.ack(1))) == [4, 5]
    assert list(texts(host.ack(5))) == [6, 7, 8, 9]
    assert host.ack(9) == {}
    assert vm.call("line")["tail"] == 10


def test_what_is_not_acked_goes_again_after_three_seconds(vm):
    for i in range(6):
        vm.call("note", str(i))
    host = Host(vm)
    host.ask("hello")
    vm.call("tick", 2_000)
    assert host.exchange() == []
    vm.call("tick", 2_000)
    assert list(texts(assemble(host.exchange(), b"P"))) == [0, 1, 2, 3]


def test_a_host_unheard_for_ten_seconds_is_sent_no_more(vm):
    host = Host(vm)
    host.ask("hello")
    vm.call("tick", 9_000)
    vm.call("note", "a")
    assert len(host.exchange()) == 1
    vm.call("tick", 12_000)
    vm.call("note", "b")
    assert host.exchange() == []
    assert vm.call("line")["alive"] is False
    assert list(texts(host.ack(0))) == [1]  # any valid frame wakes it


def test_a_host_is_given_up_in_time_over_the_wrap_of_the_ticks(board_vm):
    board_vm.call("reset", ((1 << 30) - 5_000) * 1000)  # 5 s before they do
    board_vm.call("connect")
    host = Host(board_vm)
    host.ask("hello")
    board_vm.call("tick", 9_000)
    assert board_vm.call("line")["alive"] is True
    board_vm.call("tick", 3_000)
    assert board_vm.call("line")["alive"] is False
    board_vm.call("reset", ((1 << 30) - 1_000) * 1000)
    board_vm.call("connect")
    board_vm.call("note", "a")
    host = Host(board_vm)
    assert list(texts(host.ask("hello")[2])) == [0]
    board_vm.call("tick", 2_000)
    assert host.exchange() == []
    board_vm.call("tick", 2_000)
    assert list(texts(assemble(host.exchange(), b"P"))) == [0], "what is not acked goes again"


def test_a_hello_begins_again_from_the_tail(vm):
    for i in range(6):
        vm.call("note", str(i))
    host = Host(vm)
    host.ask("hello")
    host.ack(1)
    _, hello, packets = Host(vm, host=6).ask("hello")
    assert hello["tail_seq"] == 2
    assert list(texts(packets)) == [2, 3, 4, 5]


def test_a_packet_dropped_by_overflow_while_half_sent_is_given_up(board_vm):
    board_vm.call("reset", 5_000_000, 2)
    board_vm.call("connect")
    board_vm.call("note", "z" * 1500)
    host = Host(board_vm)
    host.exchange(host.pieces(host.request("hello")), pieces=6)  # the reply, and a part of it
    board_vm.call("note", "n" * 1000)  # pushes the other one out
    packets = assemble(host.exchange(), b"P")
    assert texts(packets) == {1: "n" * 1000}
    assert board_vm.call("line")["tail"] == 1


def test_acks_that_cannot_be_are_ignored_and_counted(vm):
    for i in range(6):
        vm.call("note", str(i))
    host = Host(vm)
    host.ask("hello")
    host.ack(4)  # never sent
    host.ack(3, epoch=6)
    host.ack(3, generation=1)
    state = vm.call("line")
    assert (state["tail"], state["ignored"]) == (0, 3)
    foreign = type(host.tagger)(bytes([1]) * 32, b"240ac4000102")
    host.ack(3, tagger=foreign)
    assert vm.call("line")["tail"] == 0
    assert vm.call("line")["bad"] == 1
    host.ack(3)
    host.ack(3)  # once more is no harm
    host.ack(1)
    state = vm.call("line")
    assert (state["tail"], state["ignored"]) == (4, 3)


def test_refused_packets_are_skipped_and_counted(vm):
    for i in range(6):
        vm.call("note", str(i))
    host = Host(vm)
    host.ask("hello")
    host.ack(2, what=receipt.REFUSED)
    assert vm.call("line")["tail"] == 0
    host.ack(2, what=receipt.REFUSED)
    assert list(texts(host.ack(1))) == [4, 5]
    state = vm.call("line")
    assert (state["tail"], state["skipped"]) == (3, 1)
    host.ack(3, what=receipt.REFUSED)
    assert vm.call("line")["tail"] == 4


def test_an_idle_host_that_repeats_its_ack_gets_what_it_lacks(vm):
    for i in range(3):
        vm.call("note", str(i))
    host = Host(vm)
    host.ask("hello")
    host.ack(0)
    vm.call("tick", 1_500)
    assert list(texts(host.ack(0))) == [1, 2]


def test_garbage_costs_nothing_but_itself(vm):
    host = Host(vm)
    host.exchange(raw=b"ls\r\n\x02\x04" + bytes(5) + b"x" * 1000 + b"\0" + b"y" * 100)
    assert host.ask("hello")[0]
    state = vm.call("line")
    assert state["handled"] == 1
    assert state["frames_bad"] == 3


def test_a_reply_is_not_lost_to_a_flood_of_resend_requests(vm):
    for _i in range(4):
        vm.call("note", "n" * 2000)
    host = Host(vm)
    host.ask("hello")
    floods = [struct.pack("<BBBI", ord("R"), ord("P"), i % 256, 0xFFFFFFFF) for i in range(300)]
    vm.call("feed", b"".join(frame_host.encode_to_board(f) for f in floods).hex())
    payloads = host.exchange(host.pieces(host.request("hello")), pieces=8)
    assert assemble(payloads, b"M")


@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=600), cut=st.integers(0, 60), seed=st.integers(0, 1 << 30))
def test_no_noise_gets_through_or_wedges_the_line(board_vm, data, cut, seed):
    vm = board_vm
    vm.call("reset", 5_000_000)
    vm.call("connect")
    vm.call("note", "kept")
    host = Host(vm)
    rng = random.Random(seed)
    good = bytearray(frame_host.encode_to_board(b"M\x01\x00\x00" + bytes(50)))
    good[rng.randrange(1, len(good) - 1)] ^= 1 << rng.randrange(8)
    host.exchange(raw=data + bytes(good) + bytes(good[:cut]))
    assert vm.call("line")["tail"] == 0
    ok, _, packets = host.ask("hello")
    assert ok
    assert texts(packets) == {0: "kept"}


def test_noise_leaves_no_memory_behind(vm):
    rng = random.Random(3)
    noise = bytes(rng.choices(range(256), weights=[30] + [1] * 255, k=20_000))
    assert vm.call("soak", noise.hex(), timeout_s=120) <= 512

"""The queue against a model of it, on both VMs."""

from collections import deque

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from motefw.errors import PacketError
from motefw.log import PAGES_MAX, PAGES_MIN, RamLog
from tests.coprocess import VmError

PAGE_BYTES = 40
PAGES = 5
SIZE = PAGES * PAGE_BYTES
LONGEST = PAGES_MIN * PAGE_BYTES - 2
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 255), st.integers(1, LONGEST)),
        st.tuples(st.just("append"), st.integers(0, 255), st.integers(1, 20)),
        st.tuples(st.just("ack"), st.integers(-2, 40), st.just(0)),
        st.tuples(st.just("peek"), st.integers(0, 40), st.integers(0, 60)),
        st.tuples(st.just("read"), st.integers(0, 40), st.just(0)),
        st.tuples(st.just("shrink"), st.just(0), st.just(0)),
        st.tuples(st.just("grow"), st.just(0), st.just(0)),
    ),
    min_size=8,
    max_size=60,
)


def expected(size, operations, turned):
    """What a queue does, said the simple way; `turned` tells which page it could give or take."""
    held = deque()
    tail = 0
    dropped = 0
    out = []
    for (name, a, b), gave in zip(operations, turned, strict=True):
        if name == "append":
            held.append(bytes([(a + i) & 0xFF for i in range(b)]))
            while sum(len(p) + 2 for p in held) > size:
                held.popleft()
                tail += 1
                dropped += 1
            result = tail + len(held) - 1
        elif name == "ack":
            result = max(0, min(a - tail + 1, len(held)))
            tail += result
            for _ in range(result):
                held.popleft()
        elif name in ("shrink", "grow"):
            result = gave
            size += PAGE_BYTES * gave * (1 if name == "grow" else -1)
        else:
            data = held[a - tail] if 0 <= a - tail < len(held) else b""
            part = data if name == "read" else data[b // 3 : b // 3 + b]
            result = [len(data), part.hex()]
        used = sum(len(p) + 2 for p in held)
        out.append([result, tail, tail + len(held), dropped, used, size])
    return out


@settings(max_examples=100, deadline=None)
@given(operations=OPERATIONS)
@example(operations=[("append", 1, 9), ("append", 2, 9), ("ack", 0, 0), ("ack", 1, 0)])
@example(operations=[("append", 50 * i, 61) for i in range(10)])
@example(operations=[("append", 1, 70), ("shrink", 0, 0), *(("append", i, 70) for i in range(5))])
def test_it_is_a_queue_that_lets_the_oldest_go(board_vm, operations):
    operations = [*operations, *(("read", seq, 0) for seq in range(len(operations)))]
    done = board_vm.call("log_run", PAGES, PAGE_BYTES, operations)
    gave = [each[0] is True for each in done]
    assert done == expected(SIZE, operations, gave)
    assert all(each[5] >= PAGES_MIN * PAGE_BYTES for each in done)
    for (_, _, _, _, used, _), (_, *after), gives in zip(done, done[1:], gave[1:], strict=False):
        assert not gives or after[3] == used <= after[4]


def test_an_empty_queue_gives_up_all_pages_but_the_fewest():
    log = RamLog(2)
    while len(log.pages) < PAGES_MAX:
        assert log.grow()
    for _ in range(20):
        log.append(bytes(1000), 1000)
    assert not log.shrink()
    log.ack(19)
    while log.shrink():
        assert log.size_bytes == 1024 * len(log.pages)
    assert len(log.pages) == PAGES_MIN
    assert log.append(bytes(4094), 4094) == 20
    assert log.used_bytes == log.size_bytes
    assert log.dropped == 4


def test_a_page_that_holds_something_stays():
    log = RamLog(6, 40)
    log.append(bytes(150), 150)
    log.append(bytes(60), 60)
    log.ack(0)
    assert not log.shrink()
    log.append(bytes(80), 80)  # goes on at the beginning
    log.ack(1)
    assert not log.shrink()
    log.ack(2)
    assert log.shrink()
    assert (log.size_bytes, log.next_seq, log.dropped) == (200, 3, 0)


def test_it_takes_a_page_where_that_parts_no_packet():
    log = RamLog(4, 40)
    log.append(bytes(100), 100)
    log.append(bytes(50), 50)
    log.ack(0)
    log.append(bytes(range(60)), 60)  # from 154 to 160, and from 0 to 56; the tail is at 102
    assert log.grow()  # at 80
    out = bytearray(60)
    assert log.peek(2, 0, out, 0, 60) == 60
    assert out == bytes(range(60))
    log.append(bytes(70), 70)  # up to 128, and the tail is at 142
    assert not log.grow()
    log.ack(3)
    assert log.grow()
    assert (log.size_bytes, log.used_bytes, log.dropped) == (240, 0, 0)


def test_a_packet_that_can_never_fit_is_refused():
    log = RamLog(1, 100)
    log.append(bytes(50), 50)
    for n in (0, 99, 200):
        with pytest.raises(PacketError, match="1 to 98"):
            log.append(bytes(200), n)
    assert (log.tail_seq, log.next_seq) == (0, 1)


def test_the_vm_refuses_it_too(board_vm):
    with pytest.raises(VmError) as raised:
        board_vm.call("log_run", 1, 100, [["append", 1, 99]])
    assert raised.value.kind == "PacketError"

"""The queue against a model of it, on both VMs."""

from collections import deque

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from motefw.errors import PacketError
from motefw.log import RamLog
from tests.coprocess import VmError

SIZE = 200
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 255), st.integers(1, SIZE - 2)),
        st.tuples(st.just("append"), st.integers(0, 255), st.integers(1, 20)),
        st.tuples(st.just("ack"), st.integers(-2, 40), st.just(0)),
        st.tuples(st.just("peek"), st.integers(0, 40), st.integers(0, 60)),
        st.tuples(st.just("read"), st.integers(0, 40), st.just(0)),
    ),
    min_size=8,
    max_size=60,
)


def expected(size, operations):
    """What a queue does, said the simple way."""
    held = deque()
    tail = 0
    dropped = 0
    out = []
    for name, a, b in operations:
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
        else:
            data = held[a - tail] if 0 <= a - tail < len(held) else b""
            part = data if name == "read" else data[b // 3 : b // 3 + b]
            result = [len(data), part.hex()]
        used = sum(len(p) + 2 for p in held)
        out.append([result, tail, tail + len(held), dropped, used])
    return out


@settings(max_examples=100, deadline=None)
@given(operations=OPERATIONS)
@example(operations=[("append", 1, 9), ("append", 2, 9), ("ack", 0, 0), ("ack", 1, 0)])
@example(operations=[("append", 50 * i, 61) for i in range(10)])
def test_it_is_a_queue_that_lets_the_oldest_go(board_vm, operations):
    operations = [*operations, *(("read", seq, 0) for seq in range(len(operations)))]
    assert board_vm.call("log_run", SIZE, operations) == expected(SIZE, operations)


def test_a_packet_that_can_never_fit_is_refused():
    log = RamLog(100)
    log.append(bytes(50), 50)
    for n in (0, 99, 200):
        with pytest.raises(PacketError, match="1 to 98"):
            log.append(bytes(200), n)
    assert (log.tail_seq, log.next_seq) == (0, 1)


def test_the_vm_refuses_it_too(board_vm):
    with pytest.raises(VmError) as raised:
        board_vm.call("log_run", 100, [["append", 1, 99]])
    assert raised.value.kind == "PacketError"

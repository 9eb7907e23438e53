"""What a stopped firmware has left in RAM is kept before it is started again."""

import binascii
import contextlib
import hashlib
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motefw.keys import DATA
from motekit import client, own
from motekit.client import Client, LeftError
from motekit.clock import SYSTEM
from motekit.collector import Collector, Limits
from motekit.collector.session import Session
from motekit.errors import LinkError
from motekit.keys import Host, KeyStore
from motekit.prompt import stopped as stopped_module
from motekit.prompt.raw import RawPrompt
from motekit.prompt.stopped import Left
from motekit.provision import delivery
from motekit.store import Store
from motekit.transports import transport
from motekit.transports.link import Log, Stats
from motekit.transports.patience import opened
from motekit.transports.serial import SerialPipe
from tests.model_board import note_packet

FIRMWARE = Path(__file__).parents[1] / "firmware" / "motefw"
BOARD = """
[[board]]
board = "esp32-c3-devkitm-1"
  [[board.sensor]]
  driver = "sht4x"
"""


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    """Keep this host's id out of the user's folders; nobody is running who would say hello."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(client, "HELLO_WAIT_S", 0.2)
    monkeypatch.setattr("motekit.collector.collector.SCAN_S", 0.05)


@pytest.fixture
def key_store():
    return KeyStore.from_root(bytes(range(32)))


@pytest.fixture
def collect(tmp_path):
    """Return a function that collects from a port for a moment: (devices, what was told)."""

    def run(port, key_store):
        told = []
        with Store.open(tmp_path / "fleet.motekit", create=True) as store:
            hosts = Host(tmp_path / "host.json")
            collector = Collector(store, [transport(port)], key_store, hosts, told.append)
            collector.run(Limits(until_idle_s=0.5))
            return store.summary().devices, [each.text for each in told]

    return run


def stopped(virtual):
    """Stop a board as somebody does who then goes away; return how many packets it holds."""
    with RawPrompt.open(virtual.serial, 40) as prompt:
        said = prompt.execute("print(app.unsent[2])")
        prompt.leave()
    return int(said)


def running(virtual, key_store):
    """Wait until a board's firmware runs; return its hello."""
    pipe = opened(lambda: SerialPipe(virtual.serial), virtual.serial, known=True)
    try:
        return Client(pipe, key_store, Host()).probe(40)
    finally:
        pipe.close()


@pytest.fixture
def provisioned(fleet, key_store):
    virtual = fleet(BOARD).boards[0]
    held = json.dumps(key_store.key_file(virtual.device, 1)).encode()
    with RawPrompt.open(virtual.serial, 40) as prompt:
        prompt.put({"/keys.json": held})
        prompt.restart()
    assert running(virtual, key_store).generation == 1
    assert stopped(virtual) > 0
    return virtual


def test_it_is_in_the_store_before_the_firmware_is_started(provisioned, key_store, collect):
    starts = provisioned.counts.starts
    pipe = opened(lambda: SerialPipe(provisioned.serial), provisioned.serial, known=True)
    with pytest.raises(LeftError, match=r"packets that no collector has taken: .motekit collect"):
        Client(pipe, key_store, Host()).connect()
    pipe.close()
    with pytest.raises(stopped_module.ForeignError, match="under keys that this host has not"):
        collect(provisioned.serial, KeyStore.from_root(bytes(32)).for_collector())
    assert provisioned.counts.starts == starts
    (device,), told = collect(provisioned.serial, key_store)
    assert "packets taken out of its RAM" in told[0]
    assert (device.lost, device.missing) == (0, 0)
    assert provisioned.counts.starts == starts + 1


def test_two_ctrl_c_cut_nothing_short(fleet, key_store, tmp_path):
    """A board in Wi-Fi heeds Ctrl-C at any time; tools send two, and its flash may be slow."""
    slow = tmp_path / "ending.py"
    whole = (FIRMWARE / "ending.py").read_text("utf-8")
    assert "    if board.log is None:\n" in whole
    slow.write_text(
        whole.replace(
            "    if board.log is None:\n",
            "    __import__('time').sleep_ms(400)\n    if board.log is None:\n",
        )
    )
    with own.taken((), (), {"motefw/ending.py": slow}):
        virtual = fleet(BOARD).boards[0]
        with RawPrompt.open(virtual.serial, 40) as prompt:
            networks = [{"ssid": "site", "password": "correct horse"}]
            prompt.put({"/wifi.json": json.dumps({"networks": networks}).encode()})
            prompt.restart()
        running(virtual, key_store)
        assert stopped(virtual) > 0


def test_what_belongs_to_no_fleet_holds_nobody_up(fleet, key_store):
    virtual = fleet(BOARD).boards[0]
    assert running(virtual, key_store).generation == 0
    assert stopped(virtual) > 0
    pipe = opened(lambda: SerialPipe(virtual.serial), virtual.serial, known=True)
    assert Client(pipe, key_store, Host()).connect().device == virtual.device
    pipe.close()


@given(
    pages=st.integers(1, 6),
    page_bytes=st.sampled_from([64, 300, 1024]),
    tail=st.integers(0, 6143),
    used=st.integers(0, 6144),
)
def test_a_ring_of_pages_comes_in_its_order(pages, page_bytes, tail, used):
    """What is typed is Python of both kinds; on boards the rest of this file has it run."""
    size = pages * page_bytes
    tail, used = tail % size, min(used, size)
    ring = bytes(i * 7 + i // 256 & 0xFF for i in range(size))
    held = [memoryview(ring[i : i + page_bytes]) for i in range(0, size, page_bytes)]
    known = {"app": SimpleNamespace(unsent=(held, tail, used))}
    printed = io.StringIO()
    machine = SimpleNamespace(unique_id=lambda: bytes(6))
    with patch.dict(sys.modules, {"machine": machine}), contextlib.redirect_stdout(printed):
        exec(stopped_module._WHO, known)
        exec(stopped_module._QUEUE, known)
    who, *lines = printed.getvalue().splitlines()
    assert stopped_module._whose([who]) == (bytes(6).hex(), used)
    assert stopped_module._joined(lines) == (ring + ring)[tail : tail + used]


class Typed:
    """A board's prompt: answers lines from a script, a queue of `data` among them."""

    name = "/dev/ttyX"
    nonce = 0
    clock = SYSTEM

    def __init__(self, data, damage=0, answers=(), tail=stopped_module.PROMPT):
        self.stats = Stats()
        self.answers = list(answers)  # to who it is, before it tells
        self.keys = b""
        self._tail = tail
        self._data = data
        self._damage = damage
        self._lines = []

    def typed(self, keys):
        assert len(keys) < 256  # what a board's input buffer takes
        self.keys += keys
        self._tail = stopped_module.PROMPT if keys == b"\x03" else self._tail
        if b"unique_id" in keys:
            whose = f"a0b1c2d3e4f5 {len(self._data)}"
            self._lines = self.answers.pop(0) if self.answers else [f"= {whose} {whose}"]
        elif keys.strip(b"\r\x03"):
            text = binascii.b2a_base64(self._data, newline=False).decode()
            digest = hashlib.sha256(self._data).hexdigest()
            self._damage -= 1
            self._lines = ["= " + ("B" + text[1:] if self._damage >= 0 else text), f"# {digest}"]

    def receive(self, _timeout_s):
        self.stats.bytes_in += 1
        lines, self._lines = self._lines, []
        return [Log(line) for line in lines]

    def tail(self):
        return self._tail

    def wake(self):
        pass


PACKET = b"\x03\x00abc"


def asked(pipe):
    return stopped_module.ask(pipe, lambda: None)


def test_a_damaged_queue_is_asked_for_again_and_never_given_up_in_silence():
    left = asked(Typed(PACKET * 2 + b"\x09", damage=2))
    assert left == ("a0b1c2d3e4f5", (b"abc", b"abc"), b"\x09")
    assert left.generations == frozenset()
    with pytest.raises(LinkError, match="garbled 3 times; it is left at its prompt"):
        asked(Typed(PACKET, damage=3))
    assert asked(Typed(b"")) is None


BAD_ANSWERS = [
    [],  # none in time
    ["SyntaxError: invalid syntax"],  # a byte that was typed was lost
    ["AttributeError: 'module' object has no attribute 'unique_i'"],
    ["ImportError: no module named 'machin'"],
    ["= a0b1c2d3e4f5 \x7f5 a0b1c2d3e4f5 15"],
    ["= a0b1c2d3e4f5 0 a0b1c2d3e4f5 15"],
    ["= a0b1c2d3e4f5 0"],
]


@pytest.mark.parametrize("bad", BAD_ANSWERS)
def test_a_damaged_answer_to_what_it_holds_is_not_nothing(bad, monkeypatch):
    monkeypatch.setattr(stopped_module, "ASK_S", 0.05)
    assert asked(Typed(PACKET, answers=[bad, bad])).packets == (b"abc",)
    with pytest.raises(LinkError, match=r"holds in RAM came over garbled 3 times.*motekit rescue"):
        asked(Typed(b"", answers=[bad] * 3))


def test_nothing_is_believed_when_it_is_said_twice():
    zero = ["= a0b1c2d3e4f5 0 a0b1c2d3e4f5 0"]
    assert asked(Typed(PACKET, answers=[zero])).packets == (b"abc",)
    assert asked(Typed(PACKET, answers=[zero, zero])) is None


@pytest.mark.parametrize(
    "words",
    [
        "ImportError: no module named 'machine'",
        "ModuleNotFoundError: No module named 'machine'",
        "AttributeError: 'module' object has no attribute 'unique_id'",
    ],
)
def test_what_cannot_run_motefw_holds_nothing(words):
    answer = ["Traceback (most recent call last):", words]
    assert asked(Typed(PACKET, answers=[answer, answer])) is None


def test_a_line_that_waits_for_more_is_ended_before_the_next_try():
    pipe = Typed(PACKET, answers=[["garbled"]], tail=stopped_module.CONTINUED)
    assert asked(pipe).packets == (b"abc",)
    assert pipe.keys.count(b"\x03") == 1
    fine = Typed(PACKET, damage=1)
    assert asked(fine).packets == (b"abc",)
    assert b"\x03" not in fine.keys  # a program's own prompt is not interrupted


def queue_of(key_store, device="a0b1c2d3e4f5"):
    """Return a good packet and one whose tag does not hold."""
    good = note_packet(device, 1, 0, {}, generation=1, tagger=key_store.tagger(DATA, device, 1))
    return good, good[:-1] + bytes([good[-1] ^ 1])


def test_what_is_damaged_in_ram_is_kept_and_told_before_the_board_starts(key_store, tmp_path):
    good, bad = queue_of(key_store)
    told = []
    with Store.open(tmp_path / "fleet.motekit", create=True) as store:
        hub = Collector(store, [], key_store, Host(tmp_path / "host.json"), told.append)
        hub.submit = lambda arrivals: arrivals.sender.committed(len(arrivals.packets), {})
        Session(hub, Typed(b""))._client.keep(Left("a0b1c2d3e4f5", (good, bad), b"\xff\xffrest"))
        assert [each.data for each in store.quarantined()] == [bad, b"\xff\xffrest"]
    assert "1 packets taken out of its RAM, 1 set aside, 6 bytes set aside" in told[-1].text


def test_what_is_damaged_is_set_aside_once_however_often_the_store_fails(
    key_store, tmp_path, monkeypatch
):
    """By a collector, and by who has the prompt."""
    monkeypatch.setattr("motekit.collector.recorded.KEEP_S", 0.0)
    good, bad = queue_of(key_store)
    rest = b"\xff\xffrest"
    whole = b"".join(len(each).to_bytes(2, "little") + each for each in (good, bad)) + rest
    path = tmp_path / "fleet.motekit"
    with Store.open(path, create=True) as store:
        hub = Collector(store, [], key_store, Host(tmp_path / "host.json"), lambda _: None)
        hub.submit = lambda _: None
        for _ in range(2):
            with pytest.raises(LinkError, match="the store takes nothing"):
                Session(hub, Typed(b""))._client.keep(Left("a0b1c2d3e4f5", (good, bad), rest))
    monkeypatch.setattr(delivery.unsent, "queue", lambda _: whole)
    taken = delivery.take_left(None, "a0b1c2d3e4f5", path, key_store)
    assert (taken.packets, taken.set_aside, taken.rest_bytes) == (1, 1, 6)
    with Store.open(path, readonly=True) as store:
        assert [each.data for each in store.quarantined()] == [bad, rest]
        assert store.counter("quarantined") == 2


def test_a_queue_without_any_packet_is_not_started_over():
    pipe = Typed(b"\xff\xff" + PACKET)
    with pytest.raises(LeftError, match="holds 0 packets and 7 bytes that are no packets"):
        Client(pipe, KeyStore.empty(), Host())._spare()

"""Client, key store and hello: requests over a real pty, prompts, what a board says of itself."""

import json
import os
import stat
import subprocess
import sys
import threading
import time
import tty
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motefw import keys, keys_host, message
from motefw.keys import Tagger
from motefw.keys_host import device_key
from motekit import client as client_module
from motekit.client import Client, Greeting, NoKeyError, RefusedError, SilentError
from motekit.clock import SYSTEM
from motekit.errors import LinkError
from motekit.hello import parse
from motekit.keys import TICKETS, Host, KeyStore, KeyStoreError, create
from motekit.transports.link import Log
from motekit.transports.serial import SerialPipe
from tests.model_board import SCHEMA, ModelBoard, PtyBoard, note_packet

ROOT = bytes(range(32))
DEVICE = "0123456789ab"


def taggers(generation, root=ROOT):
    identity = DEVICE.encode()
    return tuple(
        Tagger(device_key(keys_host.purpose_root(root, purpose), identity, generation), identity)
        for purpose in keys.PURPOSES
    )


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path / "host.json")


@pytest.fixture
def connected(host):
    """Return a function that connects a client to a model board."""
    open_things = []

    def connect(board, key_store=None, **options):
        wire = PtyBoard(board, **options)
        pipe = SerialPipe(wire.path)
        open_things.extend((pipe, wire))
        made = Client(pipe, key_store or KeyStore.empty(), host)
        made.wire = wire
        return made

    yield connect
    for thing in open_things:
        thing.close() if isinstance(thing, SerialPipe) else thing.__exit__()


def steps(client, seconds=5.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield from client.step(0.1)


def test_hello_then_requests_with_their_replies(connected):
    board = ModelBoard()
    client = connected(board)
    assert client.connect().device == DEVICE
    assert client.request("schema", {"schema": 0}) == {"schema": SCHEMA}
    assert client.request("time.set", {"utc_us": 1, "error_us": 2}) == {}
    assert board.requests == [
        ("schema", {"schema": 0}),
        ("time.set", {"utc_us": 1, "error_us": 2}),
    ]


def test_no_client_takes_the_replies_that_another_left_on_the_line(host):
    class Line:
        clock = SYSTEM

        def __init__(self):
            with PtyBoard(ModelBoard()) as wire, closing(SerialPipe(wire.path)) as pipe:
                self.nonce = pipe.nonce

        def send(self, data, _key):
            numbers.append(message.request_number(data))

    numbers = []
    for _ in range(8):
        Client(Line(), KeyStore.empty(), host).say_hello()
    assert len(set(numbers)) > 6  # of 65536: two pairs of equals once in 10 million runs


def test_a_refused_request_says_why(connected):
    client = connected(ModelBoard())
    client.connect()
    with pytest.raises(RefusedError, match="'dance' refused: command: dance is unknown"):
        client.request("dance")


def test_a_request_without_a_reply_is_sent_again_then_given_up(connected):
    board = ModelBoard()
    board.mute = ("status",)
    client = connected(board)
    client.connect()
    with pytest.raises(LinkError, match="no reply to 'status' in 2 tries"):
        client.request("status", wait_s=0.2, tries=2)
    assert len(board.requests) == 2, "each try under a counter of its own"


def test_a_request_finds_its_way_over_a_restart_of_the_board(connected):
    client = connected(ModelBoard())
    client.connect()
    with client.wire.lock:
        client.wire.board = ModelBoard(epoch=8)
    assert client.request("status", wait_s=0.5)["queue_dropped"] == 0
    greetings = [e for e in client.step(0.1) if isinstance(e, Greeting)]
    assert [g.restarted for g in greetings] == [False, True]
    assert client.hello.epoch == 8


def test_packets_come_while_a_request_waits_and_none_is_lost(connected):
    log = [note_packet(DEVICE, 7, seq, {"n": seq}) for seq in range(4)]
    client = connected(ModelBoard(packets=log))
    client.connect()
    client.request("status")
    got = {e.data for e in steps(client, 1.0) if hasattr(e, "number")}
    assert got == set(log)


def test_a_provisioned_board_is_believed_under_its_key_only(connected):
    full = KeyStore.from_root(ROOT)
    client = connected(ModelBoard(generation=1, keys=taggers(1)), full)
    assert client.connect().generation == 1
    assert client.request("status")["queue_dropped"] == 0


def test_a_collector_with_data_and_ack_roots_can_ask_but_not_command(connected, tmp_path):
    path = tmp_path / "collector.json"
    KeyStore.from_root(ROOT).for_collector().save(path)
    collector = KeyStore.load(path)
    assert not collector.has(keys.COMMAND)
    client = connected(ModelBoard(generation=3, keys=taggers(3)), collector)
    client.connect()
    assert client.request("status")["queue_dropped"] == 0


def test_a_provisioned_board_and_no_keys_is_a_clear_error(connected):
    client = connected(ModelBoard(generation=1, keys=taggers(1)))
    with pytest.raises(NoKeyError, match="MOTEKIT_KEYS"):
        client.connect()


def test_a_hello_under_another_fleets_key_is_not_believed(connected, monkeypatch):
    monkeypatch.setattr(client_module, "HELLO_TRIES", 1)
    client = connected(
        ModelBoard(generation=1, keys=taggers(1, bytes(32))), KeyStore.from_root(ROOT)
    )
    with pytest.raises(NoKeyError, match="under other keys"):
        client.connect()
    assert client.bad_messages > 0


def test_log_lines_come_through(connected):
    client = connected(ModelBoard())
    client.connect()
    client.wire.print("motefw: sensor absent\r\n")
    assert Log("motefw: sensor absent") in list(steps(client, 0.5))


class Repl:
    """A MicroPython prompt as far as a terminal sees it, on a pty; Ctrl-D starts `program`."""

    def __init__(self, program=None, answer=b">>> ", raw=False):
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self.program = program
        self.answer = answer
        self.raw = raw
        self.seen = b""
        self.line = b""
        self.running = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        os.set_blocking(self.master, False)
        while not self._over.wait(0.002):
            try:
                data = os.read(self.master, 4096)
            except BlockingIOError:
                data = b""
            out = self._bytes(data)
            if out:
                os.write(self.master, out)

    def _bytes(self, data):
        if self.running:
            now = time.monotonic()
            return self.program.receive(data, now) + self.program.poll(now)
        self.seen += data
        out = b""
        for b in data:
            if b == 0x02 and self.raw:
                self.raw = False
                out += b"\r\nMicroPython v1.25.0\r\n>>> "
            elif b == 0x03:
                self.answer = b">>> "
                out += b"\r\nKeyboardInterrupt\r\n>>> "
            elif b == 0x04 and not self.raw and self.answer == b">>> ":
                self.running = self.program is not None
                out += b"\r\nMPY: soft reboot\r\n" + (b"" if self.running else b">>> ")
            elif b == 0x0D and not self.raw:
                out += b"\r\n" + self._said() + self.answer
            elif b >= 0x20 and not self.raw:
                self.line += bytes((b,))
                out += bytes((b,))
        return out

    def _said(self):
        """Return what a line prints that asks for what is left in RAM: nothing is."""
        line, self.line = self.line, b""
        return b"= a0b1c2d3e4f5 0 a0b1c2d3e4f5 0\r\n" if b"unique_id" in line else b""

    def close(self):
        self._over.set()
        self._thread.join(60)
        os.close(self.slave)
        os.close(self.master)


@pytest.fixture
def at_prompt(host, monkeypatch):
    monkeypatch.setattr(client_module, "HELLO_WAIT_S", 0.2)
    monkeypatch.setattr(client_module, "START_WAIT_S", 2.0)
    made = []

    def start(repl):
        pipe = SerialPipe(repl.path)
        made.extend((pipe, repl))
        return Client(pipe, KeyStore.empty(), host)

    yield start
    for thing in made:
        thing.close()


@pytest.mark.parametrize(
    "repl", [{}, {"answer": b"... "}, {"raw": True}], ids=["prompt", "continuation", "raw"]
)
def test_a_prompt_that_nobody_uses_gets_its_firmware_started(at_prompt, repl):
    prompt = Repl(ModelBoard(), **repl)
    assert at_prompt(prompt).connect().device == DEVICE


def test_a_prompt_without_firmware_says_so(at_prompt):
    with pytest.raises(SilentError, match=r"main\.py does not start motefw"):
        at_prompt(Repl()).connect()


class Deaf(Repl):
    """A prompt whose board has a line so bad that no answer is whole."""

    def _said(self):
        return b"= a0b1c2\x7f\r\n"


def test_a_board_that_cannot_say_what_it_holds_is_not_started(at_prompt):
    prompt = Deaf(ModelBoard())
    with pytest.raises(LinkError, match="garbled 3 times; it is left at its prompt"):
        at_prompt(prompt).connect()
    assert b"\x04" not in prompt.seen


def test_a_program_that_runs_is_never_interrupted(at_prompt):
    program = Repl(answer=b"working 3 > 2 ...\r\n")
    with pytest.raises(SilentError, match="no MicroPython board that runs motefw answers"):
        at_prompt(program).connect()
    assert b"\x03" not in program.seen
    assert b"\x04" not in program.seen


class Printing(Repl):
    """A program that has printed what looks like a prompt, and reads nothing."""

    def _bytes(self, data):
        first = self.answer if not self.seen else b""
        self.seen += data
        return first if data else b""


@pytest.mark.parametrize("printed", [b"... ", b">>> "])
def test_what_only_looks_like_a_prompt_is_left_alone(at_prompt, printed):
    program = Printing(answer=b"loading\r\n" + printed)
    with pytest.raises(SilentError, match="no MicroPython board that runs motefw answers"):
        at_prompt(program).connect()
    assert not {0x03, 0x04} & set(program.seen)


class Mute(Repl):
    """Something on a serial port that never says anything."""

    def _bytes(self, data):
        del data
        return b""


def test_what_is_no_board_is_named(at_prompt):
    with pytest.raises(SilentError, match="0 bytes heard"):
        at_prompt(Mute()).connect()


# -- hello ------------------------------------------------------------------------------------


@given(st.sampled_from(sorted(ModelBoard().hello())), st.from_type(object) | st.none())
def test_a_hello_with_a_wrong_field_is_refused_by_name(field, value):
    fields = ModelBoard().hello()
    value = value if value is None else [value]
    if field in ("name", "mpy", "previous_seq") and value is None:
        return
    fields[field] = value
    if field == "mpy":
        parse(fields)
        return
    with pytest.raises(LinkError, match=field.rstrip("s")):
        parse(fields)


@pytest.mark.parametrize("device", ["", "ABCDEF", "../../etc", "0123456789ab\n", "a" * 65])
def test_a_device_id_that_is_none_is_refused(device):
    with pytest.raises(LinkError, match="device"):
        parse({**ModelBoard().hello(), "device": device})


# -- keys -------------------------------------------------------------------------------------


def test_a_key_store_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "keys" / "keys.json"
    made = create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(KeyStoreError, match="not overwritten"):
        create(path)
    packet = b"packet"
    tag = made.tagger(keys.DATA, DEVICE, 2).tag(packet)
    assert KeyStore.load(path).tagger(keys.DATA, DEVICE, 2).check(tag, packet)
    assert KeyStore.load(path).for_collector().tagger(keys.DATA, DEVICE, 2).check(tag, packet)


def test_generation_0_needs_no_keys_and_others_do():
    store = KeyStore.empty()
    assert store.tagger(keys.DATA, DEVICE, 0) is not None
    assert store.tagger(keys.DATA, DEVICE, 1) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no JSON"),
        ("[]", "no object"),
        ('{"root": "00"}', 'no object with a "version"'),
        ('{"version": 2}', "a newer motekit"),
        ('{"version": 1}', 'needs "root", or "data" and "ack"'),
        ('{"version": 1, "root": 5}', "'root' is not 64 hex digits"),
        ('{"version": 1, "root": "00"}', "'root' is not 64 hex digits"),
        ('{"version": 1, "rot": "00"}', "unknown key 'rot'"),
    ],
)
def test_a_key_store_that_is_none_is_a_clear_error(tmp_path, content, message):
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyStoreError, match=message):
        KeyStore.load(path)


def test_a_key_store_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "keys.json"
    create(path)
    path.chmod(0o640)
    with pytest.raises(KeyStoreError, match="chmod 600"):
        KeyStore.load(path)


def test_a_named_key_store_must_be_there_and_an_unnamed_one_need_not(tmp_path, monkeypatch):
    monkeypatch.setenv("MOTEKIT_KEYS", str(tmp_path / "none.json"))
    with pytest.raises(KeyStoreError, match="cannot be read"):
        KeyStore.load()
    monkeypatch.delenv("MOTEKIT_KEYS")
    monkeypatch.setattr("motekit.keys.default_path", lambda: tmp_path / "none.json")
    assert not KeyStore.load().has(keys.DATA)


def test_a_counter_never_repeats_across_threads_and_restarts(tmp_path):
    path = tmp_path / "host.json"
    tickets = []

    def draw():
        host = Host(path)
        tickets.extend(host.ticket() for _ in range(20))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(tickets)) == 80
    assert len({host for host, _ in tickets}) == 1


def test_a_counter_that_is_interrupted_leaves_no_file_behind(tmp_path, monkeypatch):
    def interrupted(_file):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Host(tmp_path / "host.json").ticket()
    assert [each.name for each in tmp_path.iterdir()] == ["host.lock"]


@pytest.mark.parametrize("content", ["", "{}", '{"host": -1, "counter": 0}', '{"host": "x"}'])
def test_a_lost_counter_makes_a_new_host(tmp_path, content):
    path = tmp_path / "host.json"
    first, _ = Host(path).ticket()
    path.write_text(content)
    second, counter = Host(path).ticket()
    assert first != second
    assert counter == 1
    assert json.loads(path.read_text())["counter"] >= 1


def test_the_disk_is_written_once_for_many_counters(tmp_path, monkeypatch):
    syncs = []
    monkeypatch.setattr("os.fsync", syncs.append)
    counters = [Host(tmp_path / "host.json").ticket()[1] for _ in range(2 * TICKETS)]
    assert counters == list(range(1, 2 * TICKETS + 1))
    assert len(syncs) == 2


def test_what_another_program_has_taken_since_is_never_gone_behind(tmp_path):
    """A board that it has spoken with refuses all that is not beyond."""
    path = tmp_path / "host.json"
    code = "import pathlib, sys\nfrom motekit.keys import Host\n"
    code += "print(Host(pathlib.Path(sys.argv[1])).ticket()[1])"
    counters = []
    for _ in range(2):
        counters.append(Host(path).ticket()[1])
        other = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, check=True, timeout=60
        )
        counters.append(int(other.stdout))
    counters.append(Host(path).ticket()[1])
    assert counters == sorted(set(counters))


def test_no_copy_of_a_process_uses_its_counters(tmp_path, monkeypatch):
    host = Host(tmp_path / "host.json")
    counters = [host.ticket()[1]]
    for process in (1, 2):
        monkeypatch.setattr("os.getpid", lambda process=process: process)
        counters.append(host.ticket()[1])
    assert counters == [1, TICKETS + 1, 2 * TICKETS + 1]

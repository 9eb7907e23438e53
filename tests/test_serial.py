"""Serial ports and the table of transports: what cannot be opened, what every pipe keeps to."""

import base64
import fcntl
import json
import os
import subprocess
import sys
import termios
import threading
import time
import tty
from pathlib import Path
from types import SimpleNamespace

import pytest

from motekit.errors import LinkError, UsageError
from motekit.transports import TRANSPORTS, Recorded, transport
from motekit.transports import serial as serial_module
from motekit.transports.link import Packet
from motekit.transports.serial import PortBusyError, PortGoneError, SerialPipe
from tests.model_board import ModelBoard, PtyBoard, note_packet, zero_key
from tests.programs import started

DEVICE = "0123456789ab"


@pytest.fixture
def pty():
    master, slave = os.openpty()
    tty.setraw(slave)
    yield SimpleNamespace(master=master, slave=slave, path=os.ttyname(slave))
    for fd in (master, slave):
        os.close(fd)


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("serial:/dev/none", ["/dev/none"]),
        ("/dev/none", ["/dev/none"]),
        ("COM7", ["COM7"]),
        ("serial:COM7", ["COM7"]),
        ("replay:day.jsonl", ["day.jsonl"]),
    ],
)
def test_urls_and_plain_names(url, names):
    found = transport(url)
    assert found.find() == names
    assert found.explicit


@pytest.mark.parametrize("url", ["gopher:hole", "serial:", "", "replay:"])
def test_what_is_no_url_is_wrong_usage_and_names_the_schemes(url):
    with pytest.raises(UsageError, match="serial:, replay: followed by a name"):
        transport(url)


def test_a_star_finds_usb_ports_each_time_anew(monkeypatch):
    ports = []
    monkeypatch.setattr(serial_module.list_ports, "comports", lambda: ports)
    found = transport("serial:*")
    assert found.find() == []
    assert not found.explicit
    ports += [
        SimpleNamespace(device="/dev/ttyUSB1", vid=0x10C4),
        SimpleNamespace(device="/dev/ttyS0", vid=None),
        SimpleNamespace(device="/dev/ttyACM0", vid=0x303A),
    ]
    assert found.find() == ["/dev/ttyACM0", "/dev/ttyUSB1"]


def test_a_pattern_finds_what_matches_now(tmp_path):
    found = transport(f"serial:{tmp_path}/board*")
    assert found.find() == []
    (tmp_path / "board1").touch()
    assert found.find() == [f"{tmp_path}/board1"]


def test_no_such_port_names_those_that_are_there(monkeypatch):
    monkeypatch.setattr(serial_module, "usb_ports", lambda: ["/dev/ttyUSB5"])
    with pytest.raises(PortGoneError, match=r"/dev/none: no such port; .*: /dev/ttyUSB5"):
        SerialPipe("/dev/none")


def test_a_busy_port_names_who_holds_it(pty):
    code = f"import fcntl; f = open({pty.path!r}); fcntl.flock(f, 2); print(flush=True); input()"
    with started(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        with pytest.raises(
            PortBusyError, match=rf"in use by python.* \(pid {other.pid}\); close it"
        ):
            SerialPipe(pty.path)
        other.communicate(b"\n")


def test_a_port_is_ours_alone_and_free_after_close(pty):
    pipe = SerialPipe(pty.path)
    with pytest.raises(PortBusyError):
        SerialPipe(pty.path)
    pipe.close()
    SerialPipe(pty.path).close()


def test_permission_denied_names_the_group(pty, monkeypatch):
    def denied(_port):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(serial_module.serial.Serial, "open", denied)
    with pytest.raises(LinkError, match=r"permission denied; .*usermod -aG \w+ \$USER"):
        SerialPipe(pty.path)


def test_a_file_or_folder_is_no_port(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(LinkError, match="no serial port, but a file or folder"):
            SerialPipe(str(path))


def test_hang_up_on_close_is_off_and_no_reset_line_is_left_asserted(pty, monkeypatch):
    order = []
    port_class = serial_module.serial.Serial
    monkeypatch.setattr(
        port_class, "_update_rts_state", lambda port: order.append(("rts", port.rts))
    )
    monkeypatch.setattr(
        port_class, "_update_dtr_state", lambda port: order.append(("dtr", port.dtr))
    )
    pipe = SerialPipe(pty.path)
    assert order == [("rts", False), ("dtr", False)], "RTS alone asserted would reset a board"
    assert not termios.tcgetattr(pty.slave)[2] & termios.HUPCL
    pipe.close()


def _until_it_fails(pipe, keys):
    for _ in range(200):
        pipe.typed(keys)
        pipe.receive(0.02)


def test_a_port_that_goes_away_is_a_link_error(pty):
    pipe = SerialPipe(pty.path)
    os.close(pty.master)
    with pytest.raises(PortGoneError, match="unplugged"):
        _until_it_fails(pipe, b"")
    pty.master = os.open(os.devnull, os.O_RDONLY)
    pipe.close()


def test_a_board_that_takes_no_bytes_is_a_link_error(pty, monkeypatch):
    monkeypatch.setattr(serial_module, "WRITE_TIMEOUT_S", 0.2)
    pipe = SerialPipe(pty.path)
    with pytest.raises(LinkError, match="takes no bytes"):
        _until_it_fails(pipe, bytes(4096))
    termios.tcflush(pty.slave, termios.TCIOFLUSH)
    pipe.close()


def test_waking_a_pipe_ends_its_wait(pty):
    pipe = SerialPipe(pty.path)
    began = time.monotonic()
    threading.Timer(0.1, pipe.wake).start()
    assert pipe.receive(5.0) == []
    assert 0.05 < time.monotonic() - began < 2
    pipe.wake()
    assert pipe.receive(5.0) == [], "a wake before the wait is not lost"
    assert time.monotonic() - began < 3
    pipe.close()


# -- what every transport keeps to --------------------------------------------------------------

PACKETS = [note_packet(DEVICE, 7, seq, {"n": seq, "pad": "x" * 300}) for seq in range(3)]


def _serial(_tmp_path):
    board = PtyBoard(ModelBoard(packets=PACKETS))
    with board.lock:
        board.board.alive_until = time.monotonic() + 60
    return f"serial:{board.path}", board.__exit__


def _replay(tmp_path):
    path = tmp_path / "recording.jsonl"
    rows = [{"device": DEVICE, "packet": base64.b64encode(p).decode()} for p in PACKETS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"replay:{path}", lambda: None


PEERS = {"serial": _serial, "replay": _replay}  # how a test reaches a peer with PACKETS


@pytest.fixture(params=TRANSPORTS)
def opened(request, tmp_path):
    url, close = PEERS[request.param](tmp_path)
    found = transport(url)
    pipe = found.open(found.find()[0])
    yield pipe
    pipe.close()
    close()


def test_contract_packets_arrive_whole_in_order_and_byte_for_byte(opened):
    got = []
    end = time.monotonic() + 60
    while len(got) < 3 and time.monotonic() < end:
        got += [e.data for e in opened.receive(0.2) if isinstance(e, Packet | Recorded)]
    assert got == PACKETS
    assert opened.stats.bytes_in > sum(map(len, PACKETS))


def test_contract_a_wait_ends_and_messages_queue_without_blocking(opened):
    began = time.monotonic()
    for n in range(8):
        opened.send(zero_key(DEVICE).tag(bytes((n,))), f"key {n}")
    opened.expect(0)
    opened.expect(None)
    opened.typed(b"")
    assert isinstance(opened.tail(), str)
    for _ in range(10):
        opened.receive(0.05)
    assert time.monotonic() - began < 5


def test_contract_a_closed_pipe_says_so_and_closes_again(opened):
    opened.close()
    opened.close()
    opened.wake()
    with pytest.raises(LinkError):
        opened.receive(0.1)


def test_every_transport_has_a_peer_here():
    assert set(PEERS) == set(TRANSPORTS)


def test_a_lock_held_by_us_does_not_name_us(pty):
    with Path(pty.path).open("rb", buffering=0) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(PortBusyError, match="in use by another program"):
            SerialPipe(pty.path)

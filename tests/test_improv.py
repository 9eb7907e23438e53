"""Improv Wi-Fi: packets on the host, the board's ear for them, its own and others' clients."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terminal import Terminal

from motekit import improv, wifi
from motekit.client import Client
from motekit.errors import UsageError
from motekit.keys import Host, KeyStore
from motekit.networks import Network
from motekit.transports.serial import SerialPipe
from tests.coprocess import CoProcess

BOARD = """
seed = 7
clock = "real"

[[board]]
board = "esp32-c3-devkitm-1"
sensor = [ { driver = "sht4x", period_s = 1, source = { temperature = 21.5, humidity = 45 } } ]

[[network]]
ssid = "site"
password = "right horse"
rssi = -61

[[network]]
ssid = "café"
rssi = -80
"""
SITE = Network("site", "right horse")
SDK = os.environ.get("IMPROV_SDK", "")  # node_modules of `npm install improv-wifi-serial-sdk`

# Packets.

# improv-wifi.com/serial, "Send Wi-Fi settings": 01 1E 0C {MyWirelessAP} 10 {mysecurepassword}
EXAMPLE = b"\x01\x1e\x0cMyWirelessAP\x10mysecurepassword"


def test_the_example_of_the_specification():
    packet = improv.set_wifi(Network("MyWirelessAP", "mysecurepassword"))
    assert packet[:9] == b"IMPROV\x01\x03\x20"
    assert packet[9:-2] == EXAMPLE
    assert packet[-2] == sum(packet[:-2]) & 0xFF


@given(
    st.lists(
        st.tuples(st.binary(max_size=30), st.integers(0, 255), st.binary(max_size=255)),
        max_size=5,
    ),
    st.integers(1, 40),
)
def test_packets_are_found_among_whatever_else_is_printed(parts, size):
    data = b"".join(
        noise.replace(b"I", b"i") + improv.encode(kind, body) for noise, kind, body in parts
    )
    reader = improv.Reader()
    found = [p for at in range(0, len(data), size) for p in reader.feed(data[at : at + size])]
    assert found == [(kind, body) for _, kind, body in parts]


@given(st.lists(st.binary(max_size=60)), st.binary(max_size=40))
def test_a_packet_is_found_behind_garbage(garbage, body):
    reader = improv.Reader()
    for each in garbage:
        reader.feed(each + improv.HEAD)
    reader.feed(bytes(300))  # what a half packet may wait for
    assert (7, body) in reader.feed(improv.encode(7, body))


@given(st.binary(max_size=60))
def test_results_are_read_or_refused(data):
    try:
        number, texts = improv.texts(data)
    except improv.ImprovError:
        return
    assert number == data[0]
    assert len(texts) <= len(data)


@pytest.mark.parametrize(
    ("network", "error"),
    [
        (Network("", "x" * 8), "0 bytes"),
        (Network("é" * 17, ""), "34 bytes"),
        (Network("site", "x" * 250), "password of 'site': too long"),
    ],
)
def test_a_network_that_fits_in_no_packet_is_refused(network, error):
    with pytest.raises(UsageError, match=error) as raised:
        improv.set_wifi(network)
    assert "xxxx" not in str(raised.value)


# The board's ear.


@pytest.fixture(params=[32, 64], scope="module")
def vm(request):
    with CoProcess(request.param, "improv_bed", "4m") as process:
        yield process


def listen(vm, *bursts):
    """Return (bytes read at each interrupt, packets written)."""
    interrupts, out = vm.call("listen", [burst.hex() for burst in bursts])
    return interrupts, improv.Reader().feed(bytes.fromhex(out))


STATE = improv.command(improv.GET_STATE)[:-1]  # a newline behind it is of no meaning
READY = [(improv.ERROR, b"\0"), (improv.STATE, b"\2")]


def test_a_packet_is_answered_and_interrupts_nothing(vm):
    assert listen(vm, STATE) == ([], READY)
    assert listen(vm, STATE + b"\n" + STATE, STATE) == ([], READY * 3)


def test_a_packet_may_come_in_pieces(vm):
    """Only within its head may there be silence: from there on it is a packet or a Ctrl-C."""
    for cut in range(1, 8):
        assert listen(vm, STATE[:cut], STATE[cut:]) == ([], READY), cut


def test_half_a_packet_is_a_ctrl_c(vm):
    for end in range(8, len(STATE)):
        assert listen(vm, STATE[:end]) == ([end], []), end
        assert listen(vm, STATE[:end], STATE) == ([end], READY), end


def test_ctrl_c_is_one_anywhere_else(vm):
    for text in (b"", b"IMPROV", b"IMPROV\2", b"improv\1", b"x" * 300, b"\r", b"\0IMPRO\1"):
        assert listen(vm, text + b"\3") == ([len(text) + 1], []), text
    assert listen(vm, b"\3\3\3") == ([1, 2, 3], [])


def test_mpremote_interrupts_in_the_middle_of_a_packet(vm):
    """Each of its first bytes, at each place of a packet that was left unfinished."""
    whole = improv.set_wifi(SITE)[:-1]
    for end in range(8, len(whole)):
        interrupts, packets = listen(vm, whole[:end] + b"\r\x03\r\x01")
        assert interrupts, end
        assert interrupts[-1] <= end + 2, end
        assert packets == [], end


def test_what_a_packet_cannot_hold_is_told_or_interrupts(vm):
    def said(packet):
        return listen(vm, packet[:-1])

    unknown = [(improv.ERROR, b"\0"), (improv.ERROR, b"\2")]
    assert said(improv.command(9)) == ([], unknown)
    assert said(improv.command(9, b"\3\3")) == ([], unknown)
    invalid = ([], [(improv.ERROR, b"\1")])
    assert said(improv.set_wifi(Network("site", "secret."))) == invalid
    assert said(improv.command(improv.SET_WIFI, b"\1\xff\0")) == invalid
    assert said(improv.command(improv.SET_WIFI, b"\0\0"))[0]
    assert said(improv.command(improv.SET_WIFI, b"\1a\2b"))[0]
    assert said(improv.command(improv.SET_WIFI, b"\1a\x0112"))[0]
    assert said(improv.command(improv.GET_STATE, b"x"))[0]


NOISE = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([STATE, STATE[:8], STATE[:-1] + b"\0", b"\3", b"IMPROV\1", b"\r\x03\r\x01"]),
    st.builds(
        lambda number, data: improv.command(number, data)[:-1],
        st.sampled_from((2, 3, 7, 9)),
        st.binary(max_size=9),
    ),
)


def expected(data, start):
    """Return (offset behind the next 0x03, offset behind the packet that it is part of or 0).

    What a board counts back from starts at `start`, and anew behind each zero.
    """
    at = data.find(b"\3", start)
    if at < 0:
        return 0, 0
    begin = max(data.rfind(b"\0", start, at) + 1, start)
    if not data[begin : at + 1].endswith(b"IMPROV\1\3") or at + 1 - begin > 220:
        return at + 1, 0
    body = data[at + 1 : at + 2 + (data[at + 1] if at + 1 < len(data) else 0)]
    end = at + 2 + len(body)
    if len(body) < 3 or len(body) != body[0] + 1 or body[2] != body[0] - 2 or end > len(data):
        return at + 1, 0
    if sum(data[at - 7 : end - 1]) & 0xFF != data[end - 1]:
        return at + 1, 0
    if body[1] in (2, 3, 4, 7) and body[2]:
        return at + 1, 0
    return at + 1, end


@settings(max_examples=150, deadline=None)
@given(st.lists(NOISE, max_size=8))
def test_each_ctrl_c_outside_of_a_packet_interrupts(vm, parts):
    data = b"".join(parts)
    interrupts, packets = listen(vm, data)
    at, answered = 0, 0
    while True:
        behind, end = expected(data, at)
        if not behind:
            break
        if end:
            answered += 1
            at = end
            continue
        assert interrupts, (data, at)
        came = interrupts.pop(0)
        is_half = data[:behind].endswith(b"IMPROV\1\3") and behind - at >= 8
        assert came >= behind if is_half else came == behind, data
        at = came
    assert not interrupts
    assert len([p for p in packets if p == (improv.ERROR, b"\0")]) == answered


# Whole boards.


def asked(port):
    return closing(SerialPipe(port))


def connected(pipe, folder):
    client = Client(pipe, KeyStore.empty(), Host(folder / "host.json"))
    client.connect()
    return client


@pytest.fixture
def virtual(fleet):
    """Return a board that has no Wi-Fi yet, and runs."""
    virtual = fleet(BOARD, bits=32).boards[0]
    with Terminal(virtual.serial) as user:
        user.see(b"sht4x: ok")
    return virtual


@pytest.fixture
def port(virtual):
    return virtual.serial


def test_a_board_gets_its_network_from_its_own_client(port, tmp_path):
    with closing(improv.SerialLine(port)) as line:
        client = improv.Improv(line, port)
        assert client.state() == "ready"
        info = client.info()
        assert (info.firmware, info.hardware) == ("motefw", "esp32-c3-devkitm-1")
        assert info.name.startswith("mote-")
        expected = [improv.Found("site", -61, True), improv.Found("café", -80, False)]
        assert client.scan() == expected
        with pytest.raises(improv.ImprovError, match="could not join") as raised:
            client.join(Network("site", "wrong horse"))
        assert "horse" not in str(raised.value)
        assert client.state() == "ready"
        assert client.join(SITE) == ""
    with asked(port) as pipe:
        state = wifi.get(connected(pipe, tmp_path))
    assert (state.state, state.ssid) == ("joined", "site")
    with Terminal(port) as user:  # and Ctrl-C is itself again
        user.type(b"\r\x03").see(b">>> ")


def test_a_board_is_named_and_tells_whether_it_is_online(port, tmp_path):
    def ask(line, number, data=b""):
        line.write(improv.command(number, data))
        reader, found = improv.Reader(), []
        end = time.monotonic() + 90
        while time.monotonic() < end:
            found += [p for p in reader.feed(line.read(0.2)) if p != (improv.ERROR, b"\0")]
            if found:
                return found[0].data if found[0].kind == improv.ERROR else found[0].data[3:]
        return None

    with closing(improv.SerialLine(port)) as line:
        assert ask(line, 5).startswith(b"mote-")
        assert ask(line, 6, "Dach süd".encode()) == "Dach süd".encode()
        assert ask(line, 6) == ask(line, 5) == "Dach süd".encode()
        assert ask(line, 5, b"roof_3") == ask(line, 5, b"-roof") == b"\5"
        assert ask(line, 6, b"x" * 33) == b"\1"
        assert ask(line, 5, b"roof-3") == b"roof-3"
        assert ask(line, 7) == b"2"
    with asked(port) as pipe:
        client = connected(pipe, tmp_path)
        assert client.hello.name == "roof-3"
        config = client.request("config.get")
        assert config["name"] == "roof-3"
        client.request("config.set", {"config": {**config, "name": "other"}, "trial": True})
    with closing(improv.SerialLine(port)) as line:
        assert ask(line, 6, b"attic") == ask(line, 5, b"attic") == b"\xff"
    with asked(port) as pipe:
        assert connected(pipe, tmp_path).request("config.mark")["next"] is not None


def test_a_network_that_did_not_work_is_not_kept(port, tmp_path):
    with (
        closing(improv.SerialLine(port)) as line,
        pytest.raises(improv.ImprovError, match="could not join"),
    ):
        improv.Improv(line, port).join(Network("nowhere", ""))
    with asked(port) as pipe:
        state = wifi.get(connected(pipe, tmp_path))
        assert (state.state, state.networks) == ("off", ())


def test_the_link_works_while_a_network_is_joined(port, tmp_path):
    with closing(improv.SerialLine(port)) as line:
        line.write(improv.set_wifi(Network("site", "wrong horse")))
    with asked(port) as pipe:
        client = connected(pipe, tmp_path)
        assert client.request("status")["sensors"][0]["state"] == "ok"
        assert client.hello.next_seq > 0


def sdk(port, *calls):
    """Have the protocol's own client ask a board; return what it was told."""
    driver = Path(__file__).parent / "improv_sdk.mjs"
    done = subprocess.run(
        [shutil.which("node") or "node", str(driver), SDK, port, *map(json.dumps, calls)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


needs_sdk = pytest.mark.skipif(
    not SDK, reason="IMPROV_SDK: node_modules of `npm install improv-wifi-serial-sdk` expected"
)


@needs_sdk
def test_a_board_gets_its_network_from_the_protocols_own_client(port):
    said = sdk(
        port,
        ["scan"],
        ["setDeviceName", "roof 3"],
        ["getDeviceName"],
        ["setHostname", "roof_3"],
        ["setHostname", "roof-3"],
        ["getHostname"],
        ["provision", "site", "wrong horse"],
    )
    assert said["info"]["firmware"] == "motefw"
    assert said["info"]["chipFamily"] == "esp32-c3-devkitm-1"
    assert said["results"] == [
        [
            {"name": "café", "rssi": -80, "secured": False},
            {"name": "site", "rssi": -61, "secured": True},
        ],
        "roof 3",
        "roof 3",
        "error: BAD_HOSTNAME",
        "roof-3",
        "roof-3",
        "error: UNABLE_TO_CONNECT",
    ]
    assert said["state"] == 2
    assert sdk(port, ["provision", "site", "right horse"])["state"] == 4


def test_a_client_that_asks_a_board_with_wifi_does_not_stop_it(port, tmp_path):
    with closing(improv.SerialLine(port)) as line:
        client = improv.Improv(line, port)
        client.join(SITE)
        with pytest.raises(improv.ImprovError, match="has it no Wi-Fi yet"):
            client.state()
    with asked(port) as pipe:
        client = connected(pipe, tmp_path)
        assert client.hello.reset == "power_on"
        status = client.request("status")
        assert status["interrupts_ignored"] == improv.TRIES
        assert status["sensors"][0]["state"] == "ok"
        assert status["uptime_ms"] > 3000


def test_half_a_packet_stops_the_board_as_ctrl_c_does(port):
    with Terminal(port) as user:
        user.type(STATE[:8]).see(b">>> ")


def mpremote(port, *args):
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", port, *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.replace("\r", "")


@pytest.mark.parametrize(
    "before", [b"", b"\0garbage IMPROV", STATE[:8], STATE[:9], improv.set_wifi(SITE)[:20]]
)
def test_real_mpremote_interrupts_a_board_without_wifi(port, before):
    with Terminal(port) as user:
        user.type(before)
    assert mpremote(port, "exec", "print(6 * 7)") == "42\n"
    assert "main.py" in mpremote(port, "resume", "fs", "ls")


@pytest.mark.parametrize("seed", range(3))
def test_garbage_neither_stops_nor_hangs_a_board(virtual, port, tmp_path, seed):
    chance = random.Random(seed)
    pieces = [
        chance.choice(
            (
                chance.randbytes(chance.randrange(80)).replace(b"\x03", b"\x04"),
                b"IMPROV\x01",
                b"IMPROV\x01\x04\x01\x02",
                STATE + b"\n",
            )
        )
        for _ in range(60)
    ]
    with closing(improv.SerialLine(port)) as line:
        for piece in pieces:  # a packet in one piece: the 0x03 of half a one is a Ctrl-C
            line.write(piece)
            line.read(0.05)
            while virtual.untaken_bytes:  # of what its 260 bytes of input do not hold it has half
                line.read(0.05)
    with asked(port) as pipe:
        client = connected(pipe, tmp_path)
        assert client.hello.reset == "power_on"
        assert client.request("status")["sensors"][0]["state"] == "ok"
    assert mpremote(port, "exec", "print(6 * 7)") == "42\n"

"""Improv Wi-Fi over the serial line: how the field's own tools give a board its first network.

    IMPROV | version 1 | type | size | data | sum of all bytes before, modulo 256

    client -> board   type 3   command, size, its data
    board -> client   type 1   state: 2 ready, 3 joining, 4 joined
                      type 2   error: 0 none, 1 no such packet, 2 unknown, 3 not joined,
                               5 no such host name, 255 ours
                      type 4   command, size, strings (each behind its length)

Each packet of the board is between two newlines, where clients look for it. Only a board without
Wi-Fi listens: a packet has at least one byte that is Ctrl-C, and counts as that unless all of the
packet is right. Loaded for a packet, and let go of after it.

Ref: improv-wifi.com/serial (version 1); SPEC.md, section "Improv".
"""

import asyncio

import micropython

from . import __version__, control, drivers, overlay
from .compat import const
from .errors import ConfigError, MoteError

_HEAD = b"IMPROV\1"
_STATE = const(1)
_ERROR = const(2)
_COMMAND = const(3)
_RESULT = const(4)
_READY = const(2)
_JOINING = const(3)
_JOINED = const(4)
_NO_ERROR = const(0)
_INVALID = const(1)
_UNKNOWN = const(2)
_NOT_JOINED = const(3)
_BAD_HOSTNAME = const(5)
_OURS = const(255)
_SET_WIFI = const(1)
_GET_STATE = const(2)
_GET_INFO = const(3)
_SCAN = const(4)
_HOSTNAME = const(5)
_NAME = const(6)
_NETWORK_STATE = const(7)
_HAS_WIFI = const(2)
_BARE = (_GET_STATE, _GET_INFO, _SCAN, _NETWORK_STATE)  # commands without data
_CTRL_C = const(3)
_GAP_MS = const(100)  # between two bytes; a USB adapter hands on what it has every 16 ms
_PAUSE_MS = const(5)
_LOOK_MS = const(250)
_JOIN_LOOKS = const(104)  # 26 s: clients wait for 30
_SCAN_MAX = const(16)
_HOST_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"


async def packet(board):
    """Take the packet whose head came just now, and answer it.

    Raises KeyboardInterrupt if it is none: then its 0x03 was a Ctrl-C.
    """
    link = board.link
    link.have = 0
    body = _Body()
    while not body.whole:
        b = await _byte(link.serial)
        if b < 0:
            raise KeyboardInterrupt
        if not body.take(b):
            if b != _CTRL_C:
                link.feed(bytes((b,)), 1)
            raise KeyboardInterrupt
    _answer(board, body.data[0], bytes(body.data[2:]))


async def _byte(serial):
    """Return the next byte, -1 if none comes in time; the other tasks go on meanwhile."""
    for _ in range(_GAP_MS // _PAUSE_MS):
        b = serial.take()
        if b >= 0:
            return b
        await asyncio.sleep_ms(_PAUSE_MS)
    return -1


class _Body:
    """What comes behind the head; `take` tells of each byte whether it may stand where it does."""

    def __init__(self):
        self.data = bytearray()
        self.whole = False
        self._size = -1
        self._sum = sum(_HEAD) + _COMMAND

    def take(self, b):
        """Take a byte; False if no packet goes on like this."""
        if self._size < 0:
            self._size = b
            fits = b >= 2
        elif len(self.data) == self._size:
            self.whole = fits = b == self._sum & 0xFF
        else:
            self.data.append(b)
            fits = self._fits(len(self.data) - 1, b)
        self._sum += b
        return fits

    def _fits(self, at, b):
        """Tell whether a byte may stand there: what is text has no control characters."""
        command = self.data[0]
        if at < 2:
            return b == self._size - 2 if at else command not in _BARE or self._size == 2
        if command in (_HOSTNAME, _NAME):
            return b >= 0x20 and b != 0x7F
        if command != _SET_WIFI:
            return True
        behind = 3 + self.data[2]  # the length of the password
        if at == 2:
            return 0 < b <= 32 and behind < self._size
        if at == behind:
            return b == self._size - behind - 1
        return b >= 0x20 and b != 0x7F


def _answer(board, command, data):
    send = board.link.serial.write
    try:
        if command == _SET_WIFI:
            _set_wifi(board, data)
            return
        _send(send, _ERROR, bytes((_NO_ERROR,)))
        if command == _GET_STATE:
            _send(send, _STATE, bytes((_state(board),)))
        elif command == _GET_INFO:
            _result(send, command, "motefw", __version__, board.settings["board"], _name(board))
        elif command == _SCAN:
            for rssi, ssid, security in overlay.call("wlan", "heard", board)[:_SCAN_MAX]:
                _result(send, command, ssid, str(rssi), "YES" if security else "NO")
            _result(send, command)
        elif command in (_NAME, _HOSTNAME):
            _result(send, command, _renamed(board, command, data) if data else _name(board))
        elif command == _NETWORK_STATE:
            _result(send, command, str(_HAS_WIFI))
        else:
            _send(send, _ERROR, bytes((_UNKNOWN,)))
    except (MoteError, OSError) as error:
        board.report(f"improv: {error}")
        what = _BAD_HOSTNAME if command == _HOSTNAME else _INVALID if command == _NAME else _OURS
        if not isinstance(error, ConfigError):
            what = _OURS
        _send(send, _ERROR, bytes((what,)))


def _send(send, kind, data):
    head = b"\n" + _HEAD + bytes((kind, len(data)))
    send(head + data + bytes((sum(head) + sum(data) - 10 & 0xFF, 10)))


def _result(send, command, *texts):
    strings = b"".join([bytes((len(t.encode()),)) + t.encode() for t in texts])
    _send(send, _RESULT, bytes((command, len(strings))) + strings)


def _name(board):
    """Return the board's name, which is its host's name, too."""
    return board.settings.get("name") or "mote-" + board.identity.device.decode()


def _renamed(board, command, data):
    """Give the board a name, and return it."""
    try:
        name = data.decode()
    except UnicodeError:
        raise ConfigError("name: no UTF-8") from None
    if command == _HOSTNAME and (
        name[0] == "-" or name[-1] == "-" or not all(c in _HOST_CHARACTERS for c in name)
    ):
        raise ConfigError(f"host name: {name!r}, letters, digits and hyphens expected")  # RFC 1123
    marks = control.carry_out(board, "configure", "marks", {})
    if marks["next"] or marks["trial"]:  # to save now would keep it, or undo it
        raise MoteError("name: a configuration is on trial")
    config = overlay.call("config", "load", board.port.root, drivers.load)
    config["name"] = name
    control.carry_out(board, "configure", "save", {"config": config})
    board.settings["name"] = name
    return name


def _state(board):
    joining = [task for task in board.tasks if task.name == "wifi" and task.networks]
    return _JOINING if joining else _READY


def _set_wifi(board, data):
    """Begin to join a network; a task of its own tells how that ends."""
    send = board.link.serial.write
    at = 1 + data[0]
    try:
        ssid, password = data[1:at].decode(), data[at + 1 :].decode()
        wanted = [{"ssid": ssid, "password": password}]
        overlay.call("networks", "check", wanted, ())
    except (ConfigError, UnicodeError):
        _send(send, _ERROR, bytes((_INVALID,)))
        return
    _send(send, _ERROR, bytes((_NO_ERROR,)))
    if not overlay.call("wlan", "use", board, wanted, []):
        _send(send, _ERROR, bytes((_OURS,)))
        return
    _send(send, _STATE, bytes((_JOINING,)))
    board.joining = asyncio.create_task(_join(board, wanted))


async def _join(board, wanted):
    """Keep the network once it has worked; else be as before."""
    send = board.link.serial.write
    (now,) = [task for task in board.tasks if task.name == "wifi"]
    for _ in range(_JOIN_LOOKS):
        await asyncio.sleep_ms(_LOOK_MS)
        if now.networks is not wanted:
            return  # somebody has set others
        if now.state != "joining":
            break
    if now.state == "joined" and _keep(board, wanted):
        micropython.kbd_intr(_CTRL_C)
        _send(send, _STATE, bytes((_JOINED,)))
        _result(send, _SET_WIFI)
        return
    now.use([], [])
    _send(send, _STATE, bytes((_READY,)))
    _send(send, _ERROR, bytes((_NOT_JOINED,)))


def _keep(board, wanted):
    try:
        overlay.call("networks", "save", board.port.root, wanted, [])
        return True
    except OSError as error:
        board.report(f"improv: {error}")
        return False

"""Improv Wi-Fi over a serial line: how any board that speaks it gets its network, motefw or not.

    IMPROV | version 1 | type | size | data | sum of all bytes before, modulo 256

`Reader` finds packets among whatever else a board prints; `Improv` asks over an open line. The
password goes over the line as it is: Improv knows no encryption and no keys.

Ref: improv-wifi.com/serial, version 1, of 2026.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from .errors import LinkError, UsageError
from .networks import Network, ssid_flaw
from .transports.serial import PortGoneError, open_port

HEAD = b"IMPROV\x01"
STATE, ERROR, COMMAND, RESULT = 1, 2, 3, 4
SET_WIFI, GET_STATE, GET_INFO, SCAN = 1, 2, 3, 4
STATES = {1: "locked", 2: "ready", 3: "joining", 4: "joined"}
ERRORS = {
    1: "the board takes the packet for none",
    2: "the board does not know this command",
    3: "the board could not join the network (wrong password, or out of reach?)",
    4: "the board wants to be unlocked first, by a button for example",
    0xFF: "the board failed, and does not say why",
}
ANSWER_S = 1.0
TRIES = 4
SCAN_S = 20.0
JOIN_S = 35.0
_DATA_MAX = 255
_TEXT_MAX = 255


class ImprovError(LinkError):
    """A board that does not speak Improv, or that could not do as it was asked."""


class Packet(NamedTuple):
    """A packet that came whole: its type, and its data."""

    kind: int
    data: bytes


class Line(Protocol):
    """An open line."""

    def read(self, wait_s: float) -> bytes:
        """Return what has come, b"" if nothing comes in time."""
        ...

    def write(self, data: bytes) -> None:
        """Send all of data."""
        ...


@dataclass(frozen=True)
class Info:
    """What a board says of itself."""

    firmware: str
    version: str
    hardware: str
    name: str


@dataclass(frozen=True)
class Found:
    """A network that a board hears."""

    ssid: str
    rssi_dbm: int
    secured: bool


def encode(kind: int, data: bytes) -> bytes:
    """Return a packet, and the newline by which others tell where the next one begins."""
    if len(data) > _DATA_MAX:
        raise UsageError(f"improv: {len(data)} bytes of data, at most {_DATA_MAX} possible")
    packet = HEAD + bytes((kind, len(data))) + data
    return packet + bytes((sum(packet) & 0xFF,)) + b"\n"


def command(number: int, data: bytes = b"") -> bytes:
    """Return a command's packet."""
    return encode(COMMAND, bytes((number, len(data))) + data)


def set_wifi(network: Network) -> bytes:
    """Return the packet that gives a board its network; UsageError if it cannot be."""
    if flaw := ssid_flaw(network.ssid):
        raise UsageError(f"ssid: {flaw}")
    ssid, password = network.ssid.encode(), network.password.encode()
    if len(password) > _DATA_MAX - len(ssid) - 4:
        raise UsageError(f"password of {network.ssid!r}: too long; not shown here")
    return command(SET_WIFI, bytes((len(ssid),)) + ssid + bytes((len(password),)) + password)


class Reader:
    """Bytes in, packets out; what is none is left out, and `rest` never grows beyond a packet."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Packet]:
        """Take bytes from the line; return the packets that they complete."""
        self._rest += data
        found: list[Packet] = []
        while (packet := self._next()) is not None:
            if packet:
                found.append(packet)
        return found

    def _next(self) -> Packet | tuple[()] | None:
        """Return the next packet, () where one turned out to be none, None if more is needed."""
        at = self._rest.find(HEAD)
        if at < 0:
            self._rest = self._rest[-len(HEAD) + 1 :]
            return None
        self._rest = self._rest[at:]
        head = len(HEAD) + 2
        if len(self._rest) < head or len(self._rest) <= (end := head + self._rest[head - 1]):
            return None
        packet, mark = self._rest[:end], self._rest[end]
        if sum(packet) & 0xFF != mark:
            self._rest = self._rest[1:]
            return ()
        self._rest = self._rest[end + 1 :]
        return Packet(packet[head - 2], packet[head:])


def texts(data: bytes) -> tuple[int, list[str]]:
    """Return (command, its strings) of a result's data; ImprovError if it is none."""
    if len(data) < 2 or data[1] != len(data) - 2:
        raise ImprovError("improv: a result whose length is wrong")
    found: list[str] = []
    at = 2
    while at < len(data):
        end = at + 1 + data[at]
        if end > len(data):
            raise ImprovError("improv: a result with a string that goes beyond its end")
        found.append(data[at + 1 : end].decode("utf-8", "replace"))
        at = end
    return data[0], found


class SerialLine:
    """A serial port, opened for this program alone and without resetting the board."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._port = open_port(name)

    def read(self, wait_s: float) -> bytes:
        """Return what has come, b"" if nothing comes in time; PortGoneError if it is gone."""
        try:
            self._port.timeout = wait_s
            return self._port.read(1) + self._port.read(self._port.in_waiting)
        except OSError as e:
            raise PortGoneError(f"{self._name}: unplugged or closed") from e

    def write(self, data: bytes) -> None:
        """Send all of data; PortGoneError if the port is gone."""
        try:
            self._port.write(data)
        except OSError as e:
            raise PortGoneError(f"{self._name}: unplugged, or takes no bytes") from e

    def close(self) -> None:
        """Close the port; DTR and RTS stay as they are."""
        self._port.close()


class Improv:
    """A board at the end of a line, asked by one thread; every wait ends."""

    def __init__(self, line: Line, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._line = line
        self._clock = clock
        self._reader = Reader()

    def state(self) -> str:
        """Return "ready", "joining" or "joined"; ImprovError if nothing answers."""
        for _ in range(TRIES):
            self._line.write(command(GET_STATE))
            for packet in self._until(ANSWER_S):
                if packet.kind == STATE:
                    return self._named(packet)
                self._refuse(packet)
        raise ImprovError(
            f"{self.name}: no answer; does the board speak Improv, and has it no Wi-Fi yet? "
            "(motefw listens only until it has)"
        )

    def info(self) -> Info:
        """Return what the board says of itself."""
        (said,) = self._ask(GET_INFO, ANSWER_S * TRIES, 1)
        if len(said) < len(Info.__dataclass_fields__):
            raise ImprovError(f"{self.name}: tells {len(said)} things of itself, 4 expected")
        return Info(*said[:4])

    def scan(self) -> list[Found]:
        """Return the networks that the board hears, as it lists them."""
        return [_found(self.name, said) for said in self._ask(SCAN, SCAN_S, None)]

    def join(self, network: Network) -> str:
        """Give the board a network, and wait until it is in; return its URL, "" if it has none."""
        self._line.write(set_wifi(network))
        joined = False
        for packet in self._until(JOIN_S):
            self._refuse(packet)
            if packet.kind == STATE:
                joined = self._named(packet) == "joined"
            elif packet.kind == RESULT:
                number, said = texts(packet.data)
                if number == SET_WIFI:
                    return said[0] if said else ""
        if joined:
            return ""
        raise ImprovError(f"{self.name}: did not say in {JOIN_S:g} s whether it has joined")

    def _ask(self, number: int, wait_s: float, count: int | None) -> list[list[str]]:
        """Return the results of a command: `count` of them, or up to an empty one if None."""
        self._line.write(command(number))
        results: list[list[str]] = []
        for packet in self._until(wait_s):
            self._refuse(packet)
            if packet.kind != RESULT:
                continue
            of, said = texts(packet.data)
            if of != number:
                continue
            if count is None and not said:
                return results
            results.append(said)
            if len(results) == count:
                return results
        raise ImprovError(f"{self.name}: no answer in {wait_s:g} s")

    def _until(self, wait_s: float) -> Iterator[Packet]:
        """Yield packets as they come, for so long."""
        end = self._clock() + wait_s
        while (left := end - self._clock()) > 0:
            yield from self._reader.feed(self._line.read(min(left, 0.2)))

    def _refuse(self, packet: Packet) -> None:
        """Raise ImprovError for a packet that tells of an error."""
        if packet.kind == ERROR and packet.data[:1] not in (b"", b"\0"):
            number = packet.data[0]
            raise ImprovError(f"{self.name}: {ERRORS.get(number, f'error {number}')}")

    def _named(self, packet: Packet) -> str:
        number = packet.data[0] if packet.data else 0
        if number not in STATES:
            raise ImprovError(f"{self.name}: state {number}, 1 to 4 expected")
        return STATES[number]


def _found(name: str, said: list[str]) -> Found:
    try:
        ssid, rssi, secured = said[:3]
        return Found(ssid, int(rssi), secured != "NO")
    except ValueError:
        raise ImprovError(
            f"{name}: a network of {said!r}; name, rssi, YES or NO expected"
        ) from None

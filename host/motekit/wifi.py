"""A board's Wi-Fi through its commands: what it joins, how that goes, who is there.

    set_networks(client, [Network("site", password)])
    state = wait_joined(client, 60)

A board tries new networks at once and keeps those of before until one of the new has worked. It
never tells a password: a mark, made with its command key, tells a host that has the key whether a
password is the one it knows. Requests over a serial line are tagged, not encrypted.

Ref: SPEC.md, section "Wi-Fi".
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from motefw import keys

from .errors import LinkError, UsageError
from .keys import KeyStore
from .networks import NETWORKS_MAX, Network, password_flaw, ssid_flaw

OFF, JOINING, JOINED, FAILED = "off", "joining", "joined", "failed"
LOOK_S = 1.0
SCAN_WAIT_S = 12.0
_STATES = (OFF, JOINING, JOINED, FAILED)
_MARK = b"wifimark"  # where a command has its nonce


class NotJoinedError(LinkError):
    """The board has joined none of its networks in time."""


class Asking(Protocol):
    """What is needed of a client (`motekit.client.Client`)."""

    def request(self, name: str, args: dict[str, Any] | None = None, wait_s: float = ...) -> Any:
        """Ask the board; return its result."""
        ...


@dataclass(frozen=True)
class Known:
    """A network that a board has, and the mark of its password."""

    ssid: str
    mark: str


@dataclass(frozen=True)
class WifiState:
    """What a board tells of its Wi-Fi.

    `state` is "off" (no networks), "joining", "joined", or "failed" (at rest until it tries
    again). `ssid` is the network that it is in, or tries; `why` tells what went wrong last.
    `former` are kept while `networks` are on trial.
    """

    state: str
    ssid: str | None
    rssi_dbm: int | None
    address: str | None
    why: str | None
    networks: tuple[Known, ...]
    former: tuple[Known, ...] = ()

    @property
    def on_trial(self) -> bool:
        """Tell whether none of the networks has worked yet, and former ones are kept."""
        return bool(self.former)

    @property
    def joined(self) -> bool:
        """Tell whether the board is in one of its networks, and not in a former one."""
        return self.state == JOINED and not self.former

    def as_json(self) -> dict[str, object]:
        """Return what may be shown: names and state, no marks."""
        return {
            "state": self.state,
            "ssid": self.ssid,
            "rssi_dbm": self.rssi_dbm,
            "address": self.address,
            "why": self.why,
            "networks": [each.ssid for each in self.networks],
            "former": [each.ssid for each in self.former],
        }


@dataclass(frozen=True)
class Heard:
    """An access point that a board hears."""

    ssid: str
    rssi_dbm: int
    secured: bool


def get(client: Asking) -> WifiState:
    """Ask a board for its networks and state."""
    return _state(client.request("wifi.get"))


def set_networks(client: Asking, networks: Sequence[Network], keep: Sequence[str] = ()) -> bool:
    """Have a board join these, the first if it can; none: Wi-Fi off. Needs the command key.

    `keep` names networks of the board that stay behind these, with the passwords that it has.
    Return whether the board has to be restarted first. Raises UsageError for networks that cannot
    be, RefusedError with the board's own reason; neither shows a password.
    """
    check([*networks, *(Network(ssid, "") for ssid in keep)])
    listed = [{"ssid": each.ssid, "password": each.password} for each in networks]
    listed += [{"ssid": ssid} for ssid in keep]
    told = _object(client.request("wifi.set", {"networks": listed}), "wifi.set")
    return told.get("reboot") is True


def check(networks: Sequence[Network]) -> None:
    """Raise UsageError for networks that no board can be given."""
    if len(networks) > NETWORKS_MAX:
        raise UsageError(f"{len(networks)} networks, at most {NETWORKS_MAX} expected")
    for at, network in enumerate(networks):
        if flaw := ssid_flaw(network.ssid):
            raise UsageError(f"ssid: {flaw}")
        if flaw := password_flaw(network.password):
            raise UsageError(f"password of {network.ssid!r}: {flaw}")
        if network.ssid in {each.ssid for each in networks[:at]}:
            raise UsageError(f"ssid: {network.ssid!r} is listed twice")


def scan(client: Asking) -> list[Heard]:
    """Return the access points that a board hears, the strongest first; needs the command key.

    The board does nothing else meanwhile (2 s): samples of its fastest sensors may be lost.
    """
    told = _object(client.request("wifi.scan", wait_s=SCAN_WAIT_S), "wifi.scan")
    return [_heard(each) for each in _list(told, "heard")]


def wait_joined(
    client: Asking,
    wait_s: float,
    now: Callable[[], float],
    pause: Callable[[float], object],
) -> WifiState:
    """Return a board's state once it is in one of its networks.

    Raises NotJoinedError with the reason when the time is up; `now` and `pause` are in seconds.
    """
    end = now() + wait_s
    while True:
        state = get(client)
        if state.joined:
            return state
        if now() >= end:
            where = f", it is in {state.ssid!r}" if state.state == JOINED else ""
            why = state.why or f"it is {state.state}"
            raise NotJoinedError(
                f"Wi-Fi was not joined in {wait_s:g} s: {why}{where}; {waiting(state)}"
            )
        pause(LOOK_S)


def waiting(state: WifiState) -> str:
    """Return in which network a board stays, and what it waits for."""
    new = " or ".join(each.ssid for each in state.networks)
    former = ", ".join(each.ssid for each in state.former)
    if not former:
        return f"it goes on trying {new}"
    return f"it keeps {former} until {new} has worked"


def mark(tagger: keys.Tagger, network: Network) -> str:
    """Return the mark of a network's password, made with a device's command tagger."""
    data = network.ssid.encode() + b"\0" + network.password.encode()
    return tagger.tag(_MARK, data).hex()


def same(
    state: WifiState, networks: Sequence[Network], keys_: KeyStore, device: str, generation: int
) -> bool | None:
    """Tell whether a board has exactly these networks, in this order; None without its key."""
    if [each.ssid for each in state.networks] != [each.ssid for each in networks]:
        return False
    tagger = keys_.tagger(keys.COMMAND, device, generation)
    if tagger is None:
        return None
    pairs = zip(state.networks, networks, strict=True)
    return all(hmac.compare_digest(known.mark, mark(tagger, each)) for known, each in pairs)


def _state(told: Any) -> WifiState:
    fields = _object(told, "wifi.get")
    state = fields.get("state")
    if state not in _STATES:
        raise LinkError(f"wifi.get: state {state!r}, one of {', '.join(_STATES)} expected")
    return WifiState(
        state=state,
        ssid=_text(fields, "ssid"),
        rssi_dbm=_number(fields, "rssi"),
        address=_text(fields, "address"),
        why=_text(fields, "why"),
        networks=tuple(_known(each) for each in _list(fields, "networks")),
        former=tuple(_known(each) for each in _list(fields, "former")),
    )


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise LinkError(f"{what}: the board's answer is no object")
    return cast("dict[str, Any]", value)


def _list(fields: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = fields.get(key, [])
    if not isinstance(value, list):
        raise LinkError(f"the board's answer: {key} is no list")
    return [_object(each, key) for each in cast("list[Any]", value)]


def _text(fields: dict[str, Any], key: str) -> str | None:
    value = fields.get(key)
    if value is not None and not isinstance(value, str):
        raise LinkError(f"the board's answer: {key} is no text")
    return value


def _number(fields: dict[str, Any], key: str) -> int | None:
    value = fields.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise LinkError(f"the board's answer: {key} is no whole number")
    return value


def _known(fields: dict[str, Any]) -> Known:
    return Known(_text(fields, "ssid") or "", _text(fields, "mark") or "")


def _heard(fields: dict[str, Any]) -> Heard:
    return Heard(
        _text(fields, "ssid") or "", _number(fields, "rssi") or 0, fields.get("open") is not True
    )

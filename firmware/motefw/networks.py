"""The Wi-Fi networks that a board may join, as its file holds them.

    {"networks": [{"ssid": "site", "password": "..."}, ..], "former": [..]}

The first one is preferred; an empty password means an open network. While "former" is there the
networks are on trial: the former ones are kept until one of the new has worked. No error shows a
password, nor does anything else; `marked` tells a host whether it is the one that it knows.

Ref: SPEC.md, section "Wi-Fi"; IEEE 802.11-2020, 9.4.2.2 (SSID) and J.4.1 (passphrase).
"""

from .compat import const
from .errors import ConfigError
from .files import WIFI_FILE, read_json, write_json

NETWORKS_MAX = const(4)
_SSID_MAX_BYTES = const(32)
_PASSWORD_MIN = const(8)
_PASSWORD_MAX = const(63)
_KEY_DIGITS = const(64)
_HEX = "0123456789abcdefABCDEF"
_MARK = b"wifimark"  # where a command has its nonce, so that a mark never is a command's tag


def load(root):
    """Return (networks, former ones) of the board's file; ConfigError if it is damaged."""
    held = read_json(root + WIFI_FILE)
    if held is None:
        return [], []
    if not isinstance(held, dict):
        raise ConfigError(f"{WIFI_FILE}: no object")
    return check(held.get("networks"), ()), check(held.get("former", []), ())


def save(root, networks, former):
    """Put networks in place of those before, whole."""
    held = {"networks": networks}
    if former:
        held["former"] = former
    write_json(root + WIFI_FILE, held)


def check(networks, known):
    """Return networks as the file has them; ConfigError if anything is amiss.

    One without a password has that of the network of its name among the `known`.
    """
    if not isinstance(networks, list) or len(networks) > NETWORKS_MAX:
        raise ConfigError(f"networks: a list of at most {NETWORKS_MAX} is expected")
    found = []
    for i, entry in enumerate(networks):
        where = f"networks[{i}]"
        if not isinstance(entry, dict):
            raise ConfigError(f"{where}: no object")
        for key in entry:
            if key not in ("ssid", "password"):
                raise ConfigError(f"{where}: unknown key {key}, known are: password, ssid")
        ssid = entry.get("ssid")
        if not isinstance(ssid, str) or not 0 < len(ssid.encode()) <= _SSID_MAX_BYTES:
            raise ConfigError(f"{where}.ssid: {ssid!r}, 1 to 32 bytes expected")
        if ssid in [each["ssid"] for each in found]:
            raise ConfigError(f"{where}.ssid: {ssid!r} is listed already")
        found.append({"ssid": ssid, "password": _password(where, ssid, entry, known)})
    return found


def _password(where, ssid, entry, known):
    if "password" not in entry:
        for each in known:
            if each["ssid"] == ssid:
                return each["password"]
        raise ConfigError(f"{where}.password: missing, and the board knows none of {ssid!r}")
    password = entry["password"]
    if not isinstance(password, str) or not _fits(password):
        raise ConfigError(
            f"{where}.password: 8 to 63 ASCII characters, 64 hex digits, or none expected"
        )
    return password


def _fits(password):
    size = len(password)
    if size == _KEY_DIGITS:
        return all(digit in _HEX for digit in password)
    return not size or (
        _PASSWORD_MIN <= size <= _PASSWORD_MAX and all(" " <= c <= "~" for c in password)
    )


def marked(tagger, networks):
    """Return networks with marks in the place of their passwords.

    A mark tells a host that has the command key which password it is.
    """
    return [{"ssid": each["ssid"], "mark": _mark(tagger, each)} for each in networks]


def _mark(tagger, network):
    data = network["ssid"].encode() + b"\0" + network["password"].encode()
    return tagger.tag(_MARK, data).hex()

"""Wi-Fi networks as everything here names them, and what they may be called.

Ref: IEEE 802.11-2020, 9.4.2.2 (SSID) and J.4.1 (passphrase); `motefw.networks` has the same rules.
"""

import re
from dataclasses import dataclass, field

NETWORKS_MAX = 4  # that a board keeps
SSID_MAX_BYTES = 32
_PASSPHRASE = range(8, 64)
_KEY_DIGITS = 64  # the key itself, not a phrase that it is made of


@dataclass(frozen=True)
class Network:
    """A network and its password, "" where it is open."""

    ssid: str
    password: str = field(repr=False)


def ssid_flaw(ssid: str) -> str | None:
    """Return what is wrong with a network's name, None if nothing is."""
    size = len(ssid.encode("utf-8", "surrogatepass"))
    if 0 < size <= SSID_MAX_BYTES:
        return None
    return f"{ssid!r} has {size} bytes, 1 to {SSID_MAX_BYTES} expected"


def unset_variable(name: str) -> str:
    """Return what is wrong with a variable that is not set; it may be a password by mistake."""
    shown = name if re.fullmatch(r"[A-Z_][A-Z0-9_]*", name) else "the variable (no name of one)"
    return f"{shown} is not set in the environment"


def password_flaw(password: str) -> str | None:
    """Return what is wrong with a password, without showing it, None if nothing is.

    An empty one stands for an open network.
    """
    if len(password) == _KEY_DIGITS:
        fits = all(digit in "0123456789abcdefABCDEF" for digit in password)
    else:
        fits = not password or len(password) in _PASSPHRASE
        fits = fits and password.isascii() and password.isprintable()
    return None if fits else "8 to 63 ASCII characters, or 64 hex digits, expected; not shown here"

"""The Wi-Fi networks of a scenario.

    [[network]]
    ssid = "site"
    password = "..."             # absent: an open network
    rssi = -60                   # dBm, as the board hears it
    board = 0                    # or a list; absent: all boards hear it
    at_s = 0                     # from when on
    for_s = 60                   # absent: for ever

Several of one name are one access point at different times, or one whose password is changed.
"""

from motekit import networks
from motekit.fields import Fields
from motekit.sim.plan import YEAR_S, VirtualNetwork

_RSSI = (-120, 0)
_USUAL_RSSI = -60


def read(entry: Fields) -> VirtualNetwork:
    """Return the network of one table, whose "board" is left to the caller."""
    ssid = entry.text("ssid")
    if flaw := networks.ssid_flaw(ssid):
        raise entry.fail("ssid", flaw)
    return VirtualNetwork(
        ssid=ssid,
        password=_password(entry),
        rssi=entry.integer("rssi", *_RSSI) if entry.get("rssi") is not None else _USUAL_RSSI,
        at_s=entry.number("at_s", 0.0, YEAR_S) if entry.get("at_s") is not None else 0.0,
        for_s=entry.number("for_s", 0.0, YEAR_S) if entry.get("for_s") is not None else None,
    )


def _password(entry: Fields) -> str:
    password = entry.get("password")
    if password is None:
        return ""
    if not isinstance(password, str):
        raise entry.fail("password", "is no text")
    if flaw := networks.password_flaw(password):
        raise entry.fail("password", flaw)
    return password

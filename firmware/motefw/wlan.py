"""Wi-Fi as a host sees it: what to join, how it goes, and who is there. Loaded for a request.

Networks that are set are tried at once; those of before are kept until one of the new has worked,
over restarts, too.

Ref: SPEC.md, section "Wi-Fi".
"""

import sys

import micropython

from . import overlay
from .compat import const
from .errors import ConfigError, MoteError

_CTRL_C = const(3)
_OWN_PIECES = const(8)  # that this module takes of what is spared
_SCAN_MAX = const(24)  # what a reply has room for


def begin(board):
    """Join what the board's file says, at boot."""
    networks, former = _load(board)
    listen(networks)
    if networks:
        board.tasks.append(_station(board, networks, former))


def listen(networks):
    """Have Ctrl-C interrupt the program; without networks it may be a byte of Improv's."""
    micropython.kbd_intr(_CTRL_C if networks else -1)


def _load(board):
    try:
        return overlay.call("networks", "load", board.port.root)
    except (ConfigError, OSError) as error:
        board.report(f"no Wi-Fi: {error}")
        return [], []


def _station(board, networks, former):
    from .wifi import Station

    return Station(board, networks, former)


def station(board):
    """Return the station, None if the board has had no networks since it booted."""
    for task in board.tasks:
        if task.name == "wifi":
            return task
    return None


def wifi_get(board, args):
    """Tell the networks, each with a mark instead of its password, and the state."""
    networks, former = overlay.call("networks", "load", board.port.root)
    told = {"networks": _marked(board, networks), "state": "off", "ssid": None, "why": None}
    if former:
        told["former"] = _marked(board, former)
    now = station(board)
    if now:
        told["state"] = now.state
        told["ssid"] = now.ssid
        told["why"] = now.why
        if now.state == "joined":
            told["rssi"], told["address"] = _link(now.wlan)
    return told


def _marked(board, networks):
    command = board.identity.command
    return overlay.call("networks", "marked", command, networks)


def _link(wlan):
    try:
        return wlan.status("rssi"), wlan.ifconfig()[0]
    except OSError:  # lost just now
        return None, None


def wifi_set(board, args):
    """Try these networks from now on; keep those of before until one of them has worked."""
    current, former = _load(board)
    networks = overlay.call("networks", "check", args.get("networks"), current + former)
    worked = former or current
    if networks != current:
        former = [] if networks == worked or not networks else worked
        overlay.call("networks", "save", board.port.root, networks, former)
    listen(networks)
    return {"trial": bool(former), "reboot": not use(board, networks, former)}


def use(board, networks, former):
    """Have the board join these networks; False where the heap has no room for that."""
    now = station(board)
    if now:
        if former or now.networks != networks or now.former != former:
            now.use(networks, former)  # on trial: tried at once, again, too
    elif networks:
        before = list(sys.modules)
        try:
            now = _station(board, networks, former)
            overlay.insist(overlay.call, "relief", "find", _OWN_PIECES)
            now.start()
            board.tasks.append(now)
        except MemoryError:
            now = None
            overlay.call("relief", "discard", before)  # the next boot leaves a sensor out for it
            return False
    return True


def wifi_scan(board, args):
    """Tell the networks that are heard, the strongest first; nothing else runs meanwhile."""
    found = heard(board)
    return {
        "heard": [
            {"ssid": ssid, "rssi": rssi, "open": not security}
            for rssi, ssid, security in found[:_SCAN_MAX]
        ],
        "more": max(0, len(found) - _SCAN_MAX),
    }


def heard(board):
    """Return [(rssi, ssid, security)], the strongest first; hidden ones and doubles left out."""
    now = station(board)
    wlan = now.wlan if now else board.port.wlan()
    try:
        if now and now.state == "joining":
            wlan.disconnect()  # a radio that joins does not scan
        wlan.active(True)
        found = wlan.scan()
        if not now or now.state == "off":
            wlan.active(False)
    except OSError as error:
        raise MoteError(f"scan: {error}") from None
    finally:
        if now and now.state == "joining":
            now.use(now.networks, now.former)
    best = {}
    for ssid, _, _, rssi, security, _ in found:
        try:
            name = ssid.decode()
        except UnicodeError:
            continue
        if name and (name not in best or best[name][0] < rssi):
            best[name] = (rssi, name, security)
    return sorted(best.values(), reverse=True)

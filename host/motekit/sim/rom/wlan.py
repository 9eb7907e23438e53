"""The radio of a virtual board: `network.WLAN` as an ESP32 has it, and the networks around it.

What happens between two calls is worked out at the next one, from the board's clock, so that a
model costs nothing while nobody looks. A network is {ssid, password, rssi, at_ms, end_ms}; several
of one name are the same access point at different times, or one with another password.

Ref: MicroPython documentation, "class WLAN"; ports/esp32/network_wlan.c for what is returned when;
Espressif, ESP-IDF, "Wi-Fi Driver": scan times, reason codes, the beacon timeout of 6 s.
"""

from micropython import const
from ubinascii import crc32

from . import clock

_FOUND_MS = const(700)  # until a scan has come to the channel
_ABSENT_MS = const(2400)  # all channels, twice
_REFUSED_MS = const(3600)  # a 4-way handshake that times out
_LEASE_MS = const(1300)  # authentication, association, handshake and DHCP
_PASSING_MS = const(300)  # between the handshake and the address the driver says "idle"
_BEACON_MS = const(6000)
_SCAN_MS = const(1900)
_START_MS = const(120)
_IDLE = const(1000)
_CONNECTING = const(1001)
_GOT_IP = const(1010)
_NO_AP = const(201)
_BEACON_TIMEOUT = const(200)
_HANDSHAKE_TIMEOUT = const(15)
_AUTH_FAIL = const(202)
_OTHER_SECURITY = const(210)
_LEAVE = const(8)
_WPA2 = const(3)


class WLAN:
    """The station's interface of the radio; `network.WLAN` in what programs use of it."""

    IF_STA = 0

    def __init__(self, networks):
        self._networks = networks
        self._active = False
        self._reconnects = -1
        self._down = {}  # ssid: since when it is silent
        self._refused = set()
        self._broken = False
        self._wanted = None  # (ssid, key) while a connection is requested
        self._end = None  # (when, what) the try under way comes to
        self._tries = 0
        self._joined = None  # the network
        self._reason = 0

    def fault(self, kind, ssid, on):
        """Begin or end a fault of the networks of a name."""
        self._look()
        if kind == "wifi_error":
            self._broken = on
        elif kind == "wifi_refused":
            self._refused.add(ssid) if on else self._refused.discard(ssid)
        elif on:
            self._down[ssid] = clock.now_ms()
        else:
            self._down.pop(ssid, None)

    # Who is there

    def _silent_ms(self, network):
        """Return since when a network is silent, None if it is not."""
        ssid = network["ssid"]
        found = [self._down[ssid]] if ssid in self._down else []
        if network["end_ms"] is not None and clock.now_ms() >= network["end_ms"]:
            found.append(network["end_ms"])
        return min(found) if found else None

    def _heard(self):
        now = clock.now_ms()
        return [
            each
            for each in self._networks
            if each["at_ms"] <= now and self._silent_ms(each) is None
        ]

    def _outcome(self, now):
        """Return (after how many ms, what) a try to join comes to; a network if it works."""
        ssid, key = self._wanted
        there = [each for each in self._heard() if each["ssid"] == ssid]
        if not there:
            return _ABSENT_MS, _NO_AP
        best = max(there, key=lambda each: each["rssi"])
        if (key is None) != (not best["password"]):
            return _ABSENT_MS, _OTHER_SECURITY
        if best["password"] != (key or ""):
            return _FOUND_MS + _REFUSED_MS, _HANDSHAKE_TIMEOUT
        if ssid in self._refused:
            return _FOUND_MS + _REFUSED_MS, _AUTH_FAIL
        return _FOUND_MS + _LEASE_MS, best

    def _try(self, now):
        after_ms, what = self._outcome(now)
        self._end = now + after_ms, what

    def _look(self):
        """Bring the state up to now."""
        now = clock.now_ms()
        while self._end and now >= self._end[0]:
            at_ms, what = self._end
            self._end = None
            if isinstance(what, int):
                self._lose(what, at_ms)
                continue
            silent_ms = self._silent_ms(what)
            if silent_ms is not None and silent_ms <= at_ms:
                self._lose(_NO_AP, at_ms)
            else:
                self._joined = what
                self._reason = 0
        if self._joined:
            silent_ms = self._silent_ms(self._joined)
            if silent_ms is not None and now >= silent_ms + _BEACON_MS:
                self._lose(_BEACON_TIMEOUT, now)

    def _lose(self, reason, at_ms):
        """Note why there is no connection; the driver tries again as often as it may."""
        self._joined = None
        self._reason = reason
        self._tries += 1
        if self._reconnects < 0 or self._tries <= self._reconnects:
            self._try(max(at_ms, clock.now_ms() - _ABSENT_MS))

    # As on an ESP32

    def active(self, is_active=None):
        """Return whether the radio is on; or switch it."""
        if is_active is None:
            return self._active
        if is_active and not self._active:
            clock.sleep_us(_START_MS * 1000)
        self._active = bool(is_active)
        if not is_active:
            self._joined = self._wanted = self._end = None
            self._reason = 0
            self._broken = False
        return None

    def config(self, *args, **values):
        """Set `reconnects`, or return it, or the address as "mac"."""
        if args:
            if args[0] == "reconnects":
                return self._reconnects
            if args[0] == "ssid":
                return self._wanted[0] if self._wanted else ""
            raise ValueError("unknown config param")
        for name, value in values.items():
            if name == "reconnects":
                self._reconnects = value
        return None

    def connect(self, ssid=None, key=None, *, bssid=None):
        """Begin to join a network; nothing is waited for."""
        if not self._active:
            raise OSError("Wifi Not Started")
        self._look()
        if self._end or self._joined or self._broken:
            raise OSError("Wifi Internal Error")
        if ssid is not None:
            self._wanted = ssid, key
        self._tries = 0
        self._try(clock.now_ms())

    def disconnect(self):
        """Leave the network; no more is tried."""
        if not self._active:
            raise OSError("Wifi Not Started")
        self._look()
        if self._joined or self._end:
            self._reason = _LEAVE
        self._joined = self._wanted = self._end = None

    def isconnected(self):
        """Return whether there is an address."""
        self._look()
        return self._joined is not None

    def status(self, param=None):
        """Return the state or, if the driver has given up, the reason; or the "rssi"."""
        self._look()
        if param is not None:
            if param != "rssi":
                raise ValueError("unknown status param")
            if not self._joined:
                raise OSError("Wifi Not Connected")
            return self._joined["rssi"]
        if self._joined:
            return _GOT_IP
        if self._end:
            at_ms, what = self._end
            passing = not isinstance(what, int) and at_ms - clock.now_ms() < _PASSING_MS
            return _IDLE if passing else _CONNECTING
        return self._reason or _IDLE

    def scan(self):
        """Return (ssid, bssid, channel, rssi, security, hidden) of who is heard."""
        if not self._active:
            raise OSError("STA must be active")
        self._look()
        if self._end:
            raise OSError("Wifi Internal State Error")
        clock.sleep_us(_SCAN_MS * 1000)
        found = []
        for each in self._heard():
            name = each["ssid"].encode()
            bssid = b"\x02\x00" + crc32(name).to_bytes(4, "big")
            security = _WPA2 if each["password"] else 0
            found.append((name, bssid, 1 + bssid[5] % 13, each["rssi"], security, False))
        return found

    def ifconfig(self):
        """Return (address, mask, gateway, name server), zeros without a network."""
        if not self.isconnected():
            return (".".join("0000"),) * 4
        return "192.168.4.2", "255.255.255.0", "192.168.4.1", "192.168.4.1"

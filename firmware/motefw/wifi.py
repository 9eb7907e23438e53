"""Joins the board's Wi-Fi networks, and joins again whenever a connection is lost.

    joining -> joined -> (lost) -> joining ...      each network in turn, the preferred first
    joining -> failed -> (rest) -> joining ...      a rest after each round, longer each time

It owns the radio. Nothing here waits: a step takes what a call of `network.WLAN` takes, and
sampling goes on between two. The driver's own reconnecting is off: it never ends, and tells
nothing. Loaded when networks are configured, and then stays.

Ref: MicroPython documentation, "class WLAN"; Espressif, ESP-IDF, "Wi-Fi Reason Code".
"""

import asyncio
from time import ticks_add, ticks_diff

from . import overlay
from .app import Task
from .compat import const

_POLL_MS = const(250)
_LOOK_MS = const(1000)
_SETTLE_MS = const(300)  # the event of leaving comes late, and would end the next try
_JOIN_MS = const(20000)
_REST_MS = const(5000)
_REST_MAX_MS = const(300_000)
_ROUNDS_A_RESET = const(4)
_IDLE = const(1000)  # network.STAT_IDLE: passed through on the way to an address, too
_GOT_IP = const(1010)
_LEFT = const(8)  # WIFI_REASON_ASSOC_LEAVE: our own doing
_WHY = (
    ((2, 15, 202, 204), "wrong password"),  # expired, timed out twice, refused
    ((201,), "not found"),
    ((200,), "out of reach"),
    ((210, 211), "another kind of security"),
)


class Station(Task):
    """The board in a network: its state, the ssid meant, and why it is not in the preferred one.

    The state is "off", "joining", "joined", or "failed" (at rest until the next round).
    """

    def __init__(self, board, networks, former):
        self.name = "wifi"
        self.restarts = 0
        self._ticks_ms = board.ticks_ms
        self._board = board
        self.wlan = board.port.wlan()
        self.use(networks, former)

    def start(self):
        """Run, on a board that runs already."""
        self._running = asyncio.create_task(self._board.guard(self))

    def use(self, networks, former):
        """Join these from now on; the former ones are there if none of them works."""
        self.networks = networks
        self.former = former
        self._rounds = 0
        self.ssid = self.why = None
        self.state = "joining" if networks else "off"
        self._begin(0, 0)

    def _begin(self, at, rest_ms):
        """Have the network at this place tried after a rest."""
        self._at = at
        self._then(self._leave, rest_ms)

    def _then(self, job, wait_ms):
        self._job = job
        self._job_ms = ticks_add(self._ticks_ms(), wait_ms)

    async def run(self, _task):
        """Do what is due, for ever."""
        while True:
            self.beat(_LOOK_MS)
            left_ms = ticks_diff(self._job_ms, self._ticks_ms())
            if left_ms > 0:
                await asyncio.sleep_ms(min(left_ms, _LOOK_MS))
                continue
            try:
                self._job()
            except OSError as error:  # of the radio
                self._fail(f"{error}", True)

    def _leave(self):
        """Be out of any network, with the radio on if it is needed."""
        on = bool(self.networks)
        self.wlan.active(on)
        if on:
            self.wlan.disconnect()
        self._then(self._join if on else self._leave, _SETTLE_MS if on else _REST_MAX_MS)

    def _join(self):
        network = (self.networks + self.former)[self._at]
        self.ssid = network["ssid"]
        self.state = "joining"
        self.wlan.config(reconnects=0)
        self.wlan.connect(self.ssid, network["password"] or None)
        self._end_ms = ticks_add(self._ticks_ms(), _JOIN_MS)
        self._then(self._wait, _POLL_MS)

    def _wait(self):
        status = self.wlan.status()
        if status == _GOT_IP:
            self._joined()
        elif status < _IDLE and status != _LEFT:
            self._fail(_reason(status), False)
        elif ticks_diff(self._end_ms, self._ticks_ms()) <= 0:
            self._fail("no address in 20 s", False)
        else:
            self._then(self._wait, _POLL_MS)

    def _joined(self):
        self._rounds = 0
        self.state = "joined"
        self._board.report(f"wifi: {self.ssid}: joined")
        self._then(self._look, _LOOK_MS)
        if self._at < len(self.networks):
            self.why = None
            if self.former:
                self._trust()

    def _trust(self):
        """Let go of the former networks: one of the new has worked."""
        try:
            overlay.call("networks", "save", self._board.port.root, self.networks, [])
            self.former = []
        except OSError as error:
            self._board.report(f"wifi: {error}")  # they stay, until the next one works

    def _look(self):
        if self.wlan.isconnected():
            self._then(self._look, _LOOK_MS)
        else:
            self._tell("lost: " + _reason(self.wlan.status()))
            self.state = "joining"
            self._begin(0, 0)

    def _tell(self, why):
        self.why = f"{self.ssid}: {why}"
        self._board.report("wifi: " + self.why)

    def _fail(self, why, broken):
        """Go on to the next network; after the last one, rest, and try anew from the first."""
        self._tell(why)
        if not broken and self._at + 1 < len(self.networks) + len(self.former):
            self._begin(self._at + 1, 0)
            return
        self.state = "failed"
        rest_ms = min(_REST_MS << min(self._rounds, 6), _REST_MAX_MS)
        self._rounds += 1
        # Boards that lost the same access point must not all come back at once.
        self._begin(0, rest_ms - rest_ms * self._board.port.random(1)[0] // 1024)
        if broken or not self._rounds % _ROUNDS_A_RESET:
            try:
                self.wlan.active(False)
            except OSError:
                pass  # there is no more to be done to a radio


def _reason(status):
    for codes, why in _WHY:
        if status in codes:
            return why
    return f"status {status}"

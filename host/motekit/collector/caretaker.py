"""What a session does for its board beside taking packets: the time, its health, channel tables.

Collecting depends on none of it: a request that is refused or not answered is told to the user
once, and is made again at its next turn.
"""

from collections.abc import Callable
from typing import Any, cast

from motefw.packet import NOTE, SAMPLES
from motekit.client import Client, NoReplyError, RefusedError
from motekit.clock import Clock
from motekit.errors import SchemaError
from motekit.hello import Hello
from motekit.store import Head, Store

from .live import Live

TIME_SET_EVERY_S = 600.0
TIME_AGAIN_S = 15.0  # after it could not be set
TIME_ASKS = 4
TIME_JUMP_S = 2.0  # between calendar and monotonic clock: no drift, somebody set the calendar
TIME_TRIP_S = 0.1  # an answer that came so soon is good enough
STATUS_FIRST_S = 2.0  # after a hello, or after a note: a sensor's state has changed, maybe
STATUS_EVERY_S = 60.0  # a board loads a few modules to answer, which takes it some time
STATUS_REST_S = 15.0  # at least, between two
TAP_AGAIN_S = 15.0  # after a board was told that nobody takes what it tells of its buses
TAP_COMMAND = "bus.record"
STARTING = "starting"  # a sensor's state until its first sample
SCHEMA_AFTER_S = 1.0  # the note that announces it comes first, unless it was lost
CLOCK_SANE_S = 1_767_225_600  # 2026-01-01: a host whose clock is before that was never set
HOST_CLOCK_ERROR_US = 1000
_U32_MAX = 0xFFFFFFFF


class Caretaker:
    """Looks after one board; `clock` is the host's."""

    def __init__(
        self,
        client: Client,
        store: Store,
        live: Live,
        tell: Callable[[str, str], None],
        clock: Clock,
    ) -> None:
        self._client = client
        self._store = store
        self._live = live
        self._tell = tell
        self._utc = clock.utc
        self._now = clock.monotonic
        self._time_due_at: float | None = None
        self._calendar_s = clock.utc() - clock.monotonic()
        self._status_due_at = self._now() + STATUS_FIRST_S
        self._status_at = self._now() - STATUS_REST_S
        self._known: set[tuple[int, int]] = set()  # (epoch, schema)
        self._unknown: dict[tuple[int, int], float] = {}
        self._told: set[str] = set()
        self._tap_due_at = self._now()

    def saw(self, header: Head) -> None:
        """Note the schema of a packet of samples; ask soon how a board is that has sent a note."""
        key = (header.epoch, header.schema)
        if header.kind == NOTE:
            soon = max(self._now() + STATUS_FIRST_S, self._status_at + STATUS_REST_S)
            self._status_due_at = min(self._status_due_at, soon)
        elif header.kind == SAMPLES and key not in self._known:
            self._unknown.setdefault(key, self._now())

    def due_at(self) -> float:
        """Return when `due` has something to do next."""
        due = self._status_due_at
        if self._time_due_at is not None:
            due = min(due, self._time_due_at)
        return min([due, *(since + SCHEMA_AFTER_S for since in self._unknown.values())])

    def due(self, hello: Hello) -> None:
        """Do what is due now."""
        now = self._now()
        if self._time_due_at is not None and (self._jumped() or now >= self._time_due_at):
            self.set_time()
        if now >= self._status_due_at:
            self._ask_status(hello)
        for key, since in list(self._unknown.items()):
            if now - since >= SCHEMA_AFTER_S:
                self._learn_schema(hello, key)

    def end_tap(self) -> None:
        """Have a board stop telling what goes over its buses: who wanted to know has gone."""
        if self._client.hello is not None and self._now() >= self._tap_due_at:
            self._tap_due_at = self._now() + TAP_AGAIN_S
            self._try(TAP_COMMAND, {"for_s": 0})

    def set_time(self) -> None:
        """Tell the board the time, for an anchor in its log.

        A request may be late by seconds on a bad line. So the board is asked for its own time, and
        told what UTC that was: half of how long the answer took is all that it can be off.
        """
        self._time_due_at = self._now() + TIME_SET_EVERY_S
        if self._utc() < CLOCK_SANE_S:
            self._tell("warning", "this host's clock is not set: samples will have no UTC time")
            return
        measured = self._measure_time()
        if measured is None or self._try("time.set", measured) is None:
            self._time_due_at = self._now() + TIME_AGAIN_S

    def _jumped(self) -> bool:
        """Tell whether this host's calendar was set; times near that are only as good as it."""
        before, self._calendar_s = self._calendar_s, self._utc() - self._now()
        jump_s = self._calendar_s - before
        if abs(jump_s) < TIME_JUMP_S:
            return False
        self._tell(
            "warning",
            f"this host's clock jumped by {jump_s:+,.0f} s: samples from about now on have its "
            f"new time; if that is the wrong one, correct it",
        )
        return True

    def _measure_time(self) -> dict[str, Any] | None:
        """Return the arguments of `time.set`, from the answer that came the soonest."""
        best: dict[str, Any] | None = None
        for _ in range(TIME_ASKS):
            answer = self._try("time.get", {})
            if answer is None:
                break
            trip_us = round(self._client.round_trip_s * 1e6)
            utc_us = round(self._utc() * 1e6) - trip_us // 2
            error_us = min(trip_us // 2 + HOST_CLOCK_ERROR_US, _U32_MAX)
            if best is None or error_us < best["error_us"]:
                uptime_us = answer.get("uptime_us")
                best = {"utc_us": utc_us, "error_us": error_us, "uptime_us": uptime_us}
            if trip_us <= TIME_TRIP_S * 1e6:
                break
        return best

    def _ask_status(self, hello: Hello) -> None:
        self._status_at = self._now()
        self._status_due_at = self._status_at + STATUS_EVERY_S
        status = self._try("status", {})
        if status is not None:
            frames_bad = self._client.pipe.stats.frames_bad
            ailing = _ailing(status)
            self._live.set(hello.device, errors=ailing, frames_bad=frames_bad)
            if any(each.endswith(f": {STARTING}") for each in ailing):  # which soon is not so
                self._status_due_at = self._status_at + STATUS_REST_S

    def _learn_schema(self, hello: Hello, key: tuple[int, int]) -> None:
        """Ask for a channel table that was never announced, or whose note was lost."""
        epoch, number = key
        del self._unknown[key]
        self._known.add(key)
        if epoch != hello.epoch or number in self._store.schemas(hello.device, epoch):
            return
        answer = self._try("schema", {"schema": number})
        if answer is None:
            return
        try:
            self._store.add_schema(hello.device, epoch, answer.get("schema", {}))
        except SchemaError as e:
            self._warn(f"told a schema {number} that cannot be read, so it has no units: {e}")

    def _try(self, name: str, args: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return self._client.request(name, args)
        except (RefusedError, NoReplyError) as e:
            self._warn(str(e))
            return None

    def _warn(self, text: str) -> None:
        """Tell the user, once."""
        if text not in self._told and len(self._told) < 100:
            self._told.add(text)
            self._tell("warning", text)


def _ailing(status: dict[str, Any]) -> tuple[str, ...]:
    """Return "name: state" of each sensor that the board says is not well."""
    sensors = status.get("sensors")
    if not isinstance(sensors, list):
        return ()
    rows = [
        cast("dict[str, Any]", row) for row in cast("list[Any]", sensors) if isinstance(row, dict)
    ]
    return tuple(
        f"{str(row.get('name'))[:32]}: {str(row.get('state'))[:16]}"
        for row in rows
        if row.get("state") != "ok"
    )

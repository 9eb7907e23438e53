"""Runs a station: looks at the ports, gives each board that appears a thread of its own.

Whatever happens to a board, its thread ends with a verdict, which is in the journal before it is
shown. A thread that waits does so with an end, or asks `stopped`.
"""

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from motekit.errors import MotekitError
from motekit.plain import plain
from motekit.station.desk import Desk, Slot
from motekit.station.journal import Entry, Journal
from motekit.station.visit import AlreadyError, CopyError, Step, Visit
from motekit.station.watch import Plug

LOOK_S = 0.4
FINISH_S = 180.0  # what boards in the middle are given when the station ends
END_S = 3.0  # and what they get when it ends at once
COPY_S = 20.0  # a chip with USB of its own may come back under another name
PULLED_S = 1.0  # until a port that is gone is known to be
_POLL_S = 0.1
_BROKEN = "the station itself failed; what it printed is worth a report"


class Event(NamedTuple):
    """Something that happened at a port: "plugged", "step", a verdict, or "unplugged"."""

    what: str
    slot: Slot


class Station:
    """Boards at ports; `run` it in one thread, `stop` it from any; no signal's handler should."""

    def __init__(
        self,
        steps: Sequence[Step],
        journal: Journal,
        look: Callable[[], Mapping[str, Plug]],
        *,
        at_once: int = 16,
        on_event: Callable[[Event], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.desk = Desk(at_once)
        self._steps = tuple(steps)
        self._journal = journal
        self._look = look
        self._on_event = on_event
        self._now = now
        self._lock = threading.RLock()
        self._ending = threading.Event()  # at once
        self._ends_s: float | None = None
        self._unheard: OSError | None = None
        self._wake = threading.Event()

    def run(
        self,
        until: Callable[[Desk], bool] = lambda _: False,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """Serve boards until `until(desk)`, or `stop`; `tick` is called before each look."""
        threads: dict[str, threading.Thread] = {}
        try:
            while not self._over():
                tick()
                for slot in self._round():
                    thread = threading.Thread(target=self._serve, args=(slot,), daemon=True)
                    threads[slot.port] = thread
                    thread.start()
                if not self.desk.closing and until(self.desk):
                    self.stop()
                    continue
                self._wake.wait(LOOK_S)
                self._wake.clear()
        finally:
            self._ending.set()
            end = self._now() + END_S
            for thread in threads.values():
                thread.join(max(end - self._now(), 0))
        if self._unheard is not None:
            raise self._unheard
        tick()

    def _round(self) -> list[Slot]:
        """Look at the ports; return the slots whose turn it is."""
        plugged = self._look()
        with self._lock:
            came, went = self.desk.see(plugged, self._now())
            begun = self.desk.begin(self._now())
        for what, slots in (("unplugged", went), ("plugged", came)):
            for slot in slots:
                self._emit(Event(what, slot))
        return begun

    def stop(self, *, at_once: bool = False) -> None:
        """Begin nothing more; end when no board is in the middle, or at once."""
        self.desk.closing = True
        self._ends_s = self._now() + (0 if at_once else FINISH_S)
        if at_once:
            self._ending.set()
        self._wake.set()

    def _over(self) -> bool:
        if self._ends_s is None:
            return False
        return not self.desk.busy() or self._now() >= self._ends_s

    def _emit(self, event: Event) -> None:
        """Tell who listens; nobody to tell it to ends the station, and is no board's fault."""
        try:
            self._on_event(event)
        except OSError as e:
            self._unheard = e
            if not self.desk.closing:
                self.stop()

    # In a board's own thread.

    def _serve(self, slot: Slot) -> None:
        visit = Visit(
            *(slot, self._claim, self._begun, self._progress, self._ending.is_set),
            plugged_s=lambda: self._now() - slot.came_s,
        )
        state, why = "failed", _BROKEN
        try:
            for step in self._steps:
                visit.tell(step.name)
                step.do(visit)
            state, why = "passed", ""
        except AlreadyError:
            state, why = "already", ""
        except (MotekitError, OSError) as e:
            why = plain(str(e).removeprefix(f"{slot.port}: "))
            if self._is_gone(slot.port):
                state, why = "pulled", f"unplugged at {slot.step!r}; plug it in again"
        finally:
            if why is _BROKEN:
                why = f"{_BROKEN}: {type(sys.exception()).__name__}"
            self._end(visit, state, why)

    def _claim(self, visit: Visit, device: str) -> None:
        """Give a visit its board, for which nobody else may be at work; CopyError."""
        end = self._now() + COPY_S
        while True:
            with self._lock:
                other = self.desk.same(visit.slot, device)
                if other is None:
                    visit.slot.device = device
                    return
                busy = other.state == "busy"
            if not busy or self._now() > end or self._ending.wait(_POLL_S):
                raise CopyError(
                    f"{visit.port}: has the id {device} of the board at {other.place}:"
                    " one of them is a copy, and none like it is made"
                )

    def _begun(self, visit: Visit) -> None:
        with self._lock:
            self._journal.add(Entry("begun", visit.slot.device, visit.port, job=visit.job))

    def _progress(self, visit: Visit, step: str, done: int, total: int) -> None:
        slot = visit.slot
        changed = slot.step != step
        slot.step, slot.done, slot.total = step, done, total
        if changed:
            self._emit(Event("step", slot))

    def _is_gone(self, port: str) -> bool:
        """Tell whether a port is there no more, and stays away for a moment."""
        end = self._now() + PULLED_S
        while port not in self._look():
            if self._now() > end or self._ending.wait(_POLL_S):
                return True
        return False

    def _end(self, visit: Visit, state: str, why: str) -> None:
        slot = visit.slot
        now_s = self._now()
        if self._ending.is_set() and state not in ("passed", "already"):
            state, why = "pulled", "the station has ended"  # it is begun again the next time
        else:
            try:
                self._note(visit, state, why, now_s)
            except MotekitError as e:
                state, why = "failed", str(e)
        with self._lock:
            self.desk.end(slot, state, now_s, why)
        self._emit(Event(state, slot))
        self._wake.set()

    def _note(self, visit: Visit, state: str, why: str, now_s: float) -> None:
        """Put a verdict into the journal, unless it is none: the board was done before."""
        if state == "already":
            return
        slot = visit.slot
        seconds = round(now_s - slot.began_s, 1)
        entry = Entry(
            *(state, slot.device, slot.port, slot.name, visit.job),
            *(slot.step, why, seconds),
            plug=" ".join(map(str, slot.mark)),
        )
        with self._lock:
            self._journal.add(entry)

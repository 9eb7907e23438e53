"""What came through one pipe, on its way to the disk: handed over, awaited, or set aside."""

import threading
from collections.abc import Callable

from motekit.store import Received
from motekit.transports import Pipe

from .hub import Acks, Arrivals, Hub, Notice
from .intake import Verdict

LOOK_EVERY_S = 0.01


class Delivery:
    """Hands packets to the committer's bounded queue; `device` is whose they are, once known."""

    def __init__(self, hub: Hub, pipe: Pipe) -> None:
        self.device: str | None = None
        self.clock = pipe.clock
        self._hub = hub
        self._pipe = pipe
        self._lock = threading.Lock()
        self._acks: Acks = {}
        self._submitted = 0
        self._settled = 0

    def submit(self, verdicts: list[Verdict]) -> list[Received]:
        """Have stored what is to be; return it."""
        taken = [verdict for verdict in verdicts if isinstance(verdict, Received)]
        if taken:
            with self._lock:
                self._submitted += len(taken)
            self._hub.submit(Arrivals(self, taken))
        return taken

    def set_aside(self, device: str, data: bytes, why: str, *, once: bool = False) -> None:
        """Put into quarantine what must not be stored, and tell.

        `once`: unless it is there already, from when all of it was last tried.
        """
        if self._hub.store.quarantine(device, data, why, once=once):
            self._hub.live.count(device, quarantined=1)
        self.tell("warning", f"a packet of {len(data)} bytes was set aside: {why}")

    def tell(self, kind: str, text: str) -> None:
        """Tell the user something of this pipe."""
        self._hub.report(Notice(kind, self._pipe.name, self.device, text))

    def committed(self, packets: int, acks: Acks) -> None:
        """Note what has become durable, and wake the pipe; called by the committer."""
        with self._lock:
            self._settled += packets
            self._acks.update(acks)
        self._pipe.wake()

    def take_acks(self) -> Acks:
        """Return how far epochs have become complete since the last call."""
        with self._lock:
            acks, self._acks = self._acks, {}
        return acks

    def settled(self, wait_s: float, given_up: Callable[[], bool] = lambda: False) -> bool:
        """Wait until all is durable that was handed over; False if not so in time."""
        end = self.clock.monotonic() + wait_s
        while self._settled < self._submitted:
            if given_up() or self.clock.monotonic() >= end:
                return False
            self.clock.sleep(LOOK_EVERY_S)
        return True

"""Takes packets of boards that nobody can ask: out of a recording, or a stopped board's RAM."""

from motekit.client import CancelledError
from motekit.errors import LinkError
from motekit.prompt.stopped import NO_PACKETS, Left
from motekit.store import Received
from motekit.transports import Recorded

from .delivery import Delivery
from .hub import Hub
from .intake import Intake, judge

KEEP_S = 30.0  # until what was taken out of a board's RAM is on the disk


class RecordedPackets:
    """Has such packets stored or set aside; nothing of them is acknowledged to anybody."""

    def __init__(self, hub: Hub, delivery: Delivery, port: str) -> None:
        self._hub = hub
        self._delivery = delivery
        self._port = port
        self._intakes: dict[str, Intake] = {}

    def take(self, events: list[Recorded]) -> int:
        """Have packets stored; return how many were set aside instead."""
        verdicts = judge([(self._intake(event.device), event.data) for event in events])
        taken = len(self._delivery.submit(verdicts))
        if taken < len(events):
            for event, verdict in zip(events, verdicts, strict=True):
                if not isinstance(verdict, Received):
                    self._delivery.set_aside(event.device, event.data, verdict.why, once=True)
        return len(events) - taken

    def keep(self, left: Left) -> None:
        """Make durable what a stopped firmware has left in RAM, before it is started.

        Raises ForeignError if none of its packets can be checked with our keys, LinkError if the
        store takes too long, CancelledError at the collector's end.
        """
        left.check_keys(self._hub.key_store, self._port)
        for data in left.packets:
            self._hub.record(left.device, data)
        aside = self.take([Recorded(left.device, data) for data in left.packets])
        if left.rest:
            self._delivery.set_aside(left.device, left.rest, NO_PACKETS, once=True)
        if not self._delivery.settled(KEEP_S, self._hub.stopping):
            if self._hub.stopping():
                raise CancelledError(f"{self._port}: given up")
            raise LinkError(f"{self._port}: the store takes nothing for {KEEP_S:.0f} s")
        self._delivery.tell("info", left.told(aside))

    def _intake(self, device: str) -> Intake:
        known = self._intakes.get(device)
        if known is not None:
            return known
        epochs = self._hub.store.acknowledged(device)
        provisioned = any(generation for generation, _, _ in epochs)
        intake = self._intakes[device] = Intake(self._hub.key_store, device, 0, provisioned)
        self._hub.live.set(device, port=self._port, state="recorded")
        return intake

"""Makes durable what arrives, and says so: one thread sorts out a group, one commits the other.

    inbox -> sort_out -> write -> live figures, acks

While groups are small, each is sorted out when the one before is durable, with all that has
arrived by then. Once a full group waits, it is sorted out while the disk is waited for.
"""

from collections.abc import Callable
from queue import SimpleQueue
from typing import NamedTuple

from .inbox import Inbox
from .live import Live
from .session import Acks, Arrivals, Session
from .store import Appended, Prepared, Received, Store

PATIENCE_S = 0.1


class _Ready(NamedTuple):
    """A group that is to be committed."""

    batches: list[Arrivals]
    prepared: Prepared


class Committer:
    """Two threads are to be in it: one in `sort_out`, one in `write`. Or one calls `commit`."""

    def __init__(self, store: Store, live: Live, inbox: Inbox[Arrivals], group_max: int) -> None:
        self._store = store
        self._live = live
        self._inbox = inbox
        self._group_max = group_max
        self._ready: SimpleQueue[_Ready | None] = SimpleQueue()
        self._sorted = 0  # groups
        self._written = 0
        self._failed = False

    def sort_out(self, no_more: Callable[[], bool]) -> None:
        """Prepare groups until nothing more arrives, or a commit has failed."""
        try:
            while not self._failed:
                batches = self._inbox.take(self._group_max, PATIENCE_S, self._may_take)
                if batches:
                    self._sorted += 1
                    self._ready.put(_Ready(batches, self._store.prepare(_packets(batches))))
                elif no_more() and self._inbox.empty():
                    return
        finally:
            self._ready.put(None)

    def write(self) -> None:
        """Commit what was prepared; a failure ends it, and nothing more is acknowledged."""
        try:
            while (ready := self._ready.get()) is not None:
                self._inbox.forget()
                appended = self._store.commit(ready.prepared)
                self._written += 1
                self._inbox.look()
                self._tell(ready.batches, appended)
        except BaseException:
            self._failed = True
            raise

    def commit(self, batches: list[Arrivals]) -> None:
        """Make durable what has arrived, in one commit, and have it acknowledged."""
        self._tell(batches, self._store.append(_packets(batches)))

    def _may_take(self, full: bool) -> bool:
        """Tell whether a group is to be made of what waits; at most one waits for its commit."""
        on_their_way = self._sorted - self._written
        return not on_their_way or (full and on_their_way == 1)

    def _tell(self, batches: list[Arrivals], appended: Appended) -> None:
        """Have acknowledged what is durable now."""
        self._live.stored(appended.stored)
        counts: dict[Session, int] = {}
        for session, packets in batches:
            counts[session] = counts.get(session, 0) + len(packets)
        acks: dict[str, Acks] = {}
        for (device, generation, epoch), seq in appended.acks.items():
            if seq is not None:
                acks.setdefault(device, {})[generation, epoch] = seq
        for session, count in counts.items():
            session.committed(count, acks.get(session.device or "", {}))


def _packets(batches: list[Arrivals]) -> list[Received]:
    return [received for batch in batches for received in batch.packets]

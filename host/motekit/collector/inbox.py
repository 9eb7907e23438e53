"""A bounded queue of batches, between the threads that read lines and the one that commits."""

import threading
from collections import deque
from typing import Generic, TypeVar

Batch = TypeVar("Batch")


class Inbox(Generic[Batch]):
    """Holds at most `packets_max` packets, or one batch if that is larger."""

    def __init__(self, packets_max: int) -> None:
        self._max = packets_max
        self._held = 0
        self._taken = 0
        self._batches: deque[tuple[Batch, int]] = deque()
        lock = threading.Lock()
        self._filled = threading.Condition(lock)
        self._emptied = threading.Condition(lock)

    def put(self, batch: Batch, packets: int, wait_s: float) -> bool:
        """Add a batch of so many packets; False if no room was made for it in time."""
        with self._emptied:
            if not self._emptied.wait_for(lambda: self._room(packets), wait_s):
                return False
            self._batches.append((batch, packets))
            self._held += packets
            self._filled.notify()
        return True

    def take(self, packets_max: int, wait_s: float) -> list[Batch]:
        """Wait for a batch; return it and those behind it, while they are no more than that."""
        taken: list[Batch] = []
        with self._filled:
            self._filled.wait_for(lambda: self._batches, wait_s)
            packets = 0
            while self._batches and (not taken or packets + self._batches[0][1] <= packets_max):
                batch, size = self._batches.popleft()
                taken.append(batch)
                packets += size
            self._taken += packets
        return taken

    def forget(self) -> None:
        """Make room in the place of what was taken: the taker is about to wait for something."""
        with self._emptied:
            self._held -= self._taken
            self._taken = 0
            self._emptied.notify_all()

    def empty(self) -> bool:
        """Tell whether nothing waits."""
        return not self._batches

    def _room(self, packets: int) -> bool:
        return not self._held or self._held + packets <= self._max

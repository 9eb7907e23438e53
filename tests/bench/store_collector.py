"""The real collector, fed from memory: packets judged, committed, counted, acknowledged."""

import queue
import threading

from motefw import keys
from motekit.clock import SYSTEM
from motekit.collector import Collector
from motekit.keys import Host, KeyStore
from motekit.transports import Ended, Recorded
from motekit.transports.link import Stats

from .fleet import ROOT

PATIENCE_S = 30


class Feed:
    """A transport and its one pipe: hands out groups, and knows when they were committed."""

    explicit = True
    live = False
    name = "feed"
    clock = SYSTEM
    nonce = 0

    def __init__(self):
        self.stats = Stats()
        self.groups = queue.SimpleQueue()
        self.left = 0
        self.idle = threading.Event()

    def find(self):
        """Return the one name."""
        return [self.name]

    def open(self, _name):
        """Open it."""
        return self

    def receive(self, timeout_s):
        """Return the next group."""
        try:
            return self.groups.get(timeout=timeout_s)
        except queue.Empty:
            return []

    def wake(self):
        """Hear that a group was committed; the collector makes each a commit of its own."""
        self.left -= 1
        if not self.left:
            self.idle.set()

    def close(self):
        """Nothing is held."""

    def carry(self, groups):
        """Have groups collected; return when the last is durable and its acks are given out."""
        self.idle.clear()
        self.left = len(groups)
        for group in groups:
            self.groups.put(group)
        if not self.idle.wait(PATIENCE_S):
            raise TimeoutError(f"{self.left} groups were not collected in {PATIENCE_S} s")


class Collecting:
    """A collector at work on a store, in a thread of its own."""

    def __init__(self, store, folder, size):
        self.feed = Feed()
        self.notices = []
        self.collector = Collector(
            store,
            [self.feed],
            root_keys(),
            Host(folder / "host.json"),
            self.notices.append,
            queue_max=2 * size,
            group_max=size,
        )
        self.thread = threading.Thread(target=self.collector.run)
        self.thread.start()

    def carry(self, groups):
        """Collect groups of (device, packet), each made durable in a commit of its own."""
        self.feed.carry(groups)

    def close(self, packets):
        """End it; ValueError if so many packets were not stored, all tags checked."""
        self.feed.groups.put([Ended()])
        self.thread.join(PATIENCE_S)
        if self.collector.live.new != packets or self.notices:
            raise ValueError(
                f"{self.collector.live.new} of {packets} packets were stored: {self.notices[:3]}"
            )


def root_keys():
    """Return the keys of the bench's fleet, as a collector has them."""
    return KeyStore({keys.DATA: ROOT, keys.ACK: ROOT})


def recorded(groups):
    """Return groups as a transport brings them."""
    return [[Recorded(device, data) for device, data in group] for group in groups]

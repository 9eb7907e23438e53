"""Collects from many boards at once into one store: a thread a port, and one that commits.

Threads, not asyncio: a serial port blocks on Windows and in pyserial, a commit blocks on the disk.
With a thread each, a port that hangs holds up nobody, and a slow disk only fills a bounded queue.

The committer makes whatever has arrived durable in one commit, without a timer: alone, a packet
is committed at once; under load, groups grow by themselves. Only then is it acknowledged.
So the collector may be killed at any moment: what was not committed was not acknowledged and comes
again, and what was committed but not acknowledged comes again and is known.
"""

import gc
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from motekit.client import REQUEST_TRIES
from motekit.clock import SYSTEM, Clock
from motekit.errors import LinkError, MotekitError
from motekit.keys import Host, KeyStore
from motekit.store import Store
from motekit.transports import Transport
from motekit.transports.replay import Recorder
from motekit.transports.serial import PortGoneError

from .caretaker import TAP_COMMAND
from .hub import Acks, Arrivals, Contact, Notice, Sender
from .inbox import Inbox
from .live import Live
from .session import Session

QUEUE_MAX = 4096  # packets that wait to be committed
GROUP_MAX = 1024  # packets of one commit
SCAN_S = 0.5
RETRY_S = 2.0
RETRY_MAX_S = 15.0
PORTS_MAX = 1024
GC_EVERY = 50_000  # objects


class Limits(NamedTuple):
    """When to end by oneself; None: never."""

    for_s: float | None = None
    until_idle_s: float | None = None  # nothing new was stored for so long


FOR_EVER = Limits()


@contextmanager
def rare_garbage_collection() -> Generator[None]:
    """Have the interpreter look for cycles rarely: packets come by the thousand and have none."""
    usual = gc.get_threshold()
    gc.set_threshold(GC_EVERY, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


class Threads(Protocol):
    """Where sessions run; an Executor is one."""

    def submit(self, fn: Callable[..., None], /, *args: Any) -> Future[None]:
        """Have fn(*args) called."""
        ...


class _Line:
    """A port by name: its session while there is one, and when to try again."""

    def __init__(self, transport: Transport, name: str) -> None:
        self.transport = transport
        self.name = name
        self.future: Future[None] | None = None
        self.session: Session | None = None
        self.next_try = 0.0
        self.delay_s = RETRY_S
        self.failure: MotekitError | None = None
        self.untold: Notice | None = None
        self.ended = False

    def making_contact(self) -> bool:
        """Tell whether it is not known yet if a board is there."""
        if self.future is None or self.failure is not None:
            return False
        session = self.session
        return session is None or (session.pipe.live and session.device is None)


class Collector:
    """Collects until `stop`, a limit, the end of all recordings, or a store that fails."""

    def __init__(
        self,
        store: Store,
        transports: Sequence[Transport],
        key_store: KeyStore,
        host: Host,
        report: Callable[[Notice], None],
        recorder: Recorder | None = None,
        queue_max: int = QUEUE_MAX,
        group_max: int = GROUP_MAX,
        clock: Clock = SYSTEM,
    ) -> None:
        self.store = store
        self.live = Live(clock)
        self.key_store = key_store
        self.host = host
        self.report = report
        self._now = clock.monotonic
        self._transports = transports
        self._recorder = recorder
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}
        self._devices: dict[str, Contact] = {}
        self._met_at = 0.0
        self._tapped = set[str]()
        self._inbox: Inbox[Arrivals] = Inbox(queue_max)
        self._group_max = group_max
        self._stop = threading.Event()
        self._no_more = threading.Event()

    # -- what sessions ask for (Hub) --------------------------------------------------------

    def submit(self, arrivals: Arrivals) -> None:
        """Queue packets to be stored; while the queue is full their port waits."""
        while not self._stop.is_set():
            if self._inbox.put(arrivals, len(arrivals.packets), wait_s=0.25):
                return

    def claim(self, device: str, contact: Contact) -> None:
        """Take a device for a contact; LinkError if another port has it."""
        with self._lock:
            owner = self._devices.setdefault(device, contact)
            self._met_at = self._met_at or self._now()
        if owner is not contact:
            raise LinkError(
                f"{contact.pipe.name}: {device} is collected from {owner.pipe.name} already: "
                f"two cables to one board, or two boards with one id; this port is left alone"
            )

    def tapped(self, device: str) -> bool:
        """Tell whether somebody here had a board tell what goes over its buses."""
        return device in self._tapped

    def record(self, device: str, data: bytes) -> None:
        """Write a packet as it came to the recording, if one is made."""
        if self._recorder is not None:
            with self._lock:
                self._recorder.write(device, data)

    def stopping(self) -> bool:
        """Tell whether the collector ends."""
        return self._stop.is_set()

    # -- asked by others ----------------------------------------------------------------------

    def in_contact(self, device: str) -> bool:
        """Tell whether a board is being collected from."""
        with self._lock:
            return device in self._devices

    def devices(self) -> list[str]:
        """Return the boards that are being collected from."""
        with self._lock:
            return sorted(self._devices)

    def ask(
        self,
        device: str,
        name: str,
        args: dict[str, Any] | None = None,
        tries: int = REQUEST_TRIES,
    ) -> "Future[Any]":
        """Have a board asked that is being collected from; may be called from any thread.

        The future has the result, RefusedError with the board's reason, or why none came.
        Raises LinkError for a board without contact.
        """
        with self._lock:
            contact = self._devices.get(device)
        if contact is None:
            raise LinkError(f"{device}: no collector is in contact with it")
        if name == TAP_COMMAND:
            self._tapped.add(device)
        return contact.ask(name, args or {}, tries)

    # -- running ----------------------------------------------------------------------------

    def run(self, limits: Limits = FOR_EVER, tick: Callable[[], None] = lambda: None) -> None:
        """Collect; `tick` is called twice a second. Raises what made it impossible to go on."""
        with (
            rare_garbage_collection(),
            ThreadPoolExecutor(1, "committer") as one,
            ThreadPoolExecutor(PORTS_MAX) as ports,
        ):
            began = self._now()
            committer = one.submit(self._commit_all)
            committer.add_done_callback(lambda _: self.stop())
            try:
                while not self._stop.is_set():
                    over = self.step(ports, limits, self._now() - began)
                    tick()
                    if over:
                        break
                    self._stop.wait(SCAN_S)
            finally:
                self.stop()
                wait([line.future for line in self._lines.values() if line.future])
                self._no_more.set()
                wait([committer])
                if self._recorder is not None:
                    self._recorder.close()
            committer.result()
            for line in self._lines.values():
                self._look_at(line)

    def step(self, ports: Threads, limits: Limits = FOR_EVER, elapsed_s: float = 0.0) -> bool:
        """Look after all ports, each session on a thread of `ports`; tell whether to end."""
        self._scan(ports)
        return self._over(limits, elapsed_s)

    def stop(self) -> None:
        """End as soon as what has arrived is durable; may be called from any thread."""
        self._stop.set()
        for line in list(self._lines.values()):
            if line.session is not None:
                line.session.pipe.wake()

    def _over(self, limits: Limits, elapsed_s: float) -> bool:
        if limits.for_s is not None and elapsed_s >= limits.for_s:
            return True
        lines = list(self._lines.values())
        self._give_up_early(lines)
        self._tell(lines)
        idle_s = self._now() - max(self.live.stored_at, self._met_at)
        if limits.until_idle_s is not None and idle_s >= limits.until_idle_s:
            return not any(line.making_contact() for line in lines)
        if lines and all(line.ended for line in lines) and self._inbox.empty():
            return all(transport.explicit for transport in self._transports)
        return False

    def _give_up_early(self, lines: list[_Line]) -> None:
        """Fail if everything that the user named failed at once: nothing is there to wait for."""
        if self._met_at or not all(transport.explicit for transport in self._transports):
            return
        failures = [line.failure for line in lines if line.failure is not None]
        if failures and len(failures) == len(lines):
            raise (
                failures[0]
                if len(failures) == 1
                else LinkError(
                    "nothing to collect from:\n  " + "\n  ".join(str(f) for f in failures)
                )
            )

    def _tell(self, lines: list[_Line]) -> None:
        """Report what failed, unless all may yet turn out to have failed at once."""
        for line in lines:
            if line.untold is not None and (self._met_at or not line.transport.explicit):
                self.report(line.untold)
                line.untold = None

    def _scan(self, ports: Threads) -> None:
        """Start a session on each port that is there and has none."""
        for line in list(self._lines.values()):
            self._look_at(line)
        now = self._now()
        for transport in self._transports:
            for name in transport.find():
                line = self._lines.setdefault(name, _Line(transport, name))
                if line.future is None and not line.ended and now >= line.next_try:
                    line.future = ports.submit(self._collect, line)

    def _collect(self, line: _Line) -> None:
        """Run one session to its end, on a thread of its own."""
        session = Session(self, line.transport.open(line.name))
        line.session = session
        session.run()

    def _look_at(self, line: _Line) -> None:
        """See how a session ended, if it has; raise what is no fault of its port."""
        if line.future is None or not line.future.done():
            return
        error = line.future.exception()
        device = line.session.device if line.session else None
        if line.session is not None and line.session.certain:
            line.delay_s = RETRY_S
        if device is not None:
            with self._lock:
                if self._devices.get(device) is line.session:
                    del self._devices[device]
        if error is None:
            line.ended = line.session is not None and not line.session.pipe.live
        line.future = line.session = None
        if isinstance(error, LinkError):
            self._failed(line, error, device)
        elif error is not None:
            raise error  # a store that fails, or our own mistake

    def _failed(self, line: _Line, error: LinkError, device: str | None) -> None:
        if line.failure is None or str(line.failure) != str(error):
            told = str(error).removeprefix(f"{line.name}: ")
            if not isinstance(error, PortGoneError):
                told += "; trying again"
            line.untold = Notice("warning", line.name, device, told)
        line.failure = error
        line.next_try = self._now() + line.delay_s
        line.delay_s = min(line.delay_s * 1.5, RETRY_MAX_S)

    # -- committing -------------------------------------------------------------------------

    def _commit_all(self) -> None:
        """Make durable what arrives; a failure ends the collector, and nothing more is acked."""
        while True:
            batches = self._inbox.take(self._group_max, wait_s=0.1)
            if batches:
                self.commit_group(batches)
            elif self._no_more.is_set():
                return

    def commit_group(self, batches: list[Arrivals]) -> None:
        """Make durable what has arrived, in one commit, and have it acknowledged."""
        group = [received for batch in batches for received in batch.packets]
        appended = self.store.append(group, self._inbox.forget)
        self.live.stored(appended.stored)
        counts: dict[Sender, int] = {}
        for sender, packets in batches:
            counts[sender] = counts.get(sender, 0) + len(packets)
        acks: dict[str, Acks] = {}
        for (device, generation, epoch), seq in appended.acks.items():
            if seq is not None:
                acks.setdefault(device, {})[generation, epoch] = seq
        for sender, count in counts.items():
            sender.committed(count, acks.get(sender.device or "", {}))

"""Collects from many boards at once into one store: a thread a port, and one that commits.

Threads, not asyncio: a serial port blocks on Windows and in pyserial, and a commit blocks on the disk.
With a thread each, a port that hangs holds up nobody, and a slow disk only fills a bounded queue.

The committer takes whatever has arrived and makes it durable in one commit, without a timer: alone,
a packet is committed at once; under load, groups grow by themselves. Only then is it acknowledged.
So the collector may be killed at any moment: what was not committed was not acknowledged and comes
again, and what was committed but not acknowledged comes again and is known.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .errors import LinkError, MotekitError
from .keys import Host, KeyStore
from .live import Live
from .session import Acks, Arrival, Notice, Session
from .store import Store
from .transports import Transport
from .transports.replay import Recorder
from .transports.serial import PortGone

QUEUE_MAX = 4096
GROUP_MAX = 1024
SCAN_S = 0.5
RETRY_S = 2.0
RETRY_MAX_S = 15.0
JOIN_S = 8.0


class Limits(NamedTuple):
    """When to end by oneself; None: never."""

    for_s: float | None = None
    until_idle_s: float | None = None  # nothing new was stored for so long


class _Line:
    """A port by name: its thread while there is one, and when to try again."""

    def __init__(self, transport: Transport, name: str) -> None:
        self.transport = transport
        self.name = name
        self.thread: threading.Thread | None = None
        self.session: Session | None = None
        self.next_try = 0.0
        self.delay_s = RETRY_S
        self.failure: MotekitError | None = None
        self.ended = False

    def making_contact(self) -> bool:
        """Tell whether it is not known yet if a board is there."""
        if self.thread is None or self.failure is not None:
            return False
        session = self.session
        return session is None or session.pipe.live and session.device is None


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
    ) -> None:
        self.store = store
        self.live = Live()
        self.key_store = key_store
        self.host = host
        self.report = report
        self._transports = transports
        self._recorder = recorder
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}
        self._devices: dict[str, Session] = {}
        self._met_at = 0.0
        self._queue: queue.Queue[Arrival] = queue.Queue(QUEUE_MAX)
        self._stop = threading.Event()
        self._no_more = threading.Event()
        self._failure: BaseException | None = None

    # -- what sessions ask for (Hub) --------------------------------------------------------

    def submit(self, arrival: Arrival) -> None:
        """Queue a packet to be stored; while the queue is full its port waits."""
        while not self._stop.is_set() or arrival.session.pipe.live is False:
            try:
                self._queue.put(arrival, timeout=0.25)
                return
            except queue.Full:
                if self._failure is not None:
                    return

    def claim(self, device: str, session: Session) -> None:
        """Take a device for a session; LinkError if another port has it."""
        with self._lock:
            owner = self._devices.setdefault(device, session)
            self._met_at = self._met_at or time.monotonic()
        if owner is not session:
            raise LinkError(
                f"{session.pipe.name}: {device} is being collected from {owner.pipe.name} already: "
                f"two cables to one board, or two boards with one id; this port is left alone"
            )

    def record(self, device: str, data: bytes) -> None:
        """Write a packet as it came to the recording, if one is made."""
        if self._recorder is not None:
            with self._lock:
                self._recorder.write(device, data)

    def stopping(self) -> bool:
        """Tell whether the collector ends."""
        return self._stop.is_set()

    # -- running ----------------------------------------------------------------------------

    def run(self, limits: Limits = Limits(), tick: Callable[[], None] = lambda: None) -> None:
        """Collect; `tick` is called twice a second. Raises what made it impossible to go on."""
        committer = threading.Thread(target=self._commit_all, name="committer", daemon=True)
        committer.start()
        began = time.monotonic()
        try:
            while not self._stop.is_set():
                self._scan()
                tick()
                if self._over(limits, time.monotonic() - began):
                    break
                self._stop.wait(SCAN_S)
        finally:
            self._finish(committer)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End as soon as what has arrived is durable; may be called from any thread."""
        self._stop.set()
        with self._lock:
            sessions = [line.session for line in self._lines.values() if line.session]
        for session in sessions:
            session.pipe.wake()

    def _finish(self, committer: threading.Thread) -> None:
        self.stop()
        end = time.monotonic() + JOIN_S
        for line in list(self._lines.values()):
            if line.thread is not None:
                line.thread.join(max(0.0, end - time.monotonic()))
        self._no_more.set()
        committer.join(JOIN_S)
        if self._recorder is not None:
            self._recorder.close()

    def _over(self, limits: Limits, elapsed_s: float) -> bool:
        if limits.for_s is not None and elapsed_s >= limits.for_s:
            return True
        lines = list(self._lines.values())
        self._give_up_early(lines)
        idle_s = time.monotonic() - max(self.live.stored_at, self._met_at)
        if limits.until_idle_s is not None and idle_s >= limits.until_idle_s:
            if not any(line.making_contact() for line in lines):
                return True
        if lines and all(line.ended for line in lines) and self._queue.empty():
            return all(transport.explicit for transport in self._transports)
        return False

    def _give_up_early(self, lines: list[_Line]) -> None:
        """Fail if everything that the user named failed at once: nothing is there to wait for."""
        if self._met_at or not all(transport.explicit for transport in self._transports):
            return
        failures = [line.failure for line in lines if line.failure is not None]
        if failures and len(failures) == len(lines):
            raise failures[0] if len(failures) == 1 else LinkError(
                "nothing to collect from:\n  " + "\n  ".join(str(f) for f in failures)
            )

    def _scan(self) -> None:
        """Start a session on each port that is there and has none."""
        now = time.monotonic()
        for transport in self._transports:
            for name in transport.find():
                line = self._lines.get(name)
                if line is None:
                    with self._lock:
                        line = self._lines[name] = _Line(transport, name)
                if line.thread is None and not line.ended and now >= line.next_try:
                    line.thread = threading.Thread(
                        target=self._collect, args=(line,), name=name, daemon=True
                    )
                    line.thread.start()

    def _collect(self, line: _Line) -> None:
        """Run one session to its end, on a thread of its own."""
        try:
            session = Session(self, line.transport.open(line.name))
            line.session = session
            session.run()
            line.ended = not session.pipe.live
            line.delay_s = RETRY_S
        except LinkError as e:
            self._failed(line, e)
        except BaseException as e:  # a store that fails, or our own mistake: never go on silently
            self._fail(e)
        finally:
            self._leave(line)

    def _failed(self, line: _Line, error: LinkError) -> None:
        if line.session is not None and line.session.device is not None:
            line.delay_s = RETRY_S
        if line.failure is None or str(line.failure) != str(error):
            told = str(error).removeprefix(f"{line.name}: ")
            if not isinstance(error, PortGone):
                told += "; trying again"
            device = line.session.device if line.session else None
            if self._met_at or not line.transport.explicit:
                self.report(Notice("warning", line.name, device, told))
        line.failure = error
        line.next_try = time.monotonic() + line.delay_s
        line.delay_s = min(line.delay_s * 1.5, RETRY_MAX_S)

    def _leave(self, line: _Line) -> None:
        session = line.session
        with self._lock:
            if session is not None and session.device is not None:
                if self._devices.get(session.device) is session:
                    del self._devices[session.device]
            line.session = None
            line.thread = None

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self.stop()

    # -- committing -------------------------------------------------------------------------

    def _commit_all(self) -> None:
        try:
            while True:
                group = self._next_group()
                if group:
                    self._commit(group)
                elif self._no_more.is_set():
                    return
        except BaseException as e:  # a full disk above all: nothing more is stored or acknowledged
            self._fail(e)

    def _next_group(self) -> list[Arrival]:
        """Wait for one packet, and take all that have arrived by then."""
        group: list[Arrival] = []
        try:
            group.append(self._queue.get(timeout=0.1))
            while len(group) < GROUP_MAX:
                group.append(self._queue.get_nowait())
        except queue.Empty:
            pass  # that was all
        return group

    def _commit(self, group: list[Arrival]) -> None:
        appended = self.store.append([arrival.received for arrival in group])
        self.live.stored(appended.new, appended.duplicates, appended.by_stream)
        counts: dict[Session, int] = {}
        for session, received in group:
            counts[session] = counts.get(session, 0) + 1
            if received.header is not None:
                self.live.arrived(received.device, received.header, received.data)
        for session, count in counts.items():
            acks: Acks = {
                (generation, epoch): seq
                for (device, generation, epoch), seq in appended.acks.items()
                if device == session.device and seq is not None
            }
            session.committed(count, acks)

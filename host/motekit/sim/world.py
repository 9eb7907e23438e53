"""Virtual boards, their lines, faults, and the real collector, all in one virtual time.

    with World(scenario.load("three.toml"), store="run.motekit") as world:
        world.run(until_s=10)
        world.boards[0].power_cut()
        world.run()
        print(world.store.summary())

Time goes in rounds. In a round each session drives its own board, one after the other in the
boards' order; nothing that one does can reach another but through the collector. A session that
has handed in packets waits for its commit, up to 50 ms later; then all the others come to this
moment too, and the collector makes durable what arrived until then, in the order of arrival. So
the same scenario and seed give the same packets and the same store, byte for byte.

A session is a thread, as in the collector, but only one of all runs at a time. Nothing sleeps in
wall time.
"""

import contextlib
import hashlib
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from typing import Any, Self

from motekit import disk
from motekit.collector import Collector
from motekit.collector.collector import GROUP_MAX
from motekit.collector.hub import Arrivals, Notice
from motekit.errors import MotekitError, ScenarioError
from motekit.keys import Host, KeyStore
from motekit.sim import vm as vms
from motekit.sim.nursery import Nurseries
from motekit.sim.preparation import Workshop, allow_files, esp32_heap
from motekit.sim.scenario import Scenario
from motekit.sim.sim_pipe import SimPipe, Turn, VirtualTime
from motekit.sim.stepped_board import WorldBoard
from motekit.sim.vm import Vm
from motekit.store import Store

ROUND_MS = 5000  # how far one board may be ahead of another
LAST_ROUND_MS = 500  # as all wait for the end
COMMIT_MS = 50  # commits are at multiples of it
LAST_MS = 30_000  # what an ended scenario gives the host to take the rest
_FAREWELL_ROUNDS = 20
_NOTICES_MAX = 65_536
_FDS_A_BOARD = 4


class World:
    """A scenario's boards and the collector that collects from them; a context manager.

    Its methods are for the thread that made it. `run` may be called again and again.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        vm: Vm | None = None,
        bits: int | None = None,
        heap_bytes: int | None = None,
        store: Path | str | None = None,
        folder: Path | None = None,
        files: dict[str, bytes] | None = None,
        key_store: KeyStore | None = None,
        report: Callable[[Notice], None] | None = None,
        on_event: Callable[[WorldBoard, str], None] | None = None,
    ) -> None:
        """Start the boards, which stand still until `run`.

        `heap_bytes` None: that of the smallest ESP32, twice as much on a 64-bit VM.
        `store` None: a temporary one. `folder` keeps the flash and what was printed;
        `files` replace the firmware on them.
        """
        if any(plan.blank for plan in scenario.boards):
            raise ScenarioError('boards with flash = "blank" are on serial ports, in no world')
        self.scenario = scenario
        self.vm = vm or vms.find(bits)
        self.boards: list[WorldBoard] = []
        self.notices: deque[Notice] = deque(maxlen=_NOTICES_MAX)
        self._report = report
        self._time = VirtualTime(0, scenario.host_faults)
        self._stack = contextlib.ExitStack()
        self._closed = False
        self._midway = False  # in a round, which a Ctrl-C may have left
        try:
            where = folder or self._temporary()
            heap = heap_bytes or esp32_heap(self.vm)
            workshop = Workshop(self.vm, scenario, heap, files, lockstep=True)
            self._start(workshop, where, on_event)
            path = Path(store) if store is not None else self._temporary() / "world.motekit"
            opened = Store.open(path, create=True, durable=False)
            self.store = self._stack.enter_context(opened)
            if folder is None:
                self._check_store(path)
            self._sessions = _Sessions(self.boards, scenario.seed, self._time)
            self._keys = key_store or KeyStore.empty()
            self._host = _VirtualHost(scenario.seed, self._sessions.speaking_to)
            self.collector = self._new_collector()
        except BaseException:
            self._stack.close()
            raise

    def _check_store(self, path: Path) -> None:
        """Refuse a store that has these boards: begun anew, they would say the same once more."""
        there = {board.device for board in self.boards} & set(self.store.devices())
        if there:
            raise ScenarioError(
                f"{path}: holds packets of {min(there)} already, and the same seed makes the same"
                " packets again, of which a store takes each once; name a new store, or change"
                " the scenario's seed"
            )

    def _new_collector(self) -> "_VirtualCollector":
        return _VirtualCollector(
            self.store,
            [self._sessions],
            self._keys,
            self._host,
            self._notice,
            clock=self._time,
        )

    def _temporary(self) -> Path:
        made = tempfile.TemporaryDirectory(prefix="motekit-")
        return Path(self._stack.enter_context(made))

    def _start(
        self,
        workshop: Workshop,
        folder: Path,
        on_event: Callable[[WorldBoard, str], None] | None,
    ) -> None:
        workshop.check()
        allow_files(len(self.scenario.boards) * _FDS_A_BOARD + 64)
        with disk.writing(folder, "name another folder"):
            plans = self.scenario.boards
            all_ = [workshop.prepare(plan, folder / f"board-{plan.index}") for plan in plans]
            nurseries = Nurseries(self.vm, all_)
            self._stack.callback(nurseries.close)
            for plan, prepared in zip(plans, all_, strict=True):
                board = WorldBoard(self.vm, prepared, plan, nurseries.of(prepared))
                board.on_event = on_event or board.on_event
                self.boards.append(board)
                self._stack.callback(board.close)
                board.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def now_s(self) -> float:
        """Return the scenario time that all have come to, in seconds."""
        return self._time.now_ms / 1000

    def board(self, index: int) -> WorldBoard:
        """Return a board by its index in the expanded scenario."""
        return self.boards[index]

    def silent(self) -> list[WorldBoard]:
        """Return the boards of which nothing has arrived."""
        there = set(self.store.devices())
        return [board for board in self.boards if board.device not in there]

    def run(self, until_s: float | None = None) -> None:
        """Run until this scenario time, or to the end: all acked, or 30 s after `duration_s`."""
        if until_s is None and self.scenario.duration_s is None:
            raise ScenarioError("duration_s: missing, so the scenario has no end to run to")
        until_ms = None if until_s is None else round(until_s * 1000)
        while not self._over(until_ms):
            end_ms = self._next_ms(until_ms)
            self._round(end_ms, self._far_ms(until_ms) or end_ms)

    def _far_ms(self, until_ms: int | None) -> int | None:
        """Return where this run ends for sure, so that a board may be ahead that far."""
        if self.scenario.duration_s is None:
            return until_ms
        over_ms = round(self.scenario.duration_s * 1000)
        if self._time.now_ms >= over_ms:
            return None
        return over_ms if until_ms is None else min(over_ms, until_ms)

    def _next_ms(self, until_ms: int | None) -> int:
        """Return where the next round ends."""
        now = self._time.now_ms
        end_ms = now + ROUND_MS
        if self.scenario.duration_s is not None:
            over_ms = round(self.scenario.duration_s * 1000)
            end_ms = min(end_ms, over_ms) if now < over_ms else now + LAST_ROUND_MS
        return end_ms if until_ms is None else min(end_ms, until_ms)

    def _over(self, until_ms: int | None) -> bool:
        now = self._time.now_ms
        if until_ms is not None:
            return now >= until_ms
        return all(
            board.done or (board.stopping_ms is not None and now - board.stopping_ms >= LAST_MS)
            for board in self.boards
        )

    def _round(self, end_ms: int, far_ms: int) -> None:
        """Let all go on to `end_ms`, stopping for commits; a board that is alone, to `far_ms`."""
        self._midway = True
        if not self.collector.stopping():
            self.collector.step(self._sessions)
        self._sessions.run(end_ms, far_ms, self.collector)
        for board in self.boards:
            while board.now_ms < end_ms:
                board.step(end_ms)
        self._time.now_ms = end_ms
        self._midway = False

    def stop_collecting(self) -> None:
        """End the collector: its sessions take leave of their boards, which takes some time."""
        self.collector.stop()
        for _ in range(_FAREWELL_ROUNDS):
            if self._sessions.ended():
                break
            end_ms = self._time.now_ms + LAST_ROUND_MS
            self._round(end_ms, end_ms)

    def collect(self) -> None:
        """Start another collector in the place of one that was ended; it knows but the store."""
        if self.collector.stopping():
            self.collector = self._new_collector()

    def close(self) -> None:
        """End all: sessions take leave of their boards, the store is closed. Again is fine.

        After a Ctrl-C there is no leave to take: somebody may be in the middle of a word.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if not self._midway:
                self.stop_collecting()
        finally:
            self._sessions.close()
            self._stack.close()

    def _notice(self, notice: Notice) -> None:
        self.notices.append(notice)
        if self._report:
            self._report(notice)


class _VirtualHost(Host):
    """A host whose id and counters are of the scenario, not of this machine.

    Each board has a counter of its own: whose session comes first is nothing that a board sees.
    """

    def __init__(self, seed: int, speaking_to: Callable[[], str]) -> None:
        super().__init__(Path())
        self._identity = _number(f"host {seed}", 4)
        self._speaking_to = speaking_to
        self._counters: Counter[str] = Counter()

    def ticket(self) -> tuple[int, int]:
        """Return (the host's id, a counter that no request of it to this board has carried)."""
        board = self._speaking_to()
        self._counters[board] += 1
        return self._identity, self._counters[board]


def _number(seed: str, size_bytes: int) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:size_bytes])


class _VirtualCollector(Collector):
    """Commits when it is told to, in the order in which packets arrived."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._arrived: list[tuple[int, int, Arrivals]] = []  # (commit, arrival, packets)

    def submit(self, arrivals: Arrivals) -> None:
        """Keep packets for the next commit, which ends this session's turn."""
        turn = _turn(arrivals)
        due_ms = (turn.now_ms // COMMIT_MS + 1) * COMMIT_MS
        self._arrived.append((due_ms, turn.now_ms, arrivals))
        turn.stop_at(due_ms)

    def due_ms(self) -> int | None:
        """Return when the next commit is; None if nothing waits for one."""
        return min((each[0] for each in self._arrived), default=None)

    def commit(self, due_ms: int) -> None:
        """Make durable what waits for the commit of this moment."""
        arrived = sorted((e[1:] for e in self._arrived if e[0] == due_ms), key=_order)
        self._arrived = [each for each in self._arrived if each[0] != due_ms]
        batches: list[Arrivals] = []
        packets = 0
        for _, arrivals in arrived:
            _turn(arrivals).go_on(due_ms)
            if batches and packets + len(arrivals.packets) > GROUP_MAX:
                self.commit_group(batches)
                batches, packets = [], 0
            batches.append(arrivals)
            packets += len(arrivals.packets)
        if batches:
            self.commit_group(batches)


def _order(arrived: tuple[int, Arrivals]) -> tuple[int, str]:
    """Return what comes first: not who had the turn first, which depends on where rounds end."""
    at_ms, arrivals = arrived
    return at_ms, _turn(arrivals).name


def _turn(arrivals: Arrivals) -> Turn:
    turn = arrivals.sender.clock
    if not isinstance(turn, Turn):
        raise TypeError("a session of another world")
    return turn


class _Sessions:
    """Transport and threads in one: what there is to collect from, and whose turn it is."""

    explicit = False

    def __init__(self, boards: list[WorldBoard], seed: int, time: VirtualTime) -> None:
        self._boards = {f"sim:{board.device}": board for board in boards}
        self._seed = seed
        self._opened: Counter[str] = Counter()
        self._time = time
        self._turns: list[Turn] = []
        self._turn: Turn | None = None  # who has it
        self._order: Iterator[Turn] = iter(())
        self._over = Semaphore(0)  # a round, or a session
        self._failure: MotekitError | None = None
        self._threads = ThreadPoolExecutor(2 * len(boards), "session")

    # As the collector's transport

    def find(self) -> list[str]:
        """Return the boards' names."""
        return list(self._boards)

    def open(self, name: str) -> SimPipe:
        """Open a board's line; called by a session's thread in its turn."""
        if self._turn is None:
            raise RuntimeError("nobody has the turn")
        self._opened[name] += 1
        self._turn.name = name
        nonce = _number(f"{self._seed} {name} {self._opened[name]}", 2)
        return SimPipe(name, self._boards[name], self._turn, nonce)

    def speaking_to(self) -> str:
        """Return the name of the board whose session has the turn."""
        return self._turn.name if self._turn else ""

    # As the collector's threads

    def submit(self, work: Callable[..., None], *args: Any) -> Future[None]:
        """Have a session begin with the next round."""
        turn = Turn(
            self._time.now_ms,
            self._threads,
            lambda: work(*args),
            self._following,
            self._time.jumps,
        )
        self._turns.append(turn)
        return turn.future

    def run(self, end_ms: int, far_ms: int, collector: _VirtualCollector) -> None:
        """Let the sessions go on to `end_ms`, stopping for commits; each passes on to the next."""
        self._order = self._ordered(end_ms, far_ms, collector)
        try:
            while turn := self._following():
                turn.give(self._over)
                self._over.acquire()
        finally:
            self._order = iter(())  # after a Ctrl-C nobody passes on
        if self._failure:
            failure, self._failure = self._failure, None
            raise failure
        self._turn = None
        self._turns = [turn for turn in self._turns if not turn.future.done()]

    def _ordered(self, end_ms: int, far_ms: int, collector: _VirtualCollector) -> Iterator[Turn]:
        """Give out whose turn it is, one after the other; whoever asks commits what is due."""
        while True:
            for turn in self._turns:
                if turn.now_ms < end_ms and not (turn.waiting or turn.future.done()):
                    self._turn = turn
                    turn.end_ms, turn.far_ms = end_ms, far_ms
                    yield turn
            due_ms = collector.due_ms()
            if due_ms is None or due_ms > end_ms:
                return
            collector.commit(due_ms)

    def _following(self) -> Turn | None:
        try:
            return next(self._order, None)
        except MotekitError as e:  # a store that fails: it is raised where the round began
            self._failure = e
            return None

    def close(self) -> None:
        """End sessions that have not come to their end."""
        for turn in self._turns:
            turn.abandon()
        self._threads.shutdown()

    def ended(self) -> bool:
        """Tell whether there is no session."""
        return not self._turns

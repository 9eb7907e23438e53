"""A board's line as a session has it: in virtual time, driving the board as it waits.

A session runs while it has its turn, up to a moment; then others have theirs.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, wait
from math import ceil
from threading import Semaphore

from motekit.sim.plan import Fault
from motekit.sim.stepped_board import WorldBoard
from motekit.sim.stepped_vm import Awaited
from motekit.transports.link import CREDIT_TIMEOUT_S
from motekit.transports.link_pipe import LinkPipe
from motekit.transports.serial import PortGoneError

START_UTC_S = 1_782_864_000.0  # 2026-07-01, when scenarios begin
_MONOTONIC_S = 1000.0  # what a host's own clock says then
_LOOK_S = 0.02
_CREDIT_MS = ceil(CREDIT_TIMEOUT_S * 1000)


class VirtualTime:
    """A clock that says what it was set to; `jumps` are faults of its calendar."""

    def __init__(self, now_ms: int = 0, jumps: tuple[Fault, ...] = ()) -> None:
        self.now_ms = now_ms
        self.jumps = jumps

    def monotonic(self) -> float:
        """Return seconds since before the scenario began."""
        return _MONOTONIC_S + self.now_ms / 1000

    def ms_of(self, monotonic_s: float) -> int:
        """Return the milliseconds of the scenario at which `monotonic` says this."""
        return round((monotonic_s - _MONOTONIC_S) * 1000)

    def utc(self) -> float:
        """Return seconds since 1970."""
        off_s = 0.0
        for jump in self.jumps:
            from_ms, to_ms = jump.span_ms()
            if from_ms <= self.now_ms and (to_ms is None or self.now_ms < to_ms):
                off_s += jump.value
        return START_UTC_S + off_s + self.now_ms / 1000

    def sleep(self, seconds: float) -> None:
        """Go on at once."""
        self.now_ms += ceil(seconds * 1000)


class Turn(VirtualTime):
    """A thread that runs when it is given its turn, and its clock; `future` tells how it ended.

    `following` tells whose turn is next when this one is over; None: that of who gave the first.
    """

    def __init__(
        self,
        now_ms: int,
        threads: Executor,
        work: Callable[[], None],
        following: "Callable[[], Turn | None]",
        jumps: tuple[Fault, ...] = (),
    ) -> None:
        super().__init__(now_ms, jumps)
        self.name = ""  # of its line, once it is open
        self.end_ms = now_ms  # of its turn
        self.far_ms = now_ms  # as far as its board may be let run, which nobody else speaks to
        self.waiting = False  # for a commit
        self._abandoned = False
        self._following = following
        self._giver: Semaphore | None = None
        # Ctrl-C may come while the giver waits: then both are released once more than taken.
        self._mine = Semaphore(0)
        self.future = threads.submit(self._run, work)
        self.future.add_done_callback(lambda _: self._giver and self._giver.release())

    def _run(self, work: Callable[[], None]) -> None:
        self._mine.acquire()
        work()

    def give(self, giver: Semaphore) -> None:
        """Let the thread run until its clock has come to `end_ms`, or it ends; `giver` is told."""
        self._giver = giver
        self._mine.release()

    def stop_at(self, at_ms: int) -> None:
        """End this turn earlier, and have no other until `waiting` is False again."""
        self.waiting = True
        self.end_ms = min(self.end_ms, at_ms)

    def go_on(self, at_ms: int) -> None:
        """Have turns again, from the moment of the commit on."""
        self.waiting = False
        self.now_ms = max(self.now_ms, at_ms)

    def pass_on(self) -> None:
        """Wait for the next turn; called by the thread itself. PortGoneError: there is none."""
        giver = self._giver
        if giver and not self._abandoned:
            following = self._following()
            if following is self:
                return
            if following:
                following.give(giver)
            else:
                giver.release()
            self._mine.acquire()
        if self._abandoned:
            raise PortGoneError("the world has ended")

    def abandon(self) -> None:
        """Have the thread end at once."""
        self._abandoned = True
        self._mine.release()
        wait([self.future])

    def sleep(self, seconds: float) -> None:
        """Let time pass, for all."""
        wake_ms = self.now_ms + ceil(seconds * 1000)
        while wake_ms > self.end_ms:
            self.now_ms = self.end_ms
            self.pass_on()
        self.now_ms = wake_ms


class SimPipe(LinkPipe):
    """The line to one board of a World."""

    def __init__(self, name: str, board: WorldBoard, turn: Turn, nonce: int) -> None:
        super().__init__(name, turn, nonce)
        self._turn = turn
        self._board = board
        self._closed = False
        self._left_s = 0.0  # that somebody waits for an event, if there is none before
        self._arrived: deque[tuple[int, bytes]] = deque()
        board.listener = self._hear

    def _hear(self, at_ms: int, data: bytes) -> None:
        self._arrived.append((at_ms, data))

    def _patience_s(self, left_s: float) -> float:
        self._left_s = left_s
        return min(left_s, max(self._link.due_at() - self.clock.monotonic(), _LOOK_S))

    def _write(self, data: bytes) -> None:
        if self._closed:
            raise PortGoneError(f"{self.name}: is closed")
        if data:
            self._board.type(self._turn.now_ms, data)

    def _read(self, wait_s: float) -> bytes:
        turn = self._turn
        until_ms = turn.now_ms + max(ceil(wait_s * 1000), 1)
        awaited = self._awaited()
        while True:
            # While a commit is waited for, the board can wait for what is said after it.
            if not (self._arrived or turn.waiting):
                self._let_run(min(until_ms, turn.far_ms), awaited)
            limit_ms = min(until_ms, turn.end_ms)
            if self._arrived and self._arrived[0][0] <= limit_ms:
                return self._take()
            turn.now_ms = max(turn.now_ms, limit_ms)
            if turn.now_ms >= until_ms or self._woken:
                return b""
            turn.pass_on()
            if self._woken:
                return b""

    def _awaited(self) -> Awaited | None:
        """Return the credit that is waited for, if the line is sound and nothing else is."""
        turn = self._turn
        awaited = self._link.awaited()
        if awaited is None:
            return None
        frame, sent_at = awaited
        sent_ms = turn.ms_of(sent_at)
        if not self._board.wire.sound(sent_ms, sent_ms + _CREDIT_MS):
            return None
        end_ms = turn.now_ms + max(ceil(self._left_s * 1000), 1)
        return Awaited(frame, min(end_ms, turn.far_ms))

    def _let_run(self, end_ms: int, awaited: Awaited | None) -> None:
        """Let the board run until it has something to say, further than others' turns go."""
        while not self._arrived and self._board.now_ms < end_ms:
            self._board.step(end_ms, awaited)

    def _take(self) -> bytes:
        turn = self._turn
        turn.now_ms = max(turn.now_ms, self._arrived[0][0])
        data = b""
        while self._arrived and self._arrived[0][0] <= turn.now_ms:
            data += self._arrived.popleft()[1]
        return data

    def close(self) -> None:
        """Let the line go."""
        if not self._closed:
            self._closed = True
            self._board.listener = None

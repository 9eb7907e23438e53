"""A fleet of virtual boards: one supervisor for all of a scenario's boards.

async with Fleet(scenario) as fleet:
    print(fleet.boards[0].serial)
    await fleet.finished()

with running(scenario) as fleet:  # the same in a thread, for those without an event loop
    ...
"""

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Self

from motekit import disk
from motekit.errors import ScenarioError, VmError
from motekit.sim import vm as vms
from motekit.sim.loader.chip_board import ChipBoard
from motekit.sim.preparation import Prepared, Workshop, allow_files, esp32_heap
from motekit.sim.scenario import Scenario
from motekit.sim.virtual_board import VirtualBoard
from motekit.sim.vm import Vm

_READY_S = 90.0
_LAST_S = 30.0  # what an ended scenario gives the host to take the rest
_FDS_A_BOARD = 8


class Fleet:
    """The virtual boards of a scenario; an async context manager."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        vm: Vm | None = None,
        bits: int | None = None,
        heap_bytes: int | None = None,
        folder: Path | None = None,
        files: dict[str, bytes] | None = None,
        on_event: Callable[[VirtualBoard, str], None] | None = None,
    ) -> None:
        """Prepare; nothing starts before it is entered.

        `heap_bytes` None: that of the smallest ESP32, twice as much on a 64-bit VM.
        `folder` keeps the boards' flash from run to run; `files` replace the firmware on it.
        """
        self.scenario = scenario
        self.vm = vm or vms.find(bits)
        self.boards: list[VirtualBoard] = []
        self._heap_bytes = heap_bytes or esp32_heap(self.vm)
        self._folder = folder
        self._files = files
        self._on_event = on_event
        self._stack = contextlib.ExitStack()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def _start(self) -> None:
        workshop = Workshop(self.vm, self.scenario, self._heap_bytes, self._files)
        workshop.check()
        _check_faults(self.scenario)
        allow_files(len(self.scenario.boards) * _FDS_A_BOARD + 64)
        folder = self._folder
        if folder is None:
            folder = Path(
                self._stack.enter_context(tempfile.TemporaryDirectory(prefix="motekit-"))
            )
        elsewhere = "name a folder elsewhere with --keep" if self._folder else "set TMPDIR"
        with disk.writing(folder, elsewhere):
            for plan in self.scenario.boards:
                self._add(workshop.prepare(plan, folder / f"board-{plan.index}"))
        self._tasks.append(asyncio.create_task(self._look_after()))
        for board in self.boards:
            await self._until_ready(board)

    async def _until_ready(self, board: VirtualBoard) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(board.ready.wait(), _READY_S)
        if not board.ready.is_set() or board.crashed:
            raise VmError(f"virtual board {board.device} did not start: {board.last_words()}")

    def _add(self, prepared: Prepared) -> None:
        board = (ChipBoard if prepared.whole else VirtualBoard)(self.vm, prepared)
        if self._on_event:
            board.on_event = self._on_event
        self.boards.append(board)
        self._stack.callback(board.close)
        board.start()

    async def _look_after(self) -> None:
        """Watch over watchdogs, and over boards whose scenario has ended."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1.0)
            for board in self.boards:
                board.look_after()
                if board.stopping_s and loop.time() - board.stopping_s > _LAST_S:
                    board.done.set()

    async def finished(self) -> None:
        """Wait until every board's scenario has ended and its host has all, or had 30 s for it."""
        await asyncio.gather(*(board.done.wait() for board in self.boards))

    def close(self) -> None:
        """End every board, at once."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        self._stack.close()


def _check_faults(scenario: Scenario) -> None:
    """Raise ScenarioError for faults of what is not there, or not to be had in this time."""
    if scenario.host_faults:
        raise ScenarioError(
            f"fault: {scenario.host_faults[0].kind} is of the host, which is this machine here; "
            f"possible where a collector is simulated too: motekit.testing, motekit.sim.world"
        )
    late = any(fault.kind == "link_delay" for board in scenario.boards for fault in board.faults)
    if late and scenario.clock == "virtual":
        raise ScenarioError(
            'fault: link_delay is not possible on ports with clock = "virtual", which waits for '
            'what is late; possible with clock = "real", in motekit.testing, motekit.sim.world'
        )


@contextlib.contextmanager
def running(scenario: Scenario, **options: Any) -> Generator[Fleet]:
    """Run a fleet in a thread of its own; it is up when the block begins and gone after it."""
    fleet = Fleet(scenario, **options)
    started = threading.Event()
    failed: list[BaseException] = []
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))
        try:
            async with fleet:
                started.set()
                await stop.wait()
        except BaseException as e:
            failed.append(e)
            raise
        finally:
            started.set()

    def main() -> None:
        with contextlib.suppress(BaseException):
            asyncio.run(run())

    thread = threading.Thread(target=main, name="virtual boards", daemon=True)
    thread.start()
    started.wait()
    try:
        if failed:
            raise failed[0]
        yield fleet
    finally:
        loop, stop = loops[0]
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)
        thread.join()

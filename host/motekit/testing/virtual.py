"""Virtual boards for a test: in virtual time, or on the wall's with a serial port each."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from motekit.keys import Host, KeyStore
from motekit.sim import fleet
from motekit.sim.scenario import Scenario
from motekit.sim.vm import Vm

from .board import Bench, Engine
from .lines import Lines


def start(scenario: Scenario, bench: Bench, machine: Vm, heap_kib: int | None) -> Engine:
    """Start the boards of a scenario and their collector."""
    # a word of 64 bits takes twice the room, and so does nearly all on the heap
    heap_bytes = fleet.HEAP_BYTES * machine.bits // 32 if heap_kib is None else heap_kib << 10
    options: dict[str, Any] = {"vm": machine, "heap_bytes": heap_bytes}
    return OnPorts(replace(scenario, clock="real"), bench, options)


class OnPorts(Lines):
    """Virtual boards in real time; each on a pty, which any program for serial ports may open."""

    def __init__(self, scenario: Scenario, bench: Bench, options: dict[str, Any]) -> None:
        self._fleet = ExitStack()
        boards = self._fleet.enter_context(
            fleet.running(scenario, folder=bench.folder / "boards", **options)
        ).boards
        host = Host(bench.folder / "host.json")
        ports = [board.serial for board in boards]
        try:
            super().__init__(ports, bench.store_path, KeyStore.empty(), host, bench.hear)
        except BaseException:
            self._fleet.close()
            raise

    def close(self) -> None:
        """End boards and collector."""
        super().close()
        self._fleet.close()

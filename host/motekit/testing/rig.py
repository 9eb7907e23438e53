"""What one test has built: benches of boards, files of its own, and what is kept if it fails."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from motekit import own
from motekit.errors import VmError
from motekit.own import Modules, Paths
from motekit.sim import vm
from motekit.sim.vm import Vm

from .board import Bench, Board
from .plans import SCENARIO, Plan

_STDERR = "stderr.txt"


@dataclass(frozen=True)
class Settings:
    """What the command line, the configuration and the test's marker say."""

    seed: int
    ports: tuple[str, ...] = ()
    bits: int | None = None
    heap_kib: int | None = None
    drivers: tuple[Path, ...] = ()
    models: tuple[Path, ...] = ()
    modules: dict[str, Path] = field(default_factory=dict[str, Path])


class Rig:
    """The benches of one test; `close` it in any case."""

    def __init__(self, settings: Settings, base: Path) -> None:
        self.settings = settings
        self.base = base
        self.plans: list[Plan] = []
        self.benches: list[Bench] = []
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._took = False
        self._options: list[str] = []  # of `motekit sim`, for files of the user's own

    def take(self, drivers: Paths = (), models: Paths = (), modules: Modules = ()) -> None:
        """Take in the user's own files: once those of the configuration, then a test's."""
        if not self._took:
            self._took = True
            named = self.settings
            self._take(named.drivers, named.models, named.modules)
        self._take(
            self._beside(drivers, "drivers"),
            self._beside(models, "models"),
            own.named(modules, self.base),
        )

    def _take(
        self, drivers: Iterable[Path], models: Iterable[Path], modules: Mapping[str, Path]
    ) -> None:
        self._stack.enter_context(own.taken(drivers, models, modules))
        self._options += [f"--driver={path}" for path in drivers]
        self._options += [f"--model={path}" for path in models]
        self._options += [f"--module={name}={path}" for name, path in modules.items()]

    def _beside(self, paths: Paths, what: str) -> list[Path]:
        return [self.base / path for path in own.listed(paths, what)]

    def bench(self, plan: Plan) -> Bench:
        """Start the boards of a plan, or find them on the ports that were named."""
        real = bool(self.settings.ports)
        if real and (what := plan.simulated()):
            pytest.skip(f"--board-port: a real board has no such thing as {what}")
        machine = None if real else _machine(self.settings.bits)
        bench = Bench(self._new_folder(), machine)
        self._stack.callback(bench.close)
        self.plans.append(plan)
        self.benches.append(bench)
        names = [board.name for board in plan.scenario.boards]
        if machine is None:
            self._find(bench, plan, names)
        else:
            self._start(bench, plan, names, machine)
        return bench

    def _new_folder(self) -> Path:
        if self._folder is None:
            made = tempfile.TemporaryDirectory(prefix="motekit-", ignore_cleanup_errors=True)
            self._folder = Path(self._stack.enter_context(made))
        folder = self._folder / str(len(self.benches))
        folder.mkdir()
        return folder

    def _start(self, bench: Bench, plan: Plan, names: list[str | None], machine: Vm) -> None:
        from . import virtual

        engine = virtual.start(plan.scenario, bench, machine, self.settings.heap_kib)
        bench.start(engine, names)

    def _find(self, bench: Bench, plan: Plan, names: list[str | None]) -> None:
        from motekit.keys import Host, KeyStore

        from .lines import Lines

        ports = self.settings.ports
        if len(ports) < len(names):
            pytest.skip(f"the test needs {len(names)} boards, --board-port names {len(ports)}")
        engine = Lines(ports[: len(names)], bench.store_path, KeyStore.load(), Host(), bench.hear)
        bench.start(engine, names)
        for board, planned in zip(bench.boards, plan.table["board"], strict=True):
            if why := _unlike(board, planned.get("sensor")):
                pytest.skip(why)

    def keep(self, folder: Path) -> list[str]:
        """End all, and copy what is worth it into the folder; return the names of the files."""
        if folder.exists():
            shutil.rmtree(folder)
        for target, plan, bench in self._kept(folder):
            target.mkdir(parents=True)
            ran_s = bench.now_s
            bench.close()
            (target / "serial.log").write_text(bench.serial_log(), "utf-8")
            (target / "seed.txt").write_text(f"{plan.seed}\n")
            plan.write(target, ran_s)
            if bench.store_path.exists():
                shutil.copyfile(bench.store_path, target / bench.store_path.name)
            for said in bench.folder.rglob(_STDERR):
                if said.stat().st_size:
                    shutil.copyfile(said, target / f"{said.parent.name}-{_STDERR}")
        files = (path for path in folder.rglob("*") if path.is_file())
        return sorted(path.relative_to(folder).as_posix() for path in files)

    def repeats(self, folder: Path) -> list[list[str]]:
        """Return the commands that repeat what is kept there, as far as its scenarios go."""
        commands: list[list[str]] = []
        for target, plan, bench in self._kept(folder):
            if bench.vm is None:
                continue
            words = ["motekit", "sim", f"--scenario={target / SCENARIO}"]
            if not any(board.blank for board in plan.scenario.boards):
                words.append(f"--store={target / 'again.motekit'}")
            words.append(f"--bits={bench.vm.bits}")
            if self.settings.heap_kib is not None:
                words.append(f"--heap={self.settings.heap_kib}")
            commands.append(words + self._options)
        return commands

    def _kept(self, folder: Path) -> Iterator[tuple[Path, Plan, Bench]]:
        """Yield where what is kept of each bench lies."""
        for number, (plan, bench) in enumerate(zip(self.plans, self.benches, strict=True), 1):
            yield folder if number == 1 else folder / str(number), plan, bench

    def close(self) -> None:
        """End all, and forget the test's own files."""
        self._stack.close()


def _machine(bits: int | None) -> Vm:
    """Return the VM; without any the test fails, without one of these bits alone it is skipped."""
    try:
        return _found(bits)
    except VmError as error:
        why = str(error)
    other: Vm | None = None
    with contextlib.suppress(VmError):
        other = _found(None)
    if other is None:  # said here, where no exception is at work: else each would be told, too
        pytest.fail(why, pytrace=False)
    pytest.skip(f"{why} (there is one of {other.bits} bits)")


@cache
def _found(bits: int | None) -> Vm:
    return vm.find(bits)


def _unlike(board: Board, wanted: Iterable[Mapping[str, Any]] | None) -> str:
    """Return what a test needs that a real board does not have, "" if it has all."""
    there = {sensor["name"]: sensor for sensor in board.config["sensors"]}
    for sensor in wanted or ():
        name = sensor.get("name", sensor["driver"])
        found = there.get(name)
        if found is None or found["driver"] != sensor["driver"]:
            known = ", ".join(there) or "none"
            return f"the board on {board.port} has no sensor {name}, which the test needs: {known}"
        options = found.get("options", {})
        for key, value in sensor.get("options", {}).items():
            if options.get(key, value) != value:
                return f"{name} on {board.port} has {key} {options[key]}, the test needs {value}"
        period_ms = round(sensor.get("period_s", 0) * 1000)
        if period_ms and found.get("period_ms", 1000) != period_ms:
            return f"{name} on {board.port} has not the period {period_ms} ms, as the test needs"
    return ""

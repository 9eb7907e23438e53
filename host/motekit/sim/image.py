"""What a virtual board is made of besides the VM: its ROM, compiled, and its file system."""

import hashlib
import json
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from motekit import disk, firmware, places, resources
from motekit.errors import VmError
from motekit.sim.vm import Vm

_ROM = Path(__file__).parent / "rom"
_BLOCK_BYTES = 4096
_HEAP_BYTES = 8 << 20
BOOT = "# Nothing to do before main.py.\n"
MAIN = "from rom.port_sim import Port\n\nfrom motefw import app\n\napp.run(Port())\n"


def rom(march: str | None) -> Path:
    """Return the folder that a VM starts from: package `rom`, and the modules that it shadows."""
    return _rom(march, tuple(sorted(resources.own_models.items())))


@cache
def _rom(march: str | None, own_models: tuple[tuple[str, Path], ...]) -> Path:
    modules = {f"rom/{p.relative_to(_ROM)}": p for p in _ROM.glob("*.py")}
    modules |= {f"rom/chips/{p.name}": p for p in (_ROM / "chips").glob("*.py")}
    modules |= {p.name: p for p in (_ROM / "shadow").glob("*.py")}
    own = {f"rom/chips/{name}.py": path for name, path in own_models}
    return firmware.compiled_tree(modules, march, own=own, plain=march is None, lines=True)


def environment(vm: Vm) -> dict[str, str]:
    """Return the environment of a VM: the ROM and the frozen modules, nothing of the user's."""
    return {**os.environ, "MICROPYPATH": f"{rom(vm.march)}:.frozen"}


def flash(vm: Vm, files: dict[str, bytes], size_bytes: int) -> Path:
    """Return a file of size_bytes that holds the files as littlefs; shared, copy it before use."""
    digest = hashlib.sha256(f"{vm.version} {size_bytes} {rom(vm.march).name}".encode())
    for name, data in sorted(files.items()):
        digest.update(f"\0{name}\0{len(data)}\0".encode() + data)
    home = places.made() / "flash" / f"{digest.hexdigest()[:16]}.littlefs"
    if not home.exists():
        with disk.writing(home.parent, "remove what is in it: it can be made again"):
            home.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=home.parent, prefix=".making-") as temporary:
                _make(vm, Path(temporary), files, size_bytes).replace(home)
    return home


def _make(vm: Vm, folder: Path, files: dict[str, bytes], size_bytes: int) -> Path:
    image = folder / "flash"
    with image.open("wb") as f:
        f.truncate(size_bytes)
    listed: list[tuple[str, str]] = []
    for i, (name, data) in enumerate(sorted(files.items())):
        (folder / str(i)).write_bytes(data)
        listed.append((name, str(folder / str(i))))
    spec = folder / "spec.json"
    spec.write_text(json.dumps({"flash": str(image), "files": listed}))
    program = f"import rom.format as f; f.make({str(spec)!r})"
    argv = [*vm.argv, "-X", f"heapsize={_HEAP_BYTES}", "-c", program]
    done = subprocess.run(
        argv, env=environment(vm), capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise VmError(f"{vm.argv[0]}: could not make a file system of {len(files)} files: {said}")
    return image


@cache
def _blocks(image: Path) -> tuple[int, tuple[tuple[int, bytes], ...]]:
    """Return the size of an image, and runs of blocks that are not empty, with their places."""
    data = image.read_bytes()
    empty = bytes(_BLOCK_BYTES)
    ends = range(_BLOCK_BYTES, len(data) + 1, _BLOCK_BYTES)
    full = (end for end in ends if data[end - _BLOCK_BYTES : end] != empty)
    runs: list[list[int]] = []
    for end in full:
        if runs and runs[-1][1] == end - _BLOCK_BYTES:
            runs[-1][1] = end
        else:
            runs.append([end - _BLOCK_BYTES, end])
    return len(data), tuple((start, data[start:end]) for start, end in runs)


def copy(source: Path, target: Path) -> None:
    """Copy an image made here, leaving its empty blocks out."""
    size, blocks = _blocks(source)
    with target.open("wb") as file:
        for at, block in blocks:
            file.seek(at)
            file.write(block)
        file.truncate(size)


def firmware_files(march: str | None) -> dict[str, bytes]:
    """Return the firmware as a board carries it, by name: /boot.py, /main.py, /lib/motefw."""
    home = firmware.for_board(march)
    files = {f"/lib/{p.relative_to(home)}": p.read_bytes() for p in home.rglob("*.mpy")}
    return {"/boot.py": BOOT.encode(), "/main.py": MAIN.encode(), **files}

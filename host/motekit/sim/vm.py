"""Unix MicroPython VMs, which virtual boards run on: where they are and how they got there."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from motekit import places
from motekit.errors import VmError
from motekit.sim.vm_sources import WAYS, NotThisWayError, Way

MIN_VERSION = (1, 25, 0)
_VARIABLES = {64: ("MICROPYTHON",), 32: ("MICROPYTHON32", "MICROPYTHON")}
_MARCHES = (  # py/persistentcode.h: MP_NATIVE_ARCH_*
    *(None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp"),
    *("xtensa", "xtensawin", "rv32imc", "rv64imc"),
)
_STAMP = "vm.json"
_PROBE = (
    "import sys, vfs; i = sys.implementation; vfs.VfsLfs2; "
    "print(list(i[1][:3]), 32 if sys.maxsize < 1 << 32 else 64, i._mpy)"
)


@dataclass(frozen=True)
class Vm:
    """One VM: how to start it, what it is, and how it got here."""

    argv: tuple[str, ...]
    version: str
    bits: int
    mpy: str  # version of the .mpy files that it loads, such as "6.3"
    march: str | None  # what mpy-cross calls its processor; None: no native code
    source: str

    @property
    def path(self) -> str:
        """Return the program's path."""
        return self.argv[-1]


def check(argv: tuple[str, ...], source: str) -> Vm:
    """Start a VM and ask what it is; VmError says why it will not do."""
    name = shlex.join(argv)
    try:
        done = subprocess.run(
            [*argv, "-c", _PROBE], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise VmError(f"{name}: does not run: {e}") from None
    words = done.stdout.replace("[", "").replace("]", "").replace(",", "").split()
    if done.returncode or len(words) != 5 or not all(w.isdigit() for w in words):
        said = (done.stderr or done.stdout).strip().splitlines()
        last = said[-1] if said else "nothing"
        raise VmError(f"{name}: is no unix MicroPython with littlefs: said {last!r}")
    version = tuple(int(w) for w in words[:3])
    if version < MIN_VERSION:
        raise VmError(f"{name}: is MicroPython {'.'.join(words[:3])}, at least 1.25.0 expected")
    mpy = int(words[4])
    arch = mpy >> 10 & 0xF
    return Vm(
        argv=argv,
        version=".".join(words[:3]),
        bits=int(words[3]),
        mpy=f"{mpy & 0xFF}.{mpy >> 8 & 3}",
        march=march_of(arch),
        source=source,
    )


def march_of(arch: int) -> str | None:
    """Return what mpy-cross calls a VM's kind of native code (MP_NATIVE_ARCH_*), None: none."""
    return _MARCHES[arch] if arch < len(_MARCHES) else None


def find(bits: int | None = None) -> Vm:
    """Return the VM for boards of 32 or 64 bits (None: 32 if there is one); fetches nothing.

    VmError says what was looked at.
    """
    if bits is None:
        try:
            return find(32)
        except VmError:
            return find(64)
    looked: list[str] = []
    for argv, source in _candidates(bits):
        try:
            vm = check(argv, source)
        except VmError as e:
            looked.append(f"{source}: {e}")
            continue
        if vm.bits == bits:
            return vm
        looked.append(f"{source}: {vm.path} is a {vm.bits}-bit build")
    seen = "; ".join(looked) or "PATH, what was unpacked"
    raise VmError(f"no MicroPython of {bits} bits; looked at: {seen}; try: motekit setup")


def _candidates(bits: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """Return ways to start what is there already, and how it got there."""
    for variable in _VARIABLES[bits]:
        if value := os.environ.get(variable):
            yield tuple(shlex.split(value)), f"${variable}"
    if path := shutil.which("micropython"):
        yield (path,), "PATH"
    stamp = places.fetched() / str(bits) / _STAMP
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads(stamp.read_text())
        yield tuple(str(word) for word in said["argv"]), str(said["source"])


def install(bits: int, tell: Callable[[str], object] = str) -> Vm:
    """Return the VM of this many bits, bringing one if need be; VmError says what was tried."""
    try:
        return find(bits)
    except VmError as e:
        why = [str(e)]
    home = places.fetched()
    home.mkdir(parents=True, exist_ok=True)
    for name, way in WAYS:
        tell(f"MicroPython, {bits} bits: trying {name}")
        try:
            return _bring(bits, way, home)
        except (NotThisWayError, VmError) as e:
            why.append(f"{name}: {e}")
    hint = "brew install micropython" if sys.platform == "darwin" else "build one"
    raise VmError(
        f"no MicroPython of {bits} bits could be brought here. "
        + " | ".join(why)
        + f" | Try: {hint}"
        f", at least {'.'.join(map(str, MIN_VERSION))}, and set {_VARIABLES[bits][0]} to its path"
    )


def _bring(bits: int, way: Way, home: Path) -> Vm:
    """Unpack into a folder beside, start it there, rename it: a half-made one is never found."""
    with tempfile.TemporaryDirectory(dir=home, prefix=".making-") as temporary:
        made = Path(temporary) / "vm"
        made.mkdir()
        argv, source = way(bits, made)
        vm = check(tuple(argv), source)
        if vm.bits != bits:
            raise VmError(f"{source} is a {vm.bits}-bit build")
        target = home / str(bits)
        moved = [word.replace(str(made), str(target)) for word in argv]
        stamp = {"argv": moved, "source": source, "version": vm.version, "bits": bits}
        (made / _STAMP).write_text(json.dumps(stamp, indent=1) + "\n")
        if target.exists():  # does not work, or it would have been found
            target.rename(Path(temporary) / "old")
        made.rename(target)
    return check(tuple(moved), source)

"""Unix MicroPython VMs, which virtual boards run on: where they are and how they got there."""

import json
import os
import shlex
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from motekit.errors import VmError
from motekit.sim import places

MIN_VERSION = (1, 25, 0)
_VARIABLES = {64: ("MICROPYTHON",), 32: ("MICROPYTHON32", "MICROPYTHON")}
_MARCHES = (None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin", "rv32imc", "rv64imc")
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
    arch = mpy >> 10
    return Vm(
        argv=argv,
        version=".".join(words[:3]),
        bits=int(words[3]),
        mpy=f"{mpy & 0xFF}.{mpy >> 8 & 3}",
        march=_MARCHES[arch] if arch < len(_MARCHES) else None,
        source=source,
    )


def find(bits: int = 32) -> Vm:
    """Return the VM for boards of 32 or 64 bits; VmError says what was looked at."""
    looked: list[str] = []
    for variable in _VARIABLES[bits]:
        if value := os.environ.get(variable):
            try:
                vm = check(tuple(shlex.split(value)), f"${variable}")
            except VmError as e:
                looked.append(f"${variable}: {e}")
                continue
            if vm.bits == bits:
                return vm
            looked.append(f"${variable}: is a {vm.bits}-bit build")
    raise VmError(f"no MicroPython VM of {bits} bits; looked at: {'; '.join(looked)}")

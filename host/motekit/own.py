"""Drivers, chip models and modules of the user's own, taken in beside motekit's.

    with own.taken(own_drivers=["my_chip.py"], models=["my_chip_model.py"], modules=["helper.py"]):
        ...                        # as if they lay in this package: scenarios, firmware, boards

A driver's file is named as configurations call it, and its `DRIVER` is the class. The model of its
chip has the same name, or that with `_model` behind it, and its `CHIP` is the class. A module goes
onto the board under its own name, or in the place of one of the firmware's, as in
`modules={"motefw/clock.py": "patched/clock.py"}`, or `["motefw/clock.py=patched/clock.py"]`: what
lies in motefw/ is the firmware's, so a name in there that it does not have is refused. Each file
is compiled when it is taken in.
"""

import difflib
import importlib.util
import keyword
import sys
import traceback
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from motekit import drivers, firmware, resources
from motekit.errors import UsageError

DRIVERS = "motefw.drivers"
CHIPS = "motekit.sim.rom.chips"
_MODEL = "_model"
_FIRMWARE = "motefw"
_RESERVED = ("boot", "main", _FIRMWARE, "rom")
_MODEL_METHODS = {"i2c": ("write", "read_into"), "uart": ("write", "poll")}

Paths = Iterable[str | Path]
Modules = Paths | Mapping[str, str | Path]  # files or NAME=FILE, or name on the board: file


class OwnError(UsageError):
    """A file of the user's that cannot be taken in, and why."""


@contextmanager
def taken(own_drivers: Paths = (), models: Paths = (), modules: Modules = ()) -> Generator[None]:
    """Take files in until the block ends; OwnError names the file, and the line where one is."""
    with ExitStack() as stack:
        for name, path in named(modules).items():
            _check_name(name, path)
            stack.enter_context(_held(resources.own, name, _compiled(path)))
        for path in listed(own_drivers, "drivers"):
            stack.enter_context(_driver(path))
        for path in listed(models, "models"):
            stack.enter_context(_model(path))
        yield


def named(modules: Modules, base: Path = Path()) -> dict[str, Path]:
    """Return {name on the board: file} of modules; files are relative to `base`."""
    if isinstance(modules, Mapping):
        table = cast("Mapping[str, str | Path]", modules)
        return {name: base / path for name, path in table.items()}
    return dict(_named(str(path), base) for path in listed(modules, "modules"))


def listed(paths: Paths, what: str) -> list[Path]:
    """Return files as paths; OwnError for a single one, whose letters would be taken for files."""
    if isinstance(paths, (str, Path)):
        raise OwnError(f"{what}: {str(paths)!r}, a list of files expected: [{str(paths)!r}]")
    return [Path(path) for path in paths]


def _named(module: str, base: Path) -> tuple[str, Path]:
    name, equals, path = (part.strip() for part in module.partition("="))
    if equals and name.endswith(".py"):
        return name, base / path
    return Path(module).name, base / module


def _check_name(name: str, path: Path) -> None:
    parts = name.removesuffix(".py").split("/")
    if not name.endswith(".py") or not all(part.isidentifier() for part in parts):
        raise OwnError(f"{path}: {name!r} is no module's name on a board, as motefw/clock.py is")
    if name.removesuffix(".py") in _RESERVED:
        raise OwnError(f"{path}: {name} is taken on a board; give it another name")
    if parts[0] == _FIRMWARE and name not in firmware.names():
        raise OwnError(
            f"{path}: {name} is no module of the firmware that it could replace; "
            f"{_nearest(name)}; a new module's name does not begin with {_FIRMWARE}/"
        )


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, sorted(firmware.names()), 1)
    return f"did you mean {close[0]}?" if close else "as motefw/clock.py is one"


@contextmanager
def _driver(path: Path) -> Generator[None]:
    name = _name(path, path.stem)
    if name in drivers.NAMES:
        raise OwnError(f"{path}: {name} is a driver of motekit's own; give the file another name")
    with _imported(f"{DRIVERS}.{name}", _compiled(path)) as module:
        found = _class(path, module, "DRIVER")
        if why := drivers.amiss(found):
            raise OwnError(f"{path}: class {found.__name__}: {why}")
        with _held(resources.own, f"motefw/drivers/{name}.py", path):
            yield


@contextmanager
def _model(path: Path) -> Generator[None]:
    name = _name(path, path.stem.removesuffix(_MODEL))
    if name in drivers.NAMES:
        raise OwnError(f"{path}: motekit has a model of {name}; give driver and model other names")
    if name not in drivers.names():
        raise OwnError(
            f"{path}: is the model of no driver: {name} is none; "
            f"a model is called as its driver, or has {_MODEL} behind that"
        )
    with _imported(f"{CHIPS}.{name}", _compiled(path)) as module:
        found = _class(path, module, "CHIP")
        bus = drivers.describe(name).bus
        needed = ("fault", "limits", *_MODEL_METHODS[bus])
        missing = [each for each in needed if not callable(getattr(found, each, None))]
        missing += [each for each in ("FAULTS", "RATES") if not hasattr(found, each)]
        if missing:
            raise OwnError(
                f"{path}: class {found.__name__}: lacks {', '.join(missing)}, which the model of "
                f"a part on {bus} has; derive it from Faults (from . import Faults), "
                f"as those in {CHIPS} are"
            )
        with _held(resources.own_models, name, path):
            yield


def _name(path: Path, name: str) -> str:
    if path.suffix != ".py" or not name.isidentifier() or keyword.iskeyword(name):
        raise OwnError(f"{path}: its name is no module's: letters, digits, _ and .py expected")
    return name


def _compiled(path: Path) -> Path:
    """Return the whole path, once the file compiles for a board."""
    path = path.absolute()
    if not path.is_file():
        raise OwnError(f"{path}: no such file")
    try:
        firmware.check(path)
    except firmware.FirmwareError as error:
        raise OwnError(f"{path}: does not compile for MicroPython: {error.said()}") from None
    return path


def _class(path: Path, module: ModuleType, name: str) -> Any:
    found = getattr(module, name, None)
    if not isinstance(found, type):
        raise OwnError(f"{path}: has no {name}; it ends in: {name} = TheClass")
    return found


@contextmanager
def _imported(name: str, path: Path) -> Generator[ModuleType]:
    """Import a file as the module of this name, in the place of another, until the block ends."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise OwnError(f"{path}: is no Python module")
    module = importlib.util.module_from_spec(spec)
    with _held(sys.modules, name, module):
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise OwnError(f"{_where(path, error)}: {type(error).__name__}: {error}") from error
        yield module


def _where(path: Path, error: Exception) -> str:
    lines = [
        f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)
    ]
    return f"{path}:{lines[-1]}" if lines else str(path)


@contextmanager
def _held(table: dict[str, Any], key: str, value: object) -> Generator[None]:
    """Put a value into a table until the block ends, and then what was there before."""
    before = table.get(key)
    table[key] = value
    try:
        yield
    finally:
        if before is None:
            del table[key]
        else:
            table[key] = before

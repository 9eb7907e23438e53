"""The pytest plugin: fixtures, options, a marker, and what is kept of a test that failed.

Nothing but this is imported until a test asks for a fixture.
"""

import inspect
import os
import random
import re
import shlex
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from .board import Bench, Board, CollectorControl
    from .plans import Plan
    from .rig import Rig, Settings

    MakeScenario = Callable[..., Plan]
    MakeFleet = Callable[..., Bench]
    MakeBoard = Callable[..., Board]

Built = TypeVar("Built")

_RIG: pytest.StashKey["Rig"] = pytest.StashKey()
_SEED: pytest.StashKey[int] = pytest.StashKey()
_SEED_MAX = 1_000_000
_MARKER = (
    "board_vm(bits=None, heap_kib=None): the VM of this test's virtual boards: 32 or 64 bits "
    "(default: 32 where there is one), and the heap that the firmware has (109, an ESP32's, "
    "or twice that on 64 bits)"
)
_HEAP_KIB = (16, 65536)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the keys of the configuration file."""
    group = parser.getgroup("motekit", "boards (motekit)")
    group.addoption(
        "--board-port",
        action="append",
        default=[],
        metavar="PORT",
        help="run the tests on the real board of this serial port; once for each board",
    )
    group.addoption(
        "--board-seed",
        metavar="N",
        help="the seed of scenarios that have none (default: 0), or 'random'",
    )
    group.addoption(
        "--board-bits", type=int, choices=(32, 64), help="the VM of tests that name none"
    )
    group.addoption(
        "--board-artefacts", metavar="DIR", help="where what failed tests leave is kept"
    )
    parser.addini("board_artefacts", "the same (default: board-artefacts)", default="")
    parser.addini("board_drivers", "drivers of your own, files", type="paths")
    parser.addini("board_models", "models of their chips, files", type="paths")
    parser.addini(
        "board_modules",
        "modules for the board: FILE, or NAME=FILE as motefw/log.py=log.py",
        type="linelist",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known and settle the seed."""
    config.addinivalue_line("markers", _MARKER)
    config.stash[_SEED] = _seed(config)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Workers(), "motekit-workers")


def _seed(config: pytest.Config) -> int:
    said = config.getoption("--board-seed")
    worker: Mapping[str, int] = getattr(config, "workerinput", {})
    if said == "random":
        if "board_seed" not in worker:
            return random.SystemRandom().randrange(_SEED_MAX)
        return worker["board_seed"]
    if said is None:
        return 0
    if not said.isdigit():
        raise pytest.UsageError(f"--board-seed: {said!r} is neither a whole number nor 'random'")
    return int(said)


class _Workers:
    """Has pytest-xdist's workers take the seed of the whole run."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["board_seed"] = node.config.stash[_SEED]


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is not as usual, and nothing else."""
    said: list[str] = []
    if config.getoption("--board-seed"):
        said.append(f"board seed: {config.stash[_SEED]}")
    if ports := config.getoption("--board-port"):
        said.append(f"real boards: {', '.join(ports)}")
    return said


# Fixtures


@pytest.fixture
def _rig(request: pytest.FixtureRequest) -> "Generator[Rig]":
    """Hold what this test builds."""
    from .rig import Rig

    rig = Rig(_settings(request), request.path.parent)
    request.node.stash[_RIG] = rig
    yield rig
    rig.close()


@pytest.fixture
def scenario(_rig: "Rig") -> "MakeScenario":
    """Make a scenario of a file, of TOML text, or of tables.

        scenario("fan.toml")
        scenario(board=[{"board": "esp32-devkitc"}], fault=[{"kind": "link_down", "at_s": 5}])

    The keys are those of a scenario file. Files are looked for beside the test. A scenario without
    a seed gets the one of the run (`--board-seed`), one without a clock the virtual one.
    `drivers`, `models` and `modules` name files of your own; see `virtual_board`.
    """

    def make(
        source: str | Path | None = None,
        *,
        drivers: Iterable[str | Path] = (),
        models: Iterable[str | Path] = (),
        modules: Iterable[str | Path] | Mapping[str, str | Path] = (),
        **table: Any,
    ) -> "Plan":
        __tracebackhide__ = True
        from . import plans

        if source is not None and table:
            raise pytest.UsageError(f"scenario: a source and {', '.join(table)}: one of both")

        def build() -> "Plan":
            _rig.take(drivers, models, modules)
            chosen = table if source is None else source
            return plans.read(chosen, _rig.base, _rig.settings.seed)

        return _plainly(build)

    return make


@pytest.fixture
def fleet(_rig: "Rig", scenario: "MakeScenario") -> "MakeFleet":
    """Start the boards of a scenario, and a collector of all.

        bench = fleet("three.toml")
        bench.run(60)

    Takes what `scenario` takes, or what it returns. `bench.boards` are in the scenario's order,
    `bench.run(seconds)` lets time pass for all.
    """

    def make(source: "str | Path | Plan | None" = None, **table: Any) -> "Bench":
        __tracebackhide__ = True
        from .plans import Plan

        plan = source if isinstance(source, Plan) else scenario(source, **table)
        return _plainly(lambda: _rig.bench(plan))

    return make


@pytest.fixture
def virtual_board(_rig: "Rig") -> "MakeBoard":
    """Start one board, and a collector.

        board = virtual_board(sensors=[{"driver": "sht4x"}], faults=[...])
        board.run(60)

    sensors   tables as `[[board.sensor]]` of a scenario file: driver, name, options, period_s,
              source or replay...; None: those of the board file
    faults    tables as `[[fault]]`: kind, at_s, for_s, sensor, rate
    board     a board's name, or a board file of your own
    clock     "virtual" (default): time passes in `run` alone, as fast as it can be computed;
              "real": on the wall, and `board.port` is a serial port that any program may open
    seed      of all random numbers, else the run's (`--board-seed`)
    drivers   files of your own drivers, beside the test; `models` those of their chips, `modules`
              others that they import ({"motefw/clock.py": file} replaces one of the firmware's)
    others    `name` and `ticks_ms`, as in a scenario file

    Returns a `motekit.testing.Board`. With `--board-port` that is the real board there: a test
    that needs faults, sources, or sensors that the board lacks is skipped and says why.
    """

    def make(
        sensors: Sequence[Mapping[str, Any]] | None = None,
        faults: Sequence[Mapping[str, Any]] = (),
        *,
        board: str | Path = "esp32-c3-devkitm-1",
        clock: str = "virtual",
        seed: int | None = None,
        name: str | None = None,
        ticks_ms: int | None = None,
        drivers: Iterable[str | Path] = (),
        models: Iterable[str | Path] = (),
        modules: Iterable[str | Path] | Mapping[str, str | Path] = (),
        **unknown: object,
    ) -> "Board":
        __tracebackhide__ = True
        from . import plans

        if unknown:
            from motekit.errors import UsageError
            from motekit.fields import nearest

            known = inspect.signature(make).parameters
            name_ = next(iter(unknown))
            near = nearest(name_, [each for each in known if each != "unknown"])
            raise UsageError(f"virtual_board({name_}=..): is none of its arguments; {near}")

        chosen = _rig.base / board if str(board).endswith(".toml") else board
        others = {"clock": clock, "seed": seed, "name": name, "ticks_ms": ticks_ms}
        table = plans.one_board(sensors, faults, str(chosen), **others)

        def build() -> "Board":
            _rig.take(drivers, models, modules)
            plan = plans.read(table, _rig.base, _rig.settings.seed, "virtual_board")
            return _rig.bench(plan).boards[0]

        return _plainly(build)

    return make


@pytest.fixture
def collector(_rig: "Rig") -> "CollectorControl":
    """Stop and start the host's collector; ask what it said and what it has stored.

    That of the boards which this test starts, however it does; `board.bench.collector` is the
    same. It runs from the start.
    """
    from .board import CollectorControl

    return CollectorControl(lambda: _rig.benches)


def _plainly(build: "Callable[[], Built]") -> "Built":
    """Build something; of an error the test shows what it says, not how motekit came there."""
    __tracebackhide__ = True
    from motekit.errors import MotekitError

    try:
        return build()
    except MotekitError as error:
        raise error.with_traceback(None) from None


def _settings(request: pytest.FixtureRequest) -> "Settings":
    from .rig import Settings

    config = request.config
    bits, heap_kib = _vm(request.node, config.getoption("--board-bits"))
    return Settings(
        seed=config.stash[_SEED],
        ports=tuple[str, ...](config.getoption("--board-port") or ()),
        bits=bits,
        heap_kib=heap_kib,
        drivers=tuple(config.getini("board_drivers")),
        models=tuple(config.getini("board_models")),
        modules=_modules(config),
    )


def _vm(node: pytest.Item, bits: int | None) -> tuple[int | None, int | None]:
    """Return what the marker asks for; the nearest one counts."""
    marker = node.get_closest_marker("board_vm")
    if marker is None:
        return bits, None
    asked: dict[str, Any] = dict(zip(("bits", "heap_kib"), marker.args, strict=False))
    asked.update(marker.kwargs)
    if set(asked) - {"bits", "heap_kib"} or len(marker.args) > 2:
        raise pytest.UsageError(f"{node.nodeid}: board_vm takes bits and heap_kib")
    if asked.get("bits") not in (None, 32, 64):
        raise pytest.UsageError(f"{node.nodeid}: board_vm: bits {asked['bits']!r} is not 32 or 64")
    heap_kib = asked.get("heap_kib")
    low, high = _HEAP_KIB
    if heap_kib is not None and not (isinstance(heap_kib, int) and low <= heap_kib <= high):
        raise pytest.UsageError(
            f"{node.nodeid}: board_vm: heap_kib {heap_kib!r} is no whole number in {low}..{high}"
        )
    return asked.get("bits") or bits, heap_kib


def _modules(config: pytest.Config) -> dict[str, Path]:
    from motekit import own

    base = config.inipath.parent if config.inipath else config.rootpath
    return own.named(config.getini("board_modules"), base)


# What is kept


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what a failed test leaves, and say where, and how to see it again."""
    report = yield
    rig = item.stash.get(_RIG, None)
    if report.failed and rig is not None:
        kept = _kept(item, rig) if rig.benches else []
        report.sections.append(("board", "\n".join([*kept, f"again: {_again(item, rig)}"])))
    return report


def _kept(item: pytest.Item, rig: "Rig") -> list[str]:
    """Keep it; return where it is, and how its scenarios are repeated without the test."""
    config = item.config
    named = config.getoption("--board-artefacts") or config.getini("board_artefacts")
    home = config.rootpath / (named or "board-artefacts")
    folder = home / re.sub(r"[^\w.-]+", "-", item.nodeid).strip("-")[-120:]
    try:
        home.mkdir(parents=True, exist_ok=True)
        (home / ".gitignore").write_text("# Made by failed tests.\n*\n")
        kept = f"kept in {folder}: {', '.join(rig.keep(folder))}"
        repeats = [f"without the test: {shlex.join(words)}" for words in rig.repeats(folder)]
    except OSError as error:
        return [f"nothing is kept: {folder}: {error}"]
    return [kept, *repeats]


def _again(item: pytest.Item, rig: "Rig") -> str:
    config = item.config
    here = os.path.relpath(item.path, config.invocation_params.dir)
    words = ["pytest", "::".join([here, *item.nodeid.split("::")[1:]])]
    words += [f"--board-port={port}" for port in rig.settings.ports]
    if bits := config.getoption("--board-bits"):
        words.append(f"--board-bits={bits}")
    seed = rig.plans[0].seed if rig.plans else rig.settings.seed
    return shlex.join([*words, f"--board-seed={seed}"])

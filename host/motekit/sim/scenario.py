"""Scenarios: what boards there are, what their sensors see, what goes wrong and when.

    seed = 7
    duration_s = 60
    clock = "virtual"            # or "real"
    [[board]]                    # count, board, name, ticks_ms, [[board.sensor]] (see sources.py)
    [[fault]]                    # kind, at_s, for_s, board, sensor, rate

An error names the file, the key or the row, what stands there and what was expected.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from motekit import board as boards
from motekit import drivers
from motekit.board import Board, Sensor
from motekit.errors import MotekitError, ScenarioError
from motekit.fields import Fields, nearest, read_toml
from motekit.sim import models, replay, sources
from motekit.sim.replay import Replay
from motekit.sim.sources import Source

CLOCKS = ("real", "virtual")
COUNT_MAX = 1000
_YEAR_S = 366 * 86400.0
_TICKS_MAX_MS = (1 << 30) - 1
_INT64 = (-(1 << 63), (1 << 63) - 1)  # what TOML has
_BOARD_ONLY = ("link_down", "link_corrupt", "reboot", "power_cut")
_MOMENTS = ("reboot", "power_cut")  # happen at a moment, so that at_s is needed
_CHIP_FAULTS = {  # kind: what the models may call it
    "i2c_nack": ("nack",),
    "bad_checksum": ("bad_crc", "bad_sum"),
    "uart_garbage": ("garbage",),
    "sensor_absent": ("nack", "silent"),
    "sensor_silent": ("silent",),
    "wrong_id": ("wrong_id",),
    "brownout": ("brownout",),
}
_BUS_FAULTS = {"i2c_stuck": "stuck"}
FAULTS = (*_BOARD_ONLY, *_CHIP_FAULTS, *_BUS_FAULTS)


@dataclass(frozen=True)
class VirtualSensor:
    """A sensor and what it sees."""

    sensor: Sensor
    source: Source
    address: int | None
    interval_us: int  # between the samples of a part that keeps its own pace


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong on one board; targets are (sensor or bus, fault of the model)."""

    kind: str
    at_s: float
    for_s: float | None
    rate: float
    targets: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class BoardPlan:
    """One virtual board, expanded; `device` derives from seed and index."""

    index: int
    device: str
    name: str | None
    board: Board
    sensors: tuple[VirtualSensor, ...]
    faults: tuple[Fault, ...]
    ticks_ms: int  # what the board's clock says at the start
    replay: Replay | None = None  # a recording takes the place of sensors


@dataclass(frozen=True)
class Scenario:
    """Everything that happens, the same each time for the same seed."""

    seed: int
    duration_s: float | None
    clock: str
    boards: tuple[BoardPlan, ...]


def load(path: Path | str) -> Scenario:
    """Return the scenario of a TOML file; raise ScenarioError for anything that is wrong in it."""
    path = Path(path)
    return parse(read_toml(path, ScenarioError), path.parent)


def parse(fields: Fields, base: Path) -> Scenario:
    """Return the scenario of a table; files in it are relative to `base`."""
    seed = fields.integer("seed", 0, (1 << 63) - 1) if _has(fields, "seed") else 0
    duration_s = (
        fields.number("duration_s", 0.001, _YEAR_S) if _has(fields, "duration_s") else None
    )
    clock = fields.text("clock", CLOCKS) if _has(fields, "clock") else "real"
    plans: list[BoardPlan] = []
    for entry in fields.tables("board"):
        plans += _plans(entry, len(plans), seed, base)
    if not plans:
        raise fields.fail("board", "missing, at least one [[board]] expected")
    if len(plans) > COUNT_MAX:
        raise fields.fail("board", f"{len(plans)} boards, at most {COUNT_MAX} expected")
    faults = [_read_fault(entry, plans) for entry in fields.tables("fault")]
    fields.done()
    return Scenario(
        seed=seed,
        duration_s=duration_s,
        clock=clock,
        boards=tuple(
            replace(plan, faults=tuple(each[plan.index] for each in faults if plan.index in each))
            for plan in plans
        ),
    )


def _has(fields: Fields, key: str) -> bool:
    """Tell whether an optional key is there; a typing error may then be told from it."""
    return fields.get(key) is not None


def device_id(seed: int, index: int) -> str:
    """Return the id of a board: twelve hex digits, a locally administered unicast address."""
    digest = bytearray(hashlib.sha256(f"motekit board {seed} {index}".encode()).digest()[:6])
    digest[0] = digest[0] & 0xFC | 0x02
    return digest.hex()


# Boards


def _plans(entry: Fields, first: int, seed: int, base: Path) -> list[BoardPlan]:
    count = entry.integer("count", 1, COUNT_MAX) if _has(entry, "count") else 1
    if _has(entry, "recording"):
        return [_recorded(entry, count, first, base)]
    board = _board(entry)
    name = entry.text("name") if _has(entry, "name") else None
    ticks_ms = entry.integer("ticks_ms", 0, _TICKS_MAX_MS) if _has(entry, "ticks_ms") else 0
    listed = entry.tables("sensor")
    sensors: list[VirtualSensor] = []
    if _has(entry, "sensor"):
        for i, sensor in enumerate(boards.read_sensors(listed, board.buses)):
            sensors.append(_virtual(sensor, listed[i], base, seed + i))
    else:
        for i, sensor in enumerate(board.sensors):
            nothing = Fields(f"{entry.where}.sensor[{i}]", {}, ScenarioError)
            sensors.append(_virtual(sensor, nothing, base, seed + i))
    for each in listed:
        each.done()
    entry.done()
    return [
        BoardPlan(
            index=first + i,
            device=device_id(seed, first + i),
            name=name if count == 1 or name is None else f"{name}-{i + 1}",
            board=board,
            sensors=tuple(sensors),
            faults=(),
            ticks_ms=ticks_ms,
        )
        for i in range(count)
    ]


def _recorded(entry: Fields, count: int, index: int, base: Path) -> BoardPlan:
    """Return a board whose buses answer as they did when they were recorded."""
    if count != 1:
        raise entry.fail("count", f"{count}: a recording is of one board")
    if _has(entry, "sensor"):
        raise entry.fail("sensor", "a recording has its own sensors")
    recorded = replay.read(entry, "recording", base)
    name = entry.text("name") if _has(entry, "name") else None
    plan = BoardPlan(index, recorded.device, name, _board(entry), (), (), 0, recorded)
    entry.done()
    return plan


def _board(entry: Fields) -> Board:
    name = entry.text("board")
    try:
        return boards.load(name)
    except MotekitError as e:
        raise entry.fail("board", str(e)) from None


def _virtual(sensor: Sensor, entry: Fields, base: Path, seed: int) -> VirtualSensor:
    info = drivers.describe(sensor.driver, dict(sensor.options))
    model = models.load(sensor.driver)
    if model is None:
        raise entry.fail(
            "driver",
            f"there is no model of {sensor.driver}; {nearest(sensor.driver, models.names())}",
        )
    options: dict[str, Any] = {each.name: each.default for each in info.options}
    options.update(sensor.options)
    rate_hz = options.get("rate_hz")
    if isinstance(rate_hz, (int, float)) and model.RATES and rate_hz not in model.RATES:
        known = ", ".join(f"{rate:g}" for rate in model.RATES)
        raise entry.fail("options.rate_hz", f"{rate_hz} is no rate of {info.name}: {known}")
    address = sensor.address
    if info.bus == "i2c":
        address = sensor.address if sensor.address is not None else info.addresses[0]
    return VirtualSensor(
        sensor=sensor,
        source=sources.read(entry, info, options, base, seed),
        address=address,
        interval_us=_interval_us(sensor, options),
    )


def _interval_us(sensor: Sensor, options: dict[str, Any]) -> int:
    if rate_hz := options.get("rate_hz"):
        return round(1e6 / rate_hz)
    return round(options.get("period_s", (sensor.period_ms or 1000) / 1000) * 1e6)


# Faults


def _read_fault(entry: Fields, plans: list[BoardPlan]) -> dict[int, Fault]:
    """Return the fault of one table, for each board that it befalls."""
    kind = entry.text("kind", FAULTS)
    if kind in _MOMENTS and not _has(entry, "at_s"):
        raise entry.fail("at_s", f"missing: {kind} happens at a moment")
    at_s = entry.number("at_s", 0.0, _YEAR_S) if _has(entry, "at_s") else 0.0
    for_s = entry.number("for_s", 0.0, _YEAR_S) if _has(entry, "for_s") else None
    rate = 0.001
    if _has(entry, "rate"):
        if kind != "link_corrupt":
            raise entry.fail("rate", "only link_corrupt has one: errors per byte")
        rate = entry.number("rate", 0.0, 1.0)
    indices = _indices(entry, len(plans))
    wanted = _wanted(entry, kind, [plans[i] for i in indices])
    entry.done()
    return {
        i: Fault(kind, at_s, for_s, rate, _targets(entry, kind, wanted, plans[i])) for i in indices
    }


def _wanted(entry: Fields, kind: str, plans: list[BoardPlan]) -> str | None:
    """Return the name of the one sensor that is meant, None where the key is absent."""
    if not _has(entry, "sensor"):
        return None
    if kind in _BOARD_ONLY:
        raise entry.fail("sensor", f"{kind} befalls a board, not a sensor")
    wanted = entry.get("sensor")
    if not isinstance(wanted, str):
        names = {each.sensor.name for plan in plans for each in plan.sensors}
        raise entry.fail("sensor", f"{wanted!r} is not a sensor's name; {nearest('', names)}")
    return entry.text("sensor")


def _indices(entry: Fields, count: int) -> list[int]:
    """Return which of the expanded boards are meant: all where the key is absent."""
    if not _has(entry, "board"):
        return list(range(count))
    found = entry.get("board")
    indices = (
        entry.integers("board", *_INT64)
        if isinstance(found, list)
        else [entry.integer("board", *_INT64)]
    )
    for index in indices:
        if not 0 <= index < count:
            there = f"are {count} boards, 0 to {count - 1}" if count > 1 else "is 1 board, 0"
            raise entry.fail("board", f"{index} is no board: there {there}")
    return indices


def _fault_of_model(driver: str, kind: str) -> str | None:
    """Return what the model of a driver calls a kind of fault, None if it cannot have it."""
    can = models.load(driver).FAULTS
    return next((what for what in _CHIP_FAULTS.get(kind, ()) if what in can), None)


def faults_of(driver: str) -> list[str]:
    """Return the kinds of fault that a driver's sensor can have on a virtual board."""
    if driver not in models.NAMES:
        return []
    of_bus = _BUS_FAULTS if drivers.describe(driver).bus == "i2c" else ()
    return [*(kind for kind in _CHIP_FAULTS if _fault_of_model(driver, kind)), *of_bus]


def _targets(
    entry: Fields, kind: str, wanted: str | None, plan: BoardPlan
) -> tuple[tuple[str, str], ...]:
    if kind in _BOARD_ONLY:
        return ()
    names = [each.sensor.name for each in plan.sensors]
    if wanted is not None and wanted not in names:
        raise entry.fail(
            "sensor", f"board {plan.index} has no {wanted!r}; {nearest(wanted, names)}"
        )
    found: dict[str, str] = {}
    for each in plan.sensors:
        if wanted is not None and each.sensor.name != wanted:
            continue
        if kind in _BUS_FAULTS and drivers.describe(each.sensor.driver).bus == "i2c":
            found[each.sensor.bus] = _BUS_FAULTS[kind]
        elif what := _fault_of_model(each.sensor.driver, kind):
            found[each.sensor.name] = what
    if not found:
        which = f"sensor {wanted}" if wanted else f"no sensor ({', '.join(names) or 'none'})"
        raise entry.fail("kind", f"{which} of board {plan.index} can have {kind}")
    return tuple(found.items())

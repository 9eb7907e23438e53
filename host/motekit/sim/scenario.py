"""Scenarios: what boards there are, what their sensors see, what goes wrong and when.

    seed = 7
    duration_s = 60
    clock = "virtual"            # or "real"
    loader_speed = 1             # of blank boards' lines, as a multiple of their baud
    [[board]]                    # count, board, name, ticks_ms, flash, chip,
                                 # [[board.sensor]] (see sources.py)
    [[network]]                  # ssid, password, rssi, board, at_s, for_s (see networks.py)
    [[fault]]                    # kind, at_s, for_s, board, sensor... (see faults.py)

An error names the file, the key or the row, what stands there and what was expected.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from motekit import board as boards
from motekit import drivers
from motekit.board import Board, Sensor
from motekit.chips import CHIPS
from motekit.errors import MotekitError, ScenarioError
from motekit.fields import Fields, nearest, read_toml
from motekit.sim import faults, models, networks, replay, sources
from motekit.sim.plan import YEAR_S, BoardPlan, Fault, VirtualNetwork, VirtualSensor

CLOCKS = ("real", "virtual")
COUNT_MAX = 1000
_TICKS_MAX_MS = (1 << 30) - 1
_OF_ALL = ("seed", "duration_s", "clock", "loader_speed")
FAULTS = tuple(faults.KINDS)


@dataclass(frozen=True)
class Scenario:
    """Everything that happens, the same each time for the same seed."""

    seed: int
    duration_s: float | None
    clock: str
    boards: tuple[BoardPlan, ...]
    host_faults: tuple[Fault, ...] = ()
    loader_speed: float = 1.0  # of blank boards' serial lines, as a multiple of their baud


def load(path: Path | str) -> Scenario:
    """Return the scenario of a TOML file; raise ScenarioError for anything that is wrong in it."""
    path = Path(path)
    return parse(read_toml(path, ScenarioError), path.parent)


def parse(fields: Fields, base: Path) -> Scenario:
    """Return the scenario of a table; files in it are relative to `base`."""
    seed = fields.integer("seed", 0, (1 << 63) - 1) if _has(fields, "seed") else 0
    duration_s = fields.number("duration_s", 0.001, YEAR_S) if _has(fields, "duration_s") else None
    clock = fields.text("clock", CLOCKS) if _has(fields, "clock") else "real"
    speed = fields.number("loader_speed", 0.1, 1e4) if _has(fields, "loader_speed") else 1.0
    plans: list[BoardPlan] = []
    for entry in fields.tables("board"):
        plans += _plans(entry, len(plans), seed, base)
    if not plans:
        for key in ("network", "fault"):
            fields.get(key)
        fields.done()  # what is there instead
        raise fields.fail("board", "missing, at least one [[board]] expected")
    if len(plans) > COUNT_MAX:
        raise fields.fail("board", f"{len(plans)} boards, at most {COUNT_MAX} expected")
    if clock == "virtual" and any(plan.blank for plan in plans):
        raise fields.fail("clock", 'boards with flash = "blank" need a real one')
    plans = _among_networks(fields.tables("network"), plans)
    found = [faults.read(entry, plans) for entry in fields.tables("fault")]
    fields.done()
    return Scenario(
        seed=seed,
        duration_s=duration_s,
        clock=clock,
        loader_speed=speed,
        boards=tuple(
            replace(plan, faults=tuple(each[plan.index] for each in found if plan.index in each))
            for plan in plans
        ),
        host_faults=tuple(each[None] for each in found if None in each),
    )


def _among_networks(entries: list[Fields], plans: list[BoardPlan]) -> list[BoardPlan]:
    """Return the boards with the networks that each of them hears."""
    heard: list[list[VirtualNetwork]] = [[] for _ in plans]
    for entry in entries:
        network = networks.read(entry)
        for index in faults.indices(entry, len(plans)):
            heard[index].append(network)
        entry.done()
    return [replace(plan, networks=tuple(heard[plan.index])) for plan in plans]


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
    blank = _has(entry, "flash") and entry.text("flash", ("blank", "firmware")) == "blank"
    chip = CHIPS[entry.text("chip", CHIPS)] if _has(entry, "chip") else board.chip
    if chip != board.chip and not blank:
        raise entry.fail("chip", 'only a board with flash = "blank" can have another one')
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
    for key in entry.names():
        if key in _OF_ALL:
            raise entry.fail(key, "is of all boards: it stands above the first [[board]]")
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
            blank=blank,
            chip=chip,
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
    board = _board(entry)
    entry.done()
    return BoardPlan(
        index=index,
        device=recorded.device,
        name=name,
        board=board,
        sensors=(),
        faults=(),
        ticks_ms=0,
        blank=False,
        chip=board.chip,
        replay=recorded,
    )


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

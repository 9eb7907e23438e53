"""From what a test says to a scenario: a table, as the TOML file that it could have been."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from motekit.errors import ScenarioError
from motekit.fields import Fields
from motekit.sim import scenario as scenarios
from motekit.sim.scenario import Scenario

Table = Mapping[str, Any]
SCENARIO = "scenario.toml"  # of what is kept


@dataclass(frozen=True)
class Plan:
    """A scenario as it was written, and as it was understood; files are relative to `base`."""

    table: dict[str, Any]
    base: Path
    scenario: Scenario

    @property
    def seed(self) -> int:
        """Return what random numbers derive from."""
        return self.scenario.seed

    def simulated(self) -> str:
        """Return what of it only a virtual board can do, "" if nothing."""
        for fault in self.table.get("fault", ()):
            return f"the fault {fault['kind']!r}"
        for board in self.table["board"]:
            if board.get("ticks_ms"):
                return "a clock that begins at ticks_ms"
            for sensor in board.get("sensor", ()):
                for key in ("source", "replay"):
                    if sensor.get(key):
                        return f"a simulated {key} of {sensor['driver']}"
        return ""

    def write(self, folder: Path, ran_s: float) -> Path:
        """Write the scenario into a folder, with the recordings that it needs; return the file.

        It ends where the test did, after `ran_s`, unless it had an end of its own before.
        """
        import tomli_w

        table = {**self.table, "board": [dict(board) for board in self.table["board"]]}
        if ran_s > 0:
            end_s = self.scenario.duration_s or ran_s
            table["duration_s"] = max(round(min(ran_s, end_s), 3), 0.001)
        for board in table["board"]:
            if "sensor" in board:
                board["sensor"] = [_brought(each, self.base, folder) for each in board["sensor"]]
            if "recording" in board:
                board["recording"] = _copied(self.base / board["recording"], folder)
            if board["board"].endswith(".toml"):
                board["board"] = str(Path(board["board"]).resolve())
        path = folder / SCENARIO
        path.write_bytes(tomli_w.dumps(table).encode())
        return path


def _brought(sensor: Table, base: Path, folder: Path) -> dict[str, Any]:
    """Copy a sensor's recording into the folder; return the sensor with the copy's name."""
    if not sensor.get("replay"):
        return dict(sensor)
    name = _copied(base / sensor["replay"]["file"], folder)
    return {**sensor, "replay": {**sensor["replay"], "file": name}}


def _copied(source: Path, folder: Path) -> str:
    """Copy a file into the folder; return its name there, which no other file has."""
    data = source.read_bytes()
    target = folder / source.name
    number = 2
    while target.exists() and target.read_bytes() != data:
        target = folder / f"{source.stem}-{number}{source.suffix}"
        number += 1
    target.write_bytes(data)
    return target.name


def read(source: str | Path | Table, base: Path, seed: int, where: str = "scenario") -> Plan:
    """Return the plan of a TOML file, of TOML text (which has a line end) or of a table.

    The seed is for those that have none; ScenarioError names what is wrong in it.
    """
    if isinstance(source, str) and "\n" not in source:
        source = Path(source)
    if isinstance(source, Path):
        path = base / source
        where, base = str(path), path.parent
        try:
            source = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(f"{path}: cannot be read: {error}") from None
    if isinstance(source, str):
        try:
            source = tomllib.loads(source)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ScenarioError(f"{where}: not TOML: {error}") from None
    table = {"seed": seed, "clock": "virtual", **_bare(source)}
    parsed = scenarios.parse(Fields(where, table, ScenarioError), base)
    return Plan(table, base, parsed)


def _bare(value: Any) -> Any:
    """Return the value without the keys that hold None, and with lists for tuples."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {key: _bare(each) for key, each in items if each is not None}
    if isinstance(value, (list, tuple)):
        return [_bare(each) for each in cast("Iterable[Any]", value)]
    return value


def one_board(
    sensors: Iterable[Table] | None, faults: Iterable[Table], board: str, **others: Any
) -> dict[str, Any]:
    """Return the table of a scenario with one board."""
    entry: dict[str, Any] = {"board": board}
    for key in ("name", "ticks_ms"):
        entry[key] = others.pop(key, None)
    entry["sensor"] = None if sensors is None else list(sensors)
    return {**others, "board": [entry], "fault": list(faults) or None}

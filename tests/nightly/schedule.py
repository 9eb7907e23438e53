"""A schedule of faults from a seed: episodes in which things go wrong, with quiet between them."""

import random
from typing import Any, NamedTuple

from motekit.sim import faults

LONG = 1_000_000  # seeds beyond this are of schedules of many days, with slow sensors
_QUIET_S = (90.0, 400.0)
_LONG_QUIET_S = (3600.0, 12 * 3600.0)
_YEAR_S = 365.25 * 86400
CLIMATE = ("sht4x", "sht3x", "aht20", "cht8305", "bme280")
LINES = ("pms5003", "sds011", "zh03b", "mhz19c", "s8")


class Episode(NamedTuple):
    """Faults that overlap, in scenario time; the collector is down in `host_down`."""

    at_s: float
    end_s: float
    faults: list[dict[str, Any]]
    host_down: tuple[float, float] | None


class Schedule(NamedTuple):
    """What a seed means."""

    seed: int
    duration_s: float
    sensors: list[dict[str, Any]]
    episodes: list[Episode]

    def table(self):
        """Return the scenario as the table of its file."""
        return {
            "seed": self.seed,
            "duration_s": self.duration_s,
            "board": [{"board": "esp32-c3-devkitm-1", "sensor": self.sensors}],
            "fault": [fault for episode in self.episodes for fault in episode.faults] or None,
        }


def make(seed: int, hours: float) -> Schedule:
    """Return the schedule of a seed."""
    rng = random.Random(seed)
    slow = seed > LONG
    sensors = _slow_sensors() if slow else _sensors(rng)
    kinds = _kinds(sensors)
    duration_s = hours * 3600
    episodes: list[Episode] = []
    at_s = 60 + rng.uniform(0, 60)
    while at_s < duration_s - 300:
        episode = _episode(rng, at_s, sensors, kinds)
        if episode.end_s > duration_s - 150:
            break
        episodes.append(episode)
        at_s = episode.end_s + rng.uniform(*(_LONG_QUIET_S if slow else _QUIET_S))
    return Schedule(seed, duration_s, sensors, episodes)


def _sensors(rng):
    replay = {"file": "count.csv", "raw": True, "loop": True}
    fast = {"driver": "adxl345", "options": {"rate_hz": rng.choice((25, 50, 100))}}
    return [
        {**fast, "replay": replay},
        {"driver": rng.choice(CLIMATE)},
        {"driver": rng.choice(LINES)},
    ]


def _slow_sensors():
    return [{"driver": "sht4x", "period_s": 10}, {"driver": "aht20", "period_s": 10}]


def _kinds(sensors):
    """Return the kinds that these sensors and their board can have."""
    of_sensors = {kind for each in sensors for kind in faults.of_driver(each["driver"])}
    whole = (faults.LINE, faults.BOARD, faults.HOST)
    return sorted(
        kind for kind in faults.KINDS if faults.KINDS[kind].of in whole or kind in of_sensors
    )


def _episode(rng, at_s, sensors, kinds):
    listed: list[dict[str, Any]] = []
    end_s = at_s
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        fault = _fault(rng, rng.choice(kinds), at_s + rng.uniform(0, 20), sensors)
        listed.append(fault)
        if fault["kind"].startswith("flash_") or fault["kind"] == "wrong_id":
            moment = fault["at_s"] + rng.uniform(0, fault["for_s"])
            listed.append({"kind": "reboot", "at_s": moment})
        end_s = max(end_s, *(_end_s(each) for each in listed))
    down = None
    if rng.random() < 0.15:
        from_s = at_s + rng.uniform(0, 20)
        down = from_s, from_s + rng.uniform(1, 60)
        end_s = max(end_s, down[1])
    return Episode(at_s, end_s, listed, down)


def _end_s(fault):
    """Return when a fault is over; what only the watchdog ends has 30 s for that."""
    if fault["kind"] == "ticks_jump":
        return fault["at_s"] + 30
    return fault["at_s"] + fault.get("for_s", 0)


def _fault(rng, name, at_s, sensors):
    kind = faults.KINDS[name]
    fault = {"kind": name, "at_s": round(at_s, 3)}
    if name not in ("reboot", "ticks_jump", "brownout", "fifo_overrun"):
        longest = {"stall": 45, "flash_torn": 10, "power_cut": 30}.get(name, 120)
        fault["for_s"] = round(rng.uniform(0.1, longest), 3)
    if kind.number:
        fault[kind.number] = _NUMBERS.get(name, _NUMBERS[kind.number])(rng)
    if kind.ways:
        fault["way"] = rng.choice(kind.ways)
    if kind.of == faults.SENSOR and rng.random() < 0.7:
        can = [e["driver"] for e in sensors if name in faults.of_driver(e["driver"])]
        fault["sensor"] = rng.choice(can)
    return fault


_NUMBERS = {
    "rate": lambda rng: round(10 ** rng.uniform(-4, -1.5), 6),
    "link_duplicate": lambda rng: round(rng.uniform(0.01, 0.5), 3),
    "link_reorder": lambda rng: round(rng.uniform(0.01, 0.5), 3),
    "flash_write_error": lambda rng: round(rng.uniform(0.1, 1), 3),
    "flash_erase_error": lambda rng: round(rng.uniform(0.1, 1), 3),
    "delay_s": lambda rng: round(10 ** rng.uniform(-2, 0.4), 3),
    "i2c_stretch": lambda rng: round(10 ** rng.uniform(-4, -1), 5),
    "jump_s": lambda rng: round(rng.uniform(-20, 20) * _YEAR_S, 3),
    "ppm": lambda rng: round(rng.uniform(-2000, 2000), 1),
    "free_bytes": lambda rng: rng.randrange(2048, 16384),
    "after": lambda rng: rng.randrange(8),
}

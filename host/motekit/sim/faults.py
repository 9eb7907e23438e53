"""What can go wrong in a scenario: one table of kinds, and how a `[[fault]]` is read.

A kind befalls the serial line, the board as a whole, its sensors, their bus, its Wi-Fi networks,
the host, or a chip with a flash of its own. Beside `kind`, `at_s`, `for_s` and `board` it takes
what its row says: a number at most, and which way; one of a sensor or a network may name it. What
befalls a chip may begin with progress, `after_bytes`.
"""

from dataclasses import replace
from typing import NamedTuple

from motekit import drivers
from motekit.fields import Fields, nearest
from motekit.sim import models
from motekit.sim.loader import faults as loader
from motekit.sim.plan import YEAR_S, BoardPlan, Fault, VirtualSensor

LINE, BOARD, SENSOR, BUS, HOST, CHIP = "line", "board", "sensor", "bus", "host", "chip"
WIFI = "wifi"
WAYS = ("both", "to_board", "to_host")
_INT64 = (-(1 << 63), (1 << 63) - 1)  # what TOML has
_STALL_MAX_S = 20.0  # a board that stands still for longer wakes up by its watchdog
_NUMBERS = {  # key: the least and the most
    "rate": (0.0, 1.0),
    "delay_s": (0.0, 10.0),
    "jump_s": (-25 * YEAR_S, 25 * YEAR_S),
    "ppm": (-100_000, 100_000),
    "free_bytes": (1024, 1 << 20),
    "after": (0, 1 << 20),
}


class Kind(NamedTuple):
    """What a kind of fault befalls, and what its table may hold."""

    of: str
    number: str | None = None  # the key of its number
    usual: float | None = None  # what that is where the key is absent; None: it is needed
    ways: tuple[str, ...] = ()  # which way a fault of the line may go, the first by default
    at: bool = False  # at_s is needed
    lasts: bool | None = False  # for_s is needed; None: it takes no time
    calls: tuple[str, ...] = ()  # what models, or buses, may call it


KINDS = {
    "link_down": Kind(LINE, ways=("both",)),
    "link_half_open": Kind(LINE, ways=WAYS[1:]),
    "link_corrupt": Kind(LINE, "rate", 0.001, WAYS),
    "link_loss": Kind(LINE, "rate", 0.001, WAYS),
    "link_duplicate": Kind(LINE, "rate", 0.05, WAYS),
    "link_reorder": Kind(LINE, "rate", 0.05, WAYS),
    "link_delay": Kind(LINE, "delay_s", None, WAYS),
    "link_interrupt": Kind(LINE, "rate", 0.001, ("to_board",)),
    "reboot": Kind(BOARD, at=True, lasts=None),
    "power_cut": Kind(BOARD, at=True),
    "stall": Kind(BOARD, at=True, lasts=True),
    "ticks_jump": Kind(BOARD, "jump_s", None, at=True, lasts=None),
    "ticks_drift": Kind(BOARD, "ppm", None),
    "memory_pressure": Kind(BOARD, "free_bytes", 4096),
    "flash_write_error": Kind(BOARD, "rate", 1.0),
    "flash_erase_error": Kind(BOARD, "rate", 1.0),
    "flash_torn": Kind(BOARD, "after", 0, at=True, lasts=True),
    "i2c_nack": Kind(SENSOR, calls=("nack",)),
    "bad_checksum": Kind(SENSOR, calls=("bad_crc", "bad_sum")),
    "uart_garbage": Kind(SENSOR, calls=("garbage",)),
    "sensor_absent": Kind(SENSOR, calls=("nack", "silent")),
    "sensor_silent": Kind(SENSOR, calls=("silent",)),
    "wrong_id": Kind(SENSOR, calls=("wrong_id",)),
    "brownout": Kind(SENSOR, lasts=None, calls=("brownout",)),
    "fifo_overrun": Kind(SENSOR, at=True, lasts=None),
    "i2c_stuck": Kind(BUS, calls=("stuck",)),
    "i2c_shorted": Kind(BUS, calls=("shorted",)),
    "i2c_stretch": Kind(BUS, "delay_s", None, calls=("stretch",)),
    "onewire_shorted": Kind(BUS, calls=("shorted",)),
    "uart_overflow": Kind(BUS, calls=("overflow",)),
    "wifi_down": Kind(WIFI),
    "wifi_refused": Kind(WIFI),
    "wifi_error": Kind(WIFI),
    "host_clock_jump": Kind(HOST, "jump_s", None, at=True),
    loader.DEAD: Kind(CHIP),
    loader.BAUD_FAILS: Kind(CHIP),
    loader.BYTES_LOST: Kind(CHIP, "rate", 0.001),
    loader.MD5_WRONG: Kind(CHIP),
    loader.PROTECTED: Kind(CHIP),
    loader.PULLED: Kind(CHIP, at=True),
    loader.BROWNOUT: Kind(CHIP, at=True),
}


def read(entry: Fields, plans: list[BoardPlan]) -> dict[int | None, Fault]:
    """Return the fault of one table for each board that it befalls; None stands for the host."""
    name = entry.text("kind", KINDS)
    kind = KINDS[name]
    after_bytes = _after_bytes(entry, name, kind)
    at_s = _time(entry, "at_s", name, needed=kind.at and after_bytes is None) or 0.0
    for_s = _time(entry, "for_s", name, needed=kind.lasts is True)
    if for_s is not None and kind.lasts is None:
        raise entry.fail("for_s", f"{name} takes no time; leave it out")
    if for_s == 0 and name != "power_cut":
        raise entry.fail("for_s", f"0 s of {name} is none; leave it out where it lasts for ever")
    value = _number(entry, name, kind)
    way = _way(entry, name, kind)
    if kind.of == HOST:
        if entry.get("board") is not None:
            raise entry.fail("board", f"{name} befalls the host, not a board")
        befallen: list[int] = []
    else:
        befallen = indices(entry, len(plans))
    wanted = _wanted(entry, name, kind, [plans[i] for i in befallen])
    if kind.of == CHIP and not all(plans[i].blank for i in befallen):
        raise entry.fail("kind", f'{name} befalls boards that begin with flash = "blank"')
    entry.done()
    fault = Fault(name, at_s, for_s, value, way, after_bytes=after_bytes)
    if kind.of == HOST:
        return {None: fault}
    return {i: _on(fault, entry, kind, wanted, plans[i]) for i in befallen}


def _time(entry: Fields, key: str, name: str, *, needed: bool) -> float | None:
    if entry.get(key) is not None:
        return entry.number(key, 0.0, YEAR_S)
    if needed:
        why = "happens at a moment" if key == "at_s" else "lasts as long as this says"
        raise entry.fail(key, f"missing: {name} {why}")
    return None


def _after_bytes(entry: Fields, name: str, kind: Kind) -> int | None:
    if entry.get("after_bytes") is None:
        return None
    if kind.of != CHIP:
        have = ", ".join(each for each in KINDS if KINDS[each].of == CHIP)
        raise entry.fail("after_bytes", f"{name} has none; only {have}")
    if entry.get("at_s") is not None:
        raise entry.fail("after_bytes", "at_s or after_bytes, not both")
    return entry.integer("after_bytes", 0, _INT64[1])


def _number(entry: Fields, name: str, kind: Kind) -> float:
    for key, (low, high) in _NUMBERS.items():
        if key == kind.number:
            if entry.get(key) is not None or kind.usual is None:
                return entry.number(key, low, high)
        elif entry.get(key) is not None:
            have = ", ".join(each for each in KINDS if KINDS[each].number == key)
            raise entry.fail(key, f"{name} has none; only {have}")
    return kind.usual or 0.0


def _way(entry: Fields, name: str, kind: Kind) -> str:
    if entry.get("way") is None:
        if len(kind.ways) == 2:
            raise entry.fail("way", f"missing: {name} is {' or '.join(kind.ways)}")
        return kind.ways[0] if kind.ways else "both"
    if not kind.ways:
        raise entry.fail("way", f"{name} goes no way: it is no fault of the line")
    return entry.text("way", kind.ways)


def _wanted(entry: Fields, name: str, kind: Kind, plans: list[BoardPlan]) -> str | None:
    """Return the name of the one sensor, or network, that is meant; None for all of them."""
    if kind.of == WIFI and entry.get("ssid") is not None:
        return entry.text("ssid")
    wanted = entry.get("sensor")
    if wanted is None:
        return None
    if kind.of not in (SENSOR, BUS):
        raise entry.fail("sensor", f"{name} befalls the {kind.of}, not a sensor")
    if not isinstance(wanted, str):
        names = {each.sensor.name for plan in plans for each in plan.sensors}
        raise entry.fail("sensor", f"{wanted!r} is not a sensor's name; {nearest('', names)}")
    return entry.text("sensor")


def indices(entry: Fields, count: int) -> list[int]:
    """Return which of the expanded boards are meant: all where the key is absent."""
    listed = entry.get("board")
    if listed is None:
        return list(range(count))
    found = (
        entry.integers("board", *_INT64)
        if isinstance(listed, list)
        else [entry.integer("board", *_INT64)]
    )
    if not found:
        raise entry.fail("board", "[] is no board; leave it out where all are meant")
    for index in found:
        if not 0 <= index < count:
            there = f"are {count} boards, 0 to {count - 1}" if count > 1 else "is 1 board, 0"
            raise entry.fail("board", f"{index} is no board: there {there}")
    return found


def of_driver(driver: str) -> list[str]:
    """Return the kinds of fault that a driver's sensor can have on a virtual board."""
    if driver not in models.NAMES:
        return []
    return [kind for kind in KINDS if _called(driver, kind) or kind == _overrun(driver)]


def _kinds(driver: str) -> str:
    return ", ".join(of_driver(driver)) or "none"


def _overrun(driver: str) -> str | None:
    """Return the fault that a part with a FIFO can have."""
    info = drivers.describe(driver)
    return "fifo_overrun" if info.bus == "i2c" and info.streaming and info.fifo > 1 else None


def _called(driver: str, name: str) -> str | None:
    """Return what the model of a driver, or its bus, calls a kind; None if it cannot have it."""
    kind = KINDS[name]
    if kind.of == SENSOR:
        can = models.load(driver).FAULTS
        return next((what for what in kind.calls if what in can), None)
    if kind.of == BUS and name.startswith(drivers.describe(driver).bus + "_"):
        return kind.calls[0]
    return None


def _on(fault: Fault, entry: Fields, kind: Kind, wanted: str | None, plan: BoardPlan) -> Fault:
    """Return the fault as it befalls a board."""
    if kind.of == WIFI:
        return _among_networks(fault, entry, wanted, plan)
    if kind.of not in (SENSOR, BUS):
        return fault
    names = [each.sensor.name for each in plan.sensors]
    if wanted is not None and wanted not in names:
        raise entry.fail(
            "sensor", f"board {plan.index} has no {wanted!r}; {nearest(wanted, names)}"
        )
    sensors = [each for each in plan.sensors if wanted in (None, each.sensor.name)]
    targets: dict[str, str] = {}
    value = fault.value
    for each in sensors:
        if fault.kind == _overrun(each.sensor.driver):
            value = max(value, _full_s(entry, each))
            targets[each.sensor.name] = "overrun"
        elif what := _called(each.sensor.driver, fault.kind):
            targets[each.sensor.bus if kind.of == BUS else each.sensor.name] = what
    if not targets:
        have = ", ".join(f"{each.sensor.driver}: {_kinds(each.sensor.driver)}" for each in sensors)
        raise entry.fail(
            "kind",
            f"no sensor of board {plan.index} that is meant can have {fault.kind}; "
            f"{have or 'it has no sensors'}",
        )
    return Fault(fault.kind, fault.at_s, fault.for_s, value, fault.way, tuple(targets.items()))


def _among_networks(fault: Fault, entry: Fields, wanted: str | None, plan: BoardPlan) -> Fault:
    """Return a fault of networks, whose targets are their names."""
    names = {network.ssid for network in plan.networks}
    if wanted is not None and wanted not in names:
        raise entry.fail(
            "ssid", f"board {plan.index} hears no {wanted!r}; {nearest(wanted, names)}"
        )
    if not names:
        raise entry.fail("kind", f"board {plan.index} hears no network; add a [[network]]")
    return replace(
        fault,
        targets=tuple((ssid, fault.kind) for ssid in sorted(names) if wanted in (None, ssid)),
    )


def _full_s(entry: Fields, sensor: VirtualSensor) -> float:
    """Return how long nobody must look for a part's FIFO to run over."""
    name = sensor.sensor.name
    depth = drivers.describe(sensor.sensor.driver, dict(sensor.sensor.options)).fifo
    full_s = 1.5 * depth * sensor.interval_us / 1e6 + 0.2
    if full_s > _STALL_MAX_S:
        raise entry.fail(
            "kind",
            f"the FIFO of {name} takes {full_s:.0f} s to run over at this rate, at most "
            f"{_STALL_MAX_S:g} possible: the watchdog comes first; a higher rate_hz may do",
        )
    return full_s

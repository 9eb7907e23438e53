"""Board files: chip, flash layout, buses with their pins, sensors; checked against the chip.

A board is one TOML file in boards/; its name is the file's stem. An error names file and key.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from motekit import drivers, resources
from motekit.chips import CHIPS, Chip
from motekit.errors import BoardError
from motekit.fields import Fields, nearest, read_toml

FLASH_BYTES = (0x20_0000, 0x40_0000, 0x80_0000, 0x100_0000, 0x200_0000)
SECTOR_BYTES = 0x1000  # what flash erases at once
APP_ALIGN_BYTES = 0x1_0000  # the bootloader maps apps in such pages
FIRST_OFFSET = 0x1_0000  # before it: bootloader, partition table, NVS
PARTITIONS = ("app", "app0", "app1", "log", "vfs")
LOG_SECTORS_MIN = 4
PERIOD_S = (0.01, 86_400)
BUS_PINS = {"i2c": ("sda", "scl"), "onewire": ("data",), "uart": ("tx", "rx")}
SERIAL_MAX = (1 << 48) - 1  # address of a part on a one-wire bus
HZ = (10_000, 1_000_000)
BAUD = (1_200, 921_600)
NAME_MAX = 32  # characters; what a board's own configuration takes
BUSES_MAX = 8
SENSORS_MAX = 16  # streams of a board


@dataclass(frozen=True)
class Partition:
    """A piece of flash; offset and size in bytes."""

    name: str
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.size


@dataclass(frozen=True)
class Bus:
    """One I2C controller, UART or one-wire line and its pins.

    `settings` are what else its kind has: id, and hz or baud.
    """

    name: str
    kind: str
    pins: dict[str, int]
    settings: dict[str, int]


@dataclass(frozen=True)
class Sensor:
    """One sensor on a bus; its place in the list is its stream number."""

    name: str
    driver: str
    bus: str
    address: int | None = None
    options: dict[str, object] = field(default_factory=dict[str, object])
    period_ms: int | None = None


@dataclass(frozen=True)
class Board:
    """A board that can be bought, and what hangs on it."""

    name: str
    title: str
    chip: Chip
    flash_bytes: int
    partitions: tuple[Partition, ...]
    buses: dict[str, Bus]
    sensors: tuple[Sensor, ...]


def names() -> tuple[str, ...]:
    """Return the names of all known boards."""
    return tuple(sorted(path.stem for path in resources.boards().glob("*.toml")))


def load(name: str) -> Board:
    """Return a known board by its name, or the board of a file if the name ends in .toml."""
    if name.endswith(".toml"):
        return load_file(Path(name))
    if name not in names():
        raise BoardError(f"board {name!r} is unknown; {nearest(name, names())}")
    return load_file(resources.boards() / f"{name}.toml")


def load_file(path: Path) -> Board:
    """Return the board that a file describes; raise BoardError that names the key."""
    fields = read_toml(path, BoardError)
    name = fields.text("name")
    if name != path.stem:
        raise fields.fail("name", f"{name!r} is not the file's name, {path.stem!r}")
    chip = CHIPS[fields.text("chip", CHIPS)]
    flash_bytes = fields.integer("flash_bytes", FLASH_BYTES[0], FLASH_BYTES[-1])
    if flash_bytes not in FLASH_BYTES:
        raise fields.fail("flash_bytes", f"{flash_bytes} is not 2, 4, 8, 16 or 32 MiB")
    buses = _buses(fields, chip)
    board = Board(
        name=name,
        title=fields.text("title"),
        chip=chip,
        flash_bytes=flash_bytes,
        partitions=_partitions(fields.table("flash"), flash_bytes),
        buses=buses,
        sensors=read_sensors(fields.tables("sensor"), buses),
    )
    fields.done()
    return board


def _partitions(fields: Fields, flash_bytes: int) -> tuple[Partition, ...]:
    """Return the pieces of flash in the order of their offsets."""
    found: list[Partition] = []
    for name in fields.names():
        if name not in PARTITIONS:
            raise fields.fail(name, f"unknown partition; {nearest(name, PARTITIONS)}")
        piece = fields.table(name)
        align = APP_ALIGN_BYTES if name.startswith("app") else SECTOR_BYTES
        offset = _aligned(piece, "offset", FIRST_OFFSET, flash_bytes, align)
        size = _aligned(piece, "size", SECTOR_BYTES, flash_bytes, SECTOR_BYTES)
        found.append(Partition(name, offset, size))
        piece.done()
    found.sort(key=lambda each: each.offset)
    for one, other in pairwise(found):
        if one.end > other.offset:
            raise fields.fail(
                other.name, f"begins at {other.offset:#x}, inside {one.name} (to {one.end:#x})"
            )
    if found and found[-1].end > flash_bytes:
        raise fields.fail(
            found[-1].name, f"ends at {found[-1].end:#x}, the flash at {flash_bytes:#x}"
        )
    _need_partitions(fields, {each.name: each for each in found})
    return tuple(found)


def _aligned(piece: Fields, key: str, low: int, high: int, align: int) -> int:
    value = piece.integer(key, low, high)
    if value % align:
        raise piece.fail(key, f"{value:#x} is no multiple of {align:#x}")
    return value


def _need_partitions(fields: Fields, found: dict[str, Partition]) -> None:
    """Refuse a layout that lacks a piece or has one too many."""
    apps = {"app"} if "app" in found else {"app0", "app1"}
    expected = apps | {"log", "vfs"}
    if set(found) != expected:
        raise fields.error(
            f"{fields.where}: has {', '.join(found) or 'nothing'}; "
            f"expected app, log, vfs or app0, app1, log, vfs"
        )
    if "app0" in found and found["app0"].size != found["app1"].size:
        raise fields.fail("app1", "is not as large as app0: an update must fit into both")
    if found["log"].size < LOG_SECTORS_MIN * SECTOR_BYTES:
        raise fields.fail("log.size", f"{LOG_SECTORS_MIN} sectors of {SECTOR_BYTES} at least")


def _buses(fields: Fields, chip: Chip) -> dict[str, Bus]:
    """Return the buses by name; every pin exists, is free, and serves one bus only."""
    taken = dict(chip.taken) | _taken_by_board(fields.table("taken", required=False), chip)
    used: dict[int, str] = {}
    controllers: dict[tuple[str, int], str] = {}
    buses: dict[str, Bus] = {}
    section = fields.table("bus", required=False)
    if len(section.names()) > BUSES_MAX:
        raise fields.fail("bus", f"{len(section.names())} buses, at most {BUSES_MAX} expected")
    for name in section.names():
        bus, strapping = _bus(section.table(name), name, chip)
        number = bus.settings.get("id")
        first = name if number is None else controllers.setdefault((bus.kind, number), name)
        if first != name:
            raise section.fail(f"{name}.id", f"{bus.kind} {number} is {first}'s already")
        for role, pin in bus.pins.items():
            where = f"{name}.{role}"
            why = _why_not(pin, role, chip, taken, strapping=strapping)
            if pin in used:
                why = f"serves {used[pin]} already"
            if why:
                raise section.fail(where, f"GPIO{pin} of {chip.name} {why}")
            used[pin] = where
        buses[name] = bus
    return buses


def _taken_by_board(fields: Fields, chip: Chip) -> dict[str, frozenset[int]]:
    return {why: frozenset(fields.integers(why, 0, max(chip.pins))) for why in fields.names()}


def _bus(fields: Fields, name: str, chip: Chip) -> tuple[Bus, bool]:
    """Return a bus, and whether its board's circuit minds the strapping pins."""
    kind = fields.text("kind", BUS_PINS)
    settings: dict[str, int] = {}
    if kind == "i2c":
        settings = {"id": fields.integer("id", 0, chip.i2c - 1), "hz": fields.integer("hz", *HZ)}
    elif kind == "uart":  # UART0 carries the console, and with it the board's own link
        number = fields.integer("id", 1, chip.uarts - 1)
        settings = {"id": number, "baud": fields.integer("baud", *BAUD)}
    pins = {role: fields.integer(role, 0, 99) for role in BUS_PINS[kind]}
    strapping = fields.flag("strapping")
    fields.done()
    return Bus(name, kind, pins, settings), strapping


def _why_not(
    pin: int, role: str, chip: Chip, taken: dict[str, frozenset[int]], *, strapping: bool
) -> str:
    """Return why a pin cannot serve, "" if it can."""
    if pin not in chip.pins:
        return "does not exist"
    for what, pins in taken.items():
        if pin in pins:
            return f"belongs to: {what}"
    if role != "rx" and pin in chip.input_only:
        return f"is input only and cannot be {role}"
    if pin in chip.strapping and not strapping:
        return (
            "is read at reset to choose how to boot; if the circuit minds that, "
            "say strapping = true in this bus"
        )
    return ""


def read_sensors(entries: list[Fields], buses: dict[str, Bus]) -> tuple[Sensor, ...]:
    """Return the sensors of a board file or of a scenario; errors are of the entries' own kind."""
    if len(entries) > SENSORS_MAX:
        raise entries[0].error(
            f"{entries[SENSORS_MAX].where}: {len(entries)} sensors, at most {SENSORS_MAX} expected"
        )
    found: list[Sensor] = []
    places: dict[tuple[str, int | None], str] = {}
    for entry in entries:
        sensor = _sensor(entry, buses, {each.name for each in found})
        info = drivers.describe(sensor.driver)
        address = sensor.address
        if info.bus == "i2c":
            address = sensor.address if sensor.address is not None else info.addresses[0]
        first = places.setdefault((sensor.bus, address), sensor.name)
        if first != sensor.name:
            at = "" if address is None else f" at {address:#x}"
            raise entry.fail("bus", f"{sensor.bus}{at} is taken by {first}")
        found.append(sensor)
    _check_wires(entries, found, buses)
    return tuple(found)


def _check_wires(entries: list[Fields], found: list[Sensor], buses: dict[str, Bus]) -> None:
    """Refuse a part without an address on a one-wire bus that others share."""
    for entry, sensor in zip(entries, found, strict=True):
        shared = [each for each in found if each.bus == sensor.bus]
        if buses[sensor.bus].kind == "onewire" and len(shared) > 1 and sensor.address is None:
            raise entry.fail(
                "address", f"missing, {len(shared)} parts share {sensor.bus}; each needs its own"
            )


def _sensor(entry: Fields, buses: dict[str, Bus], names_before: set[str]) -> Sensor:
    driver = entry.text("driver", drivers.names())
    info = drivers.describe(driver)
    name = entry.text("name") if "name" in entry else _free_name(driver, names_before)
    if name in names_before:
        raise entry.fail("name", f"{name!r} names another sensor already")
    if len(name) > NAME_MAX:
        raise entry.fail("name", f"{len(name)} characters, at most {NAME_MAX} expected")
    options = entry.free("options")
    if why := drivers.check_options(driver, options):
        raise entry.fail("options", f"{driver}: {why}")
    return Sensor(
        name=name,
        driver=driver,
        bus=_sensor_bus(entry, info, buses),
        address=_address(entry, info),
        options=options,
        period_ms=_period_ms(entry, info),
    )


def _free_name(driver: str, names_before: set[str]) -> str:
    name, number = driver, 1
    while name in names_before:
        number += 1
        name = f"{driver}-{number}"
    return name


def _sensor_bus(entry: Fields, info: drivers.DriverInfo, buses: dict[str, Bus]) -> str:
    """Return the bus that is named, or the first of the driver's kind."""
    fitting = [bus.name for bus in buses.values() if bus.kind == info.bus]
    if "bus" not in entry:
        if not fitting:
            raise entry.fail("bus", f"{info.name} needs {info.bus}, the board has none")
        return fitting[0]
    name = entry.text("bus", buses)
    if name not in fitting:
        raise entry.fail("bus", f"{name} is {buses[name].kind}, {info.name} needs {info.bus}")
    return name


def _address(entry: Fields, info: drivers.DriverInfo) -> int | None:
    if "address" not in entry:
        return None
    if info.bus == "onewire":
        return entry.integer("address", 1, SERIAL_MAX)
    address = entry.integer("address", 0, 0x7F)
    if address not in info.addresses:
        known = ", ".join(hex(each) for each in info.addresses) or "none: it is no I2C part"
        raise entry.fail("address", f"{address:#x} is not {info.name}'s; it can have {known}")
    return address


def _period_ms(entry: Fields, info: drivers.DriverInfo) -> int | None:
    if "period_s" not in entry:
        return None
    if info.streaming:
        settings = ", ".join(f"options.{each.name}" for each in info.options)
        raise entry.fail("period_s", f"{info.name} keeps its own pace; there is: {settings}")
    return round(entry.number("period_s", *PERIOD_S) * 1000)

"""The board's configuration: what buses it has, what sensors are on them, how packets are made.

    {"board": "esp32-c3-devkitm-1", "name": "roof", "site": "north",
     "broker": "mqtts://broker.example:8883",
     "buses": {"i2c0": {"kind": "i2c", "id": 0, "sda": 5, "scl": 6, "hz": 400000},
               "uart1": {"kind": "uart", "id": 1, "tx": 21, "rx": 20, "baud": 9600},
               "wire0": {"kind": "onewire", "data": 4}},
     "sensors": [{"name": "adxl345", "driver": "adxl345", "bus": "i2c0", "address": 83,
                  "options": {"rate_hz": 200}, "period_ms": 1000, "latency_ms": 5000}],
     "packet": {"samples": 256, "latency_ms": 5000}}

The place of a sensor in the list is its stream's number. An error names the key, what it got and
what was expected; nothing is taken from a configuration that has one.
"""

from . import overlay
from .compat import const
from .errors import ConfigError

SENSORS_MAX = const(16)

# Rows of key, type, and the least and the most of its value, or of its length. As texts the tables
# take a third of the room.
_TOP = const(
    "board str 1 32, name str 1 32, site str 1 32, "
    "broker str 1 128, "  # a URL without a password: this is told to whoever asks
    "buses dict 0 8, sensors list 0 16, packet dict 0 16"
)
_KINDS = const("i2c onewire uart")
_BUSES = (
    "kind str 1 32, id int 0 7, sda int 0 48, scl int 0 48, hz int 10000 1000000",
    "kind str 1 32, data int 0 48",
    "kind str 1 32, id int 0 7, tx int 0 48, rx int 0 48, baud int 1200 921600",
)
_SENSOR = const(
    "name str 1 32, driver str 1 32, bus str 1 32, "
    "address int 8 281474976710655, "  # on a one-wire bus: 48 bits
    "options dict 0 16, period_ms int 10 86400000, latency_ms int 0 86400000"
)
_PACKET = const("samples int 1 512, latency_ms int 0 86400000")
_DEFAULT_PACKET = {"samples": 256, "latency_ms": 5000}


def begin(root, driver):
    """Return the configuration to boot with; see `stored.begin`."""
    return check(overlay.call("stored", "begin", root), driver)


def load(root, driver):
    """Return the configuration of the board, a bare one if there is no file; see `check`."""
    return check(overlay.call("stored", "load", root), driver)


def save(path, config, driver):
    """Check a configuration and write it to a file, in place of what was there, whole."""
    overlay.call("stored", "save", path, check(config, driver))


def check(config, driver):
    """Return the configuration with defaults filled in; ConfigError if anything is amiss.

    `driver` returns the class of a driver's name, or raises ConfigError; without one (None) what
    depends on drivers is left to `fit`, for which there is room when this is let go of.
    """
    config = _keys("config", config, _TOP, ("board",))
    buses = config.setdefault("buses", {})
    for name in buses:
        where = "buses." + name
        kind = buses[name].get("kind") if isinstance(buses[name], dict) else None
        kinds = _KINDS.split()
        if kind not in kinds:
            raise ConfigError(f"{where}.kind: {kind!r} is not i2c, onewire or uart")
        table = _BUSES[kinds.index(kind)]
        _keys(where, buses[name], table, _names(table))
    packet = dict(_DEFAULT_PACKET)
    packet.update(_keys("packet", config.get("packet", {}), _PACKET, ()))
    config["packet"] = packet
    names = []
    for i, sensor in enumerate(config.setdefault("sensors", [])):
        where = f"sensors[{i}]"
        _keys(where, sensor, _SENSOR, ("driver", "bus"))
        if sensor["bus"] not in buses:
            known = ", ".join(sorted(buses)) or "none"
            raise ConfigError(f"{where}.bus: {sensor['bus']} is not among the buses: {known}")
        names.append(_name(where, sensor, names))
    if driver:
        overlay.call("fit", "fit", config, driver)
    return config


def checked(board, config):
    """Return a configuration that was read as it is in force; see `stored.get`."""
    return check(config, None)


def put(board, change):
    """Check what all of a configuration has; what its drivers have is next. See `configure`."""
    check(change["config"], None)
    return "fit", "put", change


def _names(table):
    return [row.split()[0] for row in table.split(", ")]


def _keys(where, values, table, required):
    """Return the values if each key is known, each required one there, each in its range."""
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: {values!r} is not an object")
    for key in required:
        if key not in values:
            raise ConfigError(f"{where}: {key} is missing")
    for key in values:
        names = _names(table)
        if key not in names:
            raise ConfigError(f"{where}: unknown key {key}, known are: {', '.join(sorted(names))}")
        _, kind, low, high = table.split(", ")[names.index(key)].split()
        value = values[key]
        if type(value).__name__ != kind:
            raise ConfigError(f"{where}.{key}: {value!r} is not of type {kind}")
        size = value if kind == "int" else len(value)
        if not int(low) <= size <= int(high):
            what = {"int": "", "str": " characters"}.get(kind, " entries")
            raise ConfigError(f"{where}.{key}: {size}{what}, {low} to {high} expected")
    return values


def _name(where, sensor, taken):
    """Return the sensor's name, filled in from its driver's if it has none."""
    if "name" not in sensor:
        name = sensor["driver"]
        i = 1
        while name in taken:
            i += 1
            name = f"{sensor['driver']}-{i}"
        sensor["name"] = name
    if sensor["name"] in taken:
        raise ConfigError(f"{where}.name: {sensor['name']} is taken by another sensor")
    return sensor["name"]

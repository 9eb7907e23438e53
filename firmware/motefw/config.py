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

import os

from .compat import const
from .errors import ConfigError
from .files import CONFIG_FILE, CONFIG_NEXT, CONFIG_TRIAL, read_json, write_json
from .options import check_options

SENSORS_MAX = const(16)
_BUSES_MAX = const(8)
_DAY_MS = const(86_400_000)
_TEXT = const(32)  # characters at most
_SENSORS = "sensors[{}]"

_TOP = {
    "board": (str, 1, _TEXT),
    "name": (str, 1, _TEXT),
    "site": (str, 1, _TEXT),
    "broker": (str, 1, 128),  # a URL without a password: this is told to whoever asks
    "buses": (dict, 0, _BUSES_MAX),
    "sensors": (list, 0, SENSORS_MAX),
    "packet": (dict, 0, 2),
}
_I2C = {
    "kind": (str, 1, _TEXT),
    "id": (int, 0, 7),
    "sda": (int, 0, 48),
    "scl": (int, 0, 48),
    "hz": (int, 10_000, 1_000_000),
}
_UART = {
    "kind": (str, 1, _TEXT),
    "id": (int, 0, 7),
    "tx": (int, 0, 48),
    "rx": (int, 0, 48),
    "baud": (int, 1_200, 921_600),
}
_ONEWIRE = {"kind": (str, 1, _TEXT), "data": (int, 0, 48)}
_KINDS = {"i2c": _I2C, "onewire": _ONEWIRE, "uart": _UART}
_SENSOR = {
    "name": (str, 1, _TEXT),
    "driver": (str, 1, _TEXT),
    "bus": (str, 1, _TEXT),
    "address": (int, 0x08, 0xFFFF_FFFF_FFFF),  # on a one-wire bus: 48 bits
    "options": (dict, 0, 16),
    "period_ms": (int, 10, _DAY_MS),
    "latency_ms": (int, 0, _DAY_MS),
}
_PACKET = {"samples": (int, 1, 512), "latency_ms": (int, 0, _DAY_MS)}
_DEFAULT_PACKET = {"samples": 256, "latency_ms": 5000}


def begin(root, driver):
    """Return the configuration to boot with: one that is to be tried, else the one that was kept.

    One that was tried by the boot before and that nobody has kept is let go of. Each step is one
    change of one name, so a power cut leaves a board that boots with one of the two.
    """
    try:
        os.remove(root + CONFIG_TRIAL)
    except OSError:
        pass  # there is none
    try:
        os.rename(root + CONFIG_NEXT, root + CONFIG_TRIAL)
    except OSError:
        pass
    return load(root, driver)


def load(root, driver):
    """Return the configuration of the board, a bare one if there is no file; see `check`."""
    config = read_json(root + CONFIG_TRIAL)
    if config is None:
        config = read_json(root + CONFIG_FILE)
    if config is None:
        config = {"board": "unknown"}
    return check(config, driver)


def save(path, config, driver):
    """Check a configuration and write it to a file, in place of what was there, whole."""
    write_json(path, check(config, driver))


def check(config, driver):
    """Return the configuration with defaults filled in; ConfigError if anything is amiss.

    `driver` returns the class of a driver's name, or raises ConfigError.
    """
    config = _keys("config", config, _TOP, ("board",))
    buses = config.setdefault("buses", {})
    for name in buses:
        where = "buses." + name
        kind = buses[name].get("kind") if isinstance(buses[name], dict) else None
        if type(kind) is not str or kind not in _KINDS:
            raise ConfigError(f"{where}.kind: {kind!r} is not i2c, onewire or uart")
        _keys(where, buses[name], _KINDS[kind], _KINDS[kind])
    packet = dict(_DEFAULT_PACKET)
    packet.update(_keys("packet", config.get("packet", {}), _PACKET, ()))
    config["packet"] = packet
    names = []
    for i, sensor in enumerate(config.setdefault("sensors", [])):
        where = _SENSORS.format(i)
        _sensor(where, _keys(where, sensor, _SENSOR, ("driver", "bus")), buses, driver)
        names.append(_name(where, sensor, names))
    return config


def _keys(where, values, table, required):
    """Return the values if each key is known, each required one there, each in its range."""
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: {values!r} is not an object")
    for key in required:
        if key not in values:
            raise ConfigError(f"{where}: {key} is missing")
    for key in values:
        if key not in table:
            raise ConfigError(f"{where}: unknown key {key}, known are: {', '.join(sorted(table))}")
        kind, low, high = table[key]
        value = values[key]
        if type(value) is not kind:
            raise ConfigError(f"{where}.{key}: {value!r} is not of type {kind.__name__}")
        size = value if kind is int else len(value)
        if not low <= size <= high:
            what = "" if kind is int else " characters" if kind is str else " entries"
            raise ConfigError(f"{where}.{key}: {size}{what}, {low} to {high} expected")
    return values


def _sensor(where, sensor, buses, driver):
    if sensor["bus"] not in buses:
        known = ", ".join(sorted(buses)) or "none"
        raise ConfigError(f"{where}.bus: {sensor['bus']} is not among the buses: {known}")
    try:
        cls = driver(sensor["driver"])
        kind = buses[sensor["bus"]]["kind"]
        if kind != cls.BUS:
            raise ConfigError(f"bus: {sensor['bus']} is {kind}, the part needs {cls.BUS}")
        fixed = cls.BUS != "onewire"
        if fixed and "address" in sensor and sensor["address"] not in cls.ADDRESSES:
            raise ConfigError(f"address: {sensor['address']} is not one of {cls.ADDRESSES}")
        check_options(cls, sensor.get("options", {}))
    except ConfigError as error:
        raise ConfigError(f"{where}.{error}") from None


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

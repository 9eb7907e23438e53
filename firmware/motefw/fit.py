"""Whether what a configuration says of its sensors is what their drivers can do.

It is checked after all the rest (see `config`), one driver after the other: each is loaded for it.
"""

from . import drivers
from .errors import ConfigError
from .options import check_options


def put(board, change):
    """Check it of a configuration that is to be saved. See `configure`."""
    try:
        fit(change["config"], drivers.load)
    except MemoryError:
        pass  # the boot that is to try it finds out, and this one must be able to get rid of any
    return "configure", "commit", change


def _always():
    pass


def fit(config, driver, spare=_always):
    """Raise ConfigError for a sensor whose driver has not its bus, its address or its options.

    Return how many were looked at, until `spare` raised MemoryError: the names in a driver stay.
    """
    for i, sensor in enumerate(config["sensors"]):
        try:
            spare()
        except MemoryError:
            return i
        try:
            _sensor(sensor, config["buses"][sensor["bus"]]["kind"], driver(sensor["driver"]))
        except ConfigError as error:
            raise ConfigError(f"sensors[{i}].{error}") from None
    return len(config["sensors"])


def _sensor(sensor, kind, cls):
    if kind != cls.BUS:
        raise ConfigError(f"bus: {sensor['bus']} is {kind}, the part needs {cls.BUS}")
    fixed = cls.BUS != "onewire"
    if fixed and "address" in sensor and sensor["address"] not in cls.ADDRESSES:
        raise ConfigError(f"address: {sensor['address']} is not one of {cls.ADDRESSES}")
    check_options(cls, sensor.get("options", {}))

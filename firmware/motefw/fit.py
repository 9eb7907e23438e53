"""Whether what a configuration says of its sensors is what their drivers can do.

It is checked after all the rest (see `config`), one driver after the other: each is loaded for it.
"""

from . import drivers
from .errors import ConfigError
from .options import check_options


def put(board, change):
    """Check it of a configuration that is to be saved. See `configure`."""
    fit(change["config"], drivers.load)
    return "configure", "commit", change


def fit(config, driver):
    """Raise ConfigError for a sensor whose driver has not its bus, its address or its options."""
    for i, sensor in enumerate(config["sensors"]):
        try:
            _sensor(sensor, config["buses"][sensor["bus"]]["kind"], driver(sensor["driver"]))
        except ConfigError as error:
            raise ConfigError(f"sensors[{i}].{error}") from None


def _sensor(sensor, kind, cls):
    if kind != cls.BUS:
        raise ConfigError(f"bus: {sensor['bus']} is {kind}, the part needs {cls.BUS}")
    fixed = cls.BUS != "onewire"
    if fixed and "address" in sensor and sensor["address"] not in cls.ADDRESSES:
        raise ConfigError(f"address: {sensor['address']} is not one of {cls.ADDRESSES}")
    check_options(cls, sensor.get("options", {}))

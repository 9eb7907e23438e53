"""The drivers: one module per chip, loaded only when a configuration names it.

A new one is a module here and a row of `DRIVERS`. Its docstring has a title and the lines
`Maker:`, `Bus:`, `Source:`, `Rates:` and, where something is, `Unverified:`; its class says the
rest. Its model goes to the host's sim/rom/chips; the contract test finds both by itself.
"""

from motefw.errors import ConfigError

DRIVERS = {
    "adxl345": ("adxl345", "ADXL345"),
    "pms5003": ("pms5003", "PMS5003"),
    "sht4x": ("sht4x", "SHT4x"),
}  # name in a configuration: (module, class)


def load(name):
    """Return the driver class of a name; ConfigError for an unknown one."""
    if name not in DRIVERS:
        raise ConfigError("driver: {} is not one of {}".format(name, ", ".join(sorted(DRIVERS))))
    module, cls = DRIVERS[name]
    return getattr(__import__(__name__ + "." + module, None, None, (cls,)), cls)

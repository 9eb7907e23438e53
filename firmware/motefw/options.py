"""Options of drivers: checked and completed from a driver's table, for it to be configured."""

from .errors import ConfigError, one_of


def check_options(driver, options):
    """Return all options of a driver (class or object), defaults filled in.

    Raises ConfigError for an unknown option or a value that the part cannot do.
    """
    complete = {}
    for name, default, allowed in driver.OPTIONS:
        value = options.get(name, default)
        if type(value) is not type(default) or value not in allowed:
            raise ConfigError(f"{name}: {value!r} is not {one_of(allowed)}")
        complete[name] = value
    for name in options:
        if name not in complete:
            known = ", ".join(sorted(complete)) or "none"
            raise ConfigError(f"{name}: unknown option, known are: {known}")
    return complete


def channels_of(driver, options):
    """Return the channels of a driver (class or object) for options, complete or not."""
    return driver.channels(check_options(driver, options))

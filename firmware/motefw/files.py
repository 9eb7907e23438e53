"""Small JSON files of the board, replaced whole or not at all."""

import json
import os

from .compat import const
from .errors import ConfigError

TRIAL_FILE = "trial.json"  # see `trial`
RECORD_FILE = "record.json"  # {"for_s"}: the next boot is to be recorded
CONFIG_FILE = "config.json"  # the configuration that was kept
CONFIG_NEXT = "config.next"  # to be tried by the next boot
CONFIG_TRIAL = "config.trial"  # tried by this one
WIFI_FILE = "wifi.json"  # see `networks`
MAX_BYTES = const(8192)
_ENOENT = const(2)


def read_json(path):
    """Return what the file holds, None if there is no such file; ConfigError if it is no JSON."""
    try:
        if os.stat(path)[6] <= MAX_BYTES:
            with open(path) as file:
                value = json.load(file)
            if value is not None:
                return value
    except OSError as error:
        if error.errno == _ENOENT:
            return None
        raise
    except ValueError:
        pass
    raise ConfigError(f"{path}: no JSON of at most {MAX_BYTES} bytes")


def write_json(path, value):
    """Write the file beside its place, then rename it: a power cut leaves the old or the new one.

    littlefs commits a file when it is closed and renames atomically.
    """
    beside = path + ".new"
    with open(beside, "w") as file:
        json.dump(value, file)
    os.rename(beside, path)


def remove(path):
    """Remove a file that need not be there."""
    try:
        os.remove(path)
    except OSError as error:
        if error.errno != _ENOENT:
            raise

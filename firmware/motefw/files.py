"""Small JSON files of the board, replaced whole or not at all."""

import json
import os

from .compat import const
from .errors import ConfigError

TRIAL_FILE = "trial.json"  # see `trial`
RECORD_FILE = "record.json"  # {"for_s"}: the next boot is to be recorded
_ENOENT = const(2)
_MAX_BYTES = const(8192)


def read_json(path):
    """Return what the file holds, None if there is no such file; ConfigError if it is no JSON."""
    try:
        if os.stat(path)[6] <= _MAX_BYTES:
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
    raise ConfigError(f"{path}: no JSON of at most {_MAX_BYTES} bytes")


def write_json(path, value):
    """Write the file beside its place, then rename it: a power cut leaves the old or the new one.

    littlefs commits a file when it is closed and renames atomically.
    """
    beside = path + ".new"
    with open(beside, "w") as file:
        json.dump(value, file)
    os.rename(beside, path)

"""Who the board is: device id, keys, and the epoch that makes its sequence numbers unique."""

import binascii

from . import keys
from .errors import ConfigError
from .files import read_json, write_json

EPOCH_FILE = "epoch.json"
KEYS_FILE = "keys.json"
_EPOCH_MAX = (1 << 32) - 1


def _generation(key_file):
    value = key_file.get("generation") if isinstance(key_file, dict) else None
    if not isinstance(value, int) or not 0 < value <= keys.GENERATION_MAX:
        raise ConfigError(f"{KEYS_FILE}: generation {value!r}, 1 to 255 expected")
    return value


def _key(key_file, purpose):
    if key_file is None:
        return bytes(keys.KEY_BYTES)
    try:
        key = binascii.unhexlify(key_file.get(purpose))
    except (TypeError, ValueError):
        key = b""
    if len(key) != keys.KEY_BYTES:
        raise ConfigError(f"{KEYS_FILE}: {purpose} is no key of {keys.KEY_BYTES} bytes in hex")
    return key


def load(unique_id, root):
    """Return the board's identity from its key file; without one, generation 0.

    A key file that is damaged is an error: a board that was given keys must not fall back to none.
    """
    return make(unique_id, read_json(root + KEYS_FILE))


def make(unique_id, key_file):
    """Return the identity of an id of six bytes under what a key file holds (None: no file)."""
    device = binascii.hexlify(unique_id)
    generation = 0 if key_file is None else _generation(key_file)
    taggers = [keys.Tagger(_key(key_file, p.decode()), device) for p in keys.PURPOSES]
    return keys.Identity(device, generation, *taggers)


def next_epoch(root, random):
    """Begin an epoch; return (epoch, the one before or None, the last seq of that or None).

    The number is on the flash before anything is sent under it. Without a file that can be read
    and counted on, it is a random one with the top bit set, which no counter has reached.
    """
    path = root + EPOCH_FILE
    try:
        before = read_json(path)
    except (ConfigError, OSError):
        before = None
    previous = _whole(before, "epoch")
    seq = _whole(before, "last_seq")
    if previous is None or previous >= _EPOCH_MAX:
        epoch = int.from_bytes(random(4), "big") | 1 << 31
    else:
        epoch = previous + 1
    try:
        write_json(path, {"epoch": epoch})
    except OSError:
        # A flash that cannot be written must not make two boots share an epoch.
        epoch = int.from_bytes(random(4), "big") | 1 << 31
    return epoch, previous, seq if previous is not None else None


def end_epoch(root, epoch, last_seq):
    """Note the last seq that was given out, so that the next epoch can tell what was lost."""
    write_json(root + EPOCH_FILE, {"epoch": epoch, "last_seq": last_seq})


def _whole(values, name):
    value = values.get(name) if isinstance(values, dict) else None
    return value if isinstance(value, int) and 0 <= value <= _EPOCH_MAX else None

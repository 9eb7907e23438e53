"""A board's own small files: whether they can be believed, and what can be had of them again.

A file that is damaged is worse than none: a firmware whose keys are damaged does not run, so that
nobody can take a board's keys from it by breaking them.
"""

import copy
import importlib
import json
from collections.abc import Collection, Mapping
from typing import Any, cast

from motefw.errors import ConfigError, MoteError
from motefw.keys import DATA
from motekit.errors import MotekitError
from motekit.keys import KeyStore, KeyStoreError
from motekit.plain import plain

# The board's own modules: what it would take is asked of what it would ask.
_config: Any = importlib.import_module("motefw.config")
_drivers: Any = importlib.import_module("motefw.drivers")
_networks: Any = importlib.import_module("motefw.networks")
_identity: Any = importlib.import_module("motefw.identity")

CONFIG, KEYS = "/config.json", "/keys.json"
WIFI, PROVISION, EPOCH = "/wifi.json", "/provision.json", "/epoch.json"
NAMES = (CONFIG, KEYS, WIFI, PROVISION, EPOCH)
MAX_BYTES = 8192  # what the firmware reads
DRIVERS = "/lib/motefw/drivers/"
_SAID_CHARS = 64


class DamagedError(MotekitError):
    """A file of a board that its firmware would not take."""


def faults(read: Mapping[str, bytes], device: str, names: Collection[str] = ()) -> dict[str, str]:
    """Return what is wrong with each of a board's files; `names` are all files that it has."""
    found: dict[str, str] = {}
    for name, data in read.items():
        try:
            check(name, data, device, names)
        except (DamagedError, ConfigError) as e:
            found[name] = str(e)
    return found


def check(name: str, data: bytes, device: str, names: Collection[str] = ()) -> dict[str, Any]:
    """Return the object in a file; DamagedError or ConfigError for what cannot be believed."""
    fields = _object(name, data)
    if name == CONFIG:
        _check_config(fields, names)
    elif name == KEYS:
        _identity.make(bytes.fromhex(device), fields)
    elif name == WIFI:
        _networks.check(fields.get("networks"), ())
        _networks.check(fields.get("former", []), ())
    elif name == EPOCH and not _is_count(fields.get("epoch")):
        raise DamagedError(f"{name}: epoch {fields.get('epoch')!r}, a number expected")
    return fields


def _object(name: str, data: bytes) -> dict[str, Any]:
    try:
        found: Any = json.loads(data) if len(data) <= MAX_BYTES else None
        json.dumps(found, ensure_ascii=False).encode()  # half a character is no text
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise DamagedError(f"{name}: no JSON object of at most {MAX_BYTES} bytes")
    return cast("dict[str, Any]", found)


def _check_config(fields: dict[str, Any], names: Collection[str]) -> None:
    """Check as the board does, but for sensors whose drivers it has and this host has not."""
    fields = copy.deepcopy(fields)
    sensors = fields.get("sensors")
    if isinstance(sensors, list):
        rows = cast("list[Any]", sensors)
        fields["sensors"] = [row for row in rows if not _is_own(row, names)]
    _config.check(fields, _drivers.load)


def _is_own(row: Any, names: Collection[str]) -> bool:
    if not isinstance(row, dict):
        return False
    driver = cast("dict[str, Any]", row).get("driver")
    try:
        _drivers.load(driver)
    except (MoteError, TypeError, AttributeError):
        return f"{DRIVERS}{driver}.mpy" in names or f"{DRIVERS}{driver}.py" in names
    return False


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= 0xFFFF_FFFF


def elsewhere(read: Mapping[str, bytes], device: str, key_store: KeyStore) -> str:
    """Return whose keys a board has, "" if it has none, or the host's own.

    Its mark names its unit, and the key store of its fleet by a fingerprint.
    """
    held = _believed(KEYS, read, device)
    generation = held.get("generation")
    if not isinstance(generation, int) or _is_own_key(held, device, generation, key_store):
        return ""
    mark = _believed(PROVISION, read, device)
    unit, fleet = (plain(str(mark.get(name) or ""))[:_SAID_CHARS] for name in ("unit", "keys"))
    whose = f" of key store {fleet}" if fleet else ""
    return f"keys of generation {generation}{whose}" + (f", as {unit}" if unit else "")


def _believed(name: str, read: Mapping[str, bytes], device: str) -> dict[str, Any]:
    """Return the object in a file, empty if there is none that can be believed."""
    try:
        return check(name, read[name], device)
    except (KeyError, ValueError, DamagedError, ConfigError):
        return {}


def _is_own_key(held: object, device: str, generation: int, key_store: KeyStore) -> bool:
    """Tell whether keys are those that this host has, as far as it has any of that device."""
    try:
        return held == key_store.key_file(device, generation)
    except KeyStoreError:  # a collector's copy has not all of them; who has none knows no board
        return key_store.tagger(DATA, device, generation) is not None


def board_name(read: Mapping[str, bytes]) -> str:
    """Return the board that a configuration names, "" if none can be read."""
    try:
        name = _object(CONFIG, read[CONFIG]).get("board")
    except (KeyError, DamagedError):
        return ""
    return name if isinstance(name, str) else ""


def own_drivers(read: Mapping[str, bytes], names: Collection[str]) -> list[str]:
    """Return the files of drivers that a configuration uses and that are none of motekit's."""
    try:
        sensors = _object(CONFIG, read[CONFIG]).get("sensors")
    except (KeyError, DamagedError):
        return []
    rows = cast("list[Any]", sensors) if isinstance(sensors, list) else []
    used = {cast("dict[str, Any]", row).get("driver") for row in rows if _is_own(row, names)}
    return [n for n in names if n.startswith(DRIVERS) and n[len(DRIVERS) :].split(".")[0] in used]

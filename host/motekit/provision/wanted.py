"""What a board shall hold: its files, and the mark that tells one role from another.

Files hold secrets; the mark holds none: passwords count in it as tags under the device's own key.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from motefw import keys
from motekit import wifi
from motekit.keys import KeyStore, KeyStoreError
from motekit.plan import Role
from motekit.provision.records import now

CONFIG, KEYS, WIFI = "config.json", "keys.json", "wifi.json"
FILES = (WIFI, CONFIG, KEYS)


@dataclass(frozen=True)
class Wanted:
    """A role on a device: `plan` is the hash of all of it, `files` are by their names.

    `networks` are as the board tells them: with marks in the place of passwords.
    """

    role: Role
    device: str
    generation: int
    plan: str
    networks: tuple[wifi.Known, ...]
    files: Mapping[str, bytes] = field(repr=False)
    keys: str = ""  # the fingerprint of the fleet's key

    def mark(self) -> dict[str, str]:
        """Return what the board keeps of this, beside the files."""
        return {"plan": self.plan, "unit": self.role.name, "keys": self.keys, "at": now()}


def make(role: Role, device: str, key_store: KeyStore, generation: int) -> Wanted:
    """Return what a device shall hold; KeyStoreError without the fleet's own key store."""
    files = {CONFIG: _json(role.config()), KEYS: _json(key_store.key_file(device, generation))}
    tagger = key_store.tagger(keys.COMMAND, device, generation)
    if tagger is None:
        raise KeyStoreError("the key store has no command keys: the fleet's own one is needed")
    if role.networks:
        networks = [{"ssid": each.ssid, "password": each.password} for each in role.networks]
        files[WIFI] = _json({"networks": networks})
    marks = tuple(wifi.Known(each.ssid, wifi.mark(tagger, each)) for each in role.networks)
    whole = {
        "config": role.config(),
        "generation": generation,
        "keys": key_store.fingerprint,
        "wifi": [list(vars(each).values()) for each in marks],
    }
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
    return Wanted(role, device, generation, digest, marks, files, key_store.fingerprint)


def same(one: object, other: object) -> bool:
    """Tell whether two JSON values mean the same; a board's numbers have seven digits."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        a, b = cast("Mapping[str, object]", one), cast("Mapping[str, object]", other)
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(one, Sequence) and not isinstance(one, str):
        a, b = cast("Sequence[object]", one), cast("Sequence[object]", other)
        if not isinstance(other, Sequence) or isinstance(other, str) or len(a) != len(b):
            return False
        return all(map(same, a, b))
    if isinstance(one, float) or isinstance(other, float):
        numbers = isinstance(one, (int, float)) and isinstance(other, (int, float))
        return numbers and math.isclose(cast("float", one), cast("float", other), rel_tol=1e-6)
    return one == other


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()

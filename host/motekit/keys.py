"""The host's key store: one file, from which every device's keys are derived.

A JSON file of mode 0600, `$MOTEKIT_KEYS` or `keys.json` in the user's configuration folder:

    {"version": 1, "root": "<64 hex digits>"}                 all purposes
    {"version": 1, "data": "<64 hex>", "ack": "<64 hex>"}     a collector's: commands no board

Without the file there are no keys: boards that were never provisioned (generation 0) are
collected, unverified. Beside it, `host.json` holds this host's random id and the counter that its
requests carry, so that a board can refuse a request that it has seen.
"""

import hashlib
import json
import os
import secrets
import tempfile
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import Any, cast

import platformdirs

from motefw import keys, keys_host

from . import disk
from .errors import MotekitError

VERSION = 1
COUNTER_MAX = 0xFFFFFFFF
TICKETS = 64
_TAG_BYTES = keys.TAG_BYTES
_HASH_BLOCK_BYTES = 64
_TAGGERS_MAX = 4096


class KeyStoreError(MotekitError):
    """A key store that is missing, malformed, or readable by others."""


def default_path() -> Path:
    """Return `$MOTEKIT_KEYS`, or the place in the user's configuration folder."""
    named = os.environ.get("MOTEKIT_KEYS")
    return Path(named) if named else platformdirs.user_config_path("motekit") / "keys.json"


class Verifier:
    """Checks the tags of one device's packets under one key, as `motefw.keys.Tagger` does.

    It has both hashes of HMAC-SHA256 (RFC 2104) begun, the inner one with the device's id, and
    goes on with copies: in half the time of `hmac.digest`, which begins anew for each packet.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes, device: bytes) -> None:
        block = key.ljust(_HASH_BLOCK_BYTES, b"\0")
        inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        inner.update(device)
        self._inner = inner.copy
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block)).copy

    def holds(self, data: bytes) -> bool:
        """Tell whether a packet ends in its tag."""
        inner = self._inner()
        inner.update(data[:-_TAG_BYTES])
        outer = self._outer()
        outer.update(inner.digest())
        return compare_digest(outer.digest()[:_TAG_BYTES], data[-_TAG_BYTES:])


class KeyStore:
    """Roots of purposes (bytes of 32); empty for a host without keys."""

    def __init__(self, roots: Mapping[bytes, bytes], root: bytes | None = None) -> None:
        self._root = root
        self._roots = dict(roots)
        self._taggers: dict[tuple[bytes, str, int], keys.Tagger] = {}  # each takes four hashes

    @classmethod
    def empty(cls) -> "KeyStore":
        """Return a store that knows generation 0 alone."""
        return cls({})

    @classmethod
    def from_root(cls, root: bytes) -> "KeyStore":
        """Return a store with all purposes of a fleet's root key."""
        return cls({p: keys_host.purpose_root(root, p) for p in keys.PURPOSES}, root)

    @classmethod
    def load(cls, path: Path | None = None) -> "KeyStore":
        """Read the store; where nothing was named and nothing is there, it is empty.

        Raises KeyStoreError for a file that is missing, open to others, or malformed.
        """
        named = path is not None or bool(os.environ.get("MOTEKIT_KEYS"))
        path = path or default_path()
        if not path.exists() and not named:
            return cls.empty()
        return cls._parse(path, _read_private(path))

    @classmethod
    def _parse(cls, path: Path, text: str) -> "KeyStore":
        try:
            document: Any = json.loads(text)
        except ValueError as e:
            raise KeyStoreError(f"{path}: key store is no JSON: {e}") from None
        if not isinstance(document, dict) or "version" not in document:
            raise KeyStoreError(f'{path}: key store is no object with a "version"')
        fields = cast("dict[str, Any]", document)
        if fields["version"] != VERSION:
            raise KeyStoreError(
                f"{path}: key store of version {fields['version']!r}, {VERSION} expected; "
                f"a newer motekit wrote it"
            )
        allowed = {"version", "root", *(p.decode() for p in keys.PURPOSES)}
        if unknown := sorted(set(fields) - allowed):
            raise KeyStoreError(f"{path}: unknown key {unknown[0]!r} in the key store")
        if "root" in fields:
            return cls.from_root(_key(path, fields, "root"))
        roots = {p: _key(path, fields, p.decode()) for p in keys.PURPOSES if p.decode() in fields}
        if keys.DATA not in roots or keys.ACK not in roots:
            raise KeyStoreError(f'{path}: key store needs "root", or "data" and "ack"')
        return cls(roots)

    def has(self, purpose: bytes) -> bool:
        """Tell whether keys of a purpose can be derived."""
        return purpose in self._roots

    def tagger(self, purpose: bytes, device: str, generation: int) -> keys.Tagger | None:
        """Return the tagger of a device's key; None if this host has no such key."""
        who = purpose, device, generation
        made = self._taggers.get(who)
        if made is None:
            key = self._key(*who)
            if key is None:
                return None
            if len(self._taggers) >= _TAGGERS_MAX:
                self._taggers.clear()
            made = self._taggers[who] = keys.Tagger(key, device.encode())
        return made

    def verifier(self, device: str, generation: int) -> Verifier | None:
        """Return what checks the tags of a device's packets; None if this host has no such key."""
        key = self._key(keys.DATA, device, generation)
        return None if key is None else Verifier(key, device.encode())

    def _key(self, purpose: bytes, device: str, generation: int) -> bytes | None:
        root = self._roots.get(purpose)
        if root is None and generation:
            return None
        return keys_host.device_key(root or b"", device.encode(), generation)

    @property
    def fingerprint(self) -> str:
        """What tells this fleet's key from another's, and nothing of it; "" without keys."""
        root = self._roots.get(keys.DATA)
        return keys_host.purpose_root(root, b"fingerprint")[:4].hex() if root else ""

    def key_file(self, device: str, generation: int) -> dict[str, object]:
        """Return what a device keeps as its /keys.json: secret; it goes over the cable alone.

        Raises KeyStoreError if this host has not got all keys.
        """
        made: dict[str, object] = {"generation": generation}
        for purpose in keys.PURPOSES:
            key = self._key(purpose, device, generation)
            if key is None:
                raise KeyStoreError(
                    f"the key store has no {purpose.decode()} keys: a collector's copy does not "
                    f"do here, the fleet's own key store does"
                )
            made[purpose.decode()] = key.hex()
        return made

    def save(self, path: Path) -> None:
        """Write the store for its owner alone; an existing one is never overwritten."""
        if self._root is not None:
            _write_private(path, {"version": VERSION, "root": self._root.hex()})
        else:
            roots = {p.decode(): root.hex() for p, root in self._roots.items()}
            _write_private(path, {"version": VERSION, **roots})

    def for_collector(self) -> "KeyStore":
        """Return a store that can verify and acknowledge, but command no board."""
        return KeyStore({p: self._roots[p] for p in (keys.DATA, keys.ACK) if p in self._roots})


def create(path: Path | None = None) -> KeyStore:
    """Make a new fleet: a random root key, saved; KeyStoreError if there is one already."""
    made = KeyStore.from_root(secrets.token_bytes(keys.KEY_BYTES))
    made.save(path or default_path())
    return made


def _key(path: Path, fields: dict[str, Any], name: str) -> bytes:
    value = fields[name]
    try:
        key = bytes.fromhex(value)
    except (TypeError, ValueError):
        key = b""
    if len(key) != keys.KEY_BYTES:
        raise KeyStoreError(f"{path}: {name!r} is not 64 hex digits")
    return key


def _read_private(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & 0o077:
                raise KeyStoreError(
                    f"{path}: key store of mode {mode & 0o777:o} can be read by others; "
                    f"chmod 600 {path}"
                )
            return file.read()
    except (OSError, UnicodeDecodeError) as e:
        why = getattr(e, "strerror", None) or e
        raise KeyStoreError(f"{path}: key store cannot be read: {why}") from None


def _write_private(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyStoreError(f"{path}: is there already, and is not overwritten") from None
    except OSError as e:
        raise KeyStoreError(f"{path}: cannot be written: {e.strerror}") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        disk.settle(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)  # half a key is none, and would be in the way of a whole one
        raise


@dataclass
class _Tickets:
    """Counters that this process may use, up to and with `last`, which is what the disk has."""

    process: int
    identity: int
    next: int
    last: int


_tickets: dict[Path, _Tickets] = {}
_tickets_lock = threading.Lock()


class Host:
    """This host as boards know it: a random id, and a counter that never repeats.

    Counters are taken from the disk before they are used, under a lock, so that two programs, a
    crash or a restart never send the same one twice; many at once, as each time costs a write that
    sixteen boards would wait for. Once another program has taken some, the rest are let go of: a
    board that it spoke with takes none from before.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or default_path().with_name("host.json")

    def ticket(self) -> tuple[int, int]:
        """Return (this host's id, a counter that no request of it has carried)."""
        with _tickets_lock:
            held = _tickets.get(self._path)
            if held is None or held.next > held.last or not self._is_held(held):
                held = _tickets[self._path] = self._take()
            held.next += 1
            return held.identity, held.next - 1

    def _is_held(self, held: _Tickets) -> bool:
        """Tell whether they are this process's still, which may be a copy of that of before."""
        return held.process == os.getpid() and self._load() == (held.identity, held.last)

    def _take(self) -> _Tickets:
        with self._locked():
            identity, counter = self._load() or (secrets.randbits(32), 0)
            self._store(identity, counter + TICKETS)
        return _Tickets(os.getpid(), identity, counter + 1, counter + TICKETS)

    def _load(self) -> tuple[int, int] | None:
        """Return what the disk has; None for a new id, of which no board has seen a counter."""
        try:
            fields = json.loads(self._path.read_text(encoding="utf-8"))
            identity, counter = fields["host"], fields["counter"]
            if 0 <= identity <= COUNTER_MAX and 0 <= counter <= COUNTER_MAX - TICKETS:
                return identity, counter
        except (OSError, ValueError, KeyError, TypeError):
            pass  # new, or lost
        return None

    def _store(self, identity: int, counter: int) -> None:
        try:
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".host-")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump({"host": identity, "counter": counter}, file)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self._path)
            except BaseException:  # Ctrl-C, too
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as e:
            raise KeyStoreError(f"{self._path}: cannot be written: {e.strerror}") from None

    @contextmanager
    def _locked(self) -> Generator[None]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = self._path.with_suffix(".lock").open("a")
        except OSError as e:
            raise KeyStoreError(f"{self._path}: cannot be written: {e.strerror}") from None
        with lock:
            if os.name == "posix":
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

"""Taking a backup: over the link what a board tells, at its prompt also what it never tells.

Over the link nothing is interrupted, and there is the configuration alone, with the names of
networks. Files of the user's, keys and passwords are read at the prompt: the board restarts then.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from motekit.errors import LinkError, MotekitError
from motekit.keys import KeyStore
from motekit.prompt.raw import RawPrompt
from motekit.provision import look
from motekit.provision.delivery import spare
from motekit.provision.guard import HoldsError, check_left
from motekit.provision.look import Found
from motekit.provision.records import now

from . import backup_file
from .backup_file import CONFIG, FILE_MAX_BYTES, FILES_MAX, JSON_FILES, SECRET, Backup

BOOT_S = 20.0
_NETWORKS = "networks"


@dataclass(frozen=True)
class What:
    """What a backup is to have beside the configuration.

    `discard`: the board may lose what no collector has taken, when it restarts; `store`: that
    goes there first.
    """

    files: bool = False
    secrets: bool = False
    discard: bool = False
    store: Path | None = None

    @property
    def at_prompt(self) -> bool:
        """Tell whether the board has to be interrupted for it."""
        return self.files or self.secrets


@dataclass(frozen=True)
class Taken:
    """What became of one board's backup: `state` is "saved" or "failed"."""

    port: str
    state: str
    device: str = ""
    name: str = ""
    file: str = ""
    files: tuple[str, ...] = ()
    secrets: bool = False
    notes: tuple[str, ...] = ()
    error: str = ""


def one(port: str, place: Callable[[str], Path], what: What, key_store: KeyStore) -> Taken:
    """Back up the board at a port into the file that `place` has for its id; nothing is raised."""
    try:
        backup, notes = take(port, what, key_store)
        path = place(backup.device)
        backup_file.save(path, backup)
    except (MotekitError, OSError) as e:
        return Taken(port, "failed", error=str(e).removeprefix(f"{port}: "))
    return Taken(
        port,
        "saved",
        backup.device,
        backup.name,
        str(path),
        tuple(sorted(backup.files)),
        backup.secrets,
        notes,
    )


def take(port: str, what: What, key_store: KeyStore) -> tuple[Backup, tuple[str, ...]]:
    """Return a backup of the board at a port, and what it lacks; MotekitError if there is none."""
    found = look.over_link(port, key_store, lambda: False, look.LINK_S, known=False)
    if found is not None and found.foreign:
        raise LinkError(
            f"{port}: a board under keys that are not of this key store: set MOTEKIT_KEYS to that"
            " of its fleet"
        )
    if not what.at_prompt:
        return _told(port, found), ()
    if found is not None:
        spare(found, port, what.store, key_store, discard=what.discard, on_step=lambda _: None)
    return _read(port, what, found, key_store)


def _told(port: str, found: Found | None) -> Backup:
    """Return what a board tells of itself."""
    if found is None or found.hello is None:
        raise LinkError(
            f"{port}: no firmware answers; with --files it is looked for at the board's prompt"
        )
    config = look.mapping(found.config)
    if found.trial or not config:
        raise LinkError(
            f"{port}: {found.device} tries a configuration that nobody has kept: first"
            " `motekit config apply` or `motekit provision`"
        )
    files = {CONFIG: backup_file.dumped(config)}
    return _backup(found, files, tuple(each.ssid for each in found.networks))


def _read(
    port: str, what: What, told: Found | None, key_store: KeyStore
) -> tuple[Backup, tuple[str, ...]]:
    """Read files at the prompt; the board restarts, but for one that may hold what nobody has."""
    with RawPrompt.open(port, BOOT_S) as prompt:
        leave = prompt.restart if told is not None else prompt.leave
        try:
            found = look.at_prompt(prompt, key_store)
            if told is None:
                check_left(found, port, discard=what.discard)
            leave = prompt.restart
            if told is not None and found.device != told.device:
                raise LinkError(f"{port}: {told.device} was here, now it is {found.device}")
            if found.trial:
                raise LinkError(f"{port}: is on trial: first `motekit provision` or `restore`")
            names = sorted(f"/{name}" for name in found.had)
            wanted, notes = _chosen(names, what)
            files: dict[str, bytes] = {}
            for name in wanted:
                data = prompt.read(name)
                if data is None:
                    continue
                if len(data) > FILE_MAX_BYTES:
                    notes += (f"{name} is too large ({len(data):,} bytes) and was left out",)
                else:
                    files[name] = data
        except HoldsError:
            leave = prompt.leave
            raise
        finally:
            leave()
    about = told if told is not None and told.hello is not None else found
    return _backup(about, files, _ssids(found)), notes


def _chosen(names: list[str], what: What) -> tuple[list[str], tuple[str, ...]]:
    """Return which files are to be read, and what is to be said of others."""
    users = [name for name in names if what.files and backup_file.is_users(name)]
    odd = [name for name in users if not backup_file.is_name(name)]
    users = [name for name in users if name not in odd][: FILES_MAX - len(JSON_FILES)]
    notes = tuple(f"{name!r} was left out: no name that a backup can have" for name in odd)
    secret = SECRET if what.secrets else ()
    return [each for each in (CONFIG, *secret) if each in names] + users, notes


def _backup(found: Found, files: Mapping[str, bytes], networks: tuple[str, ...]) -> Backup:
    config = look.mapping(found.config)
    hello = found.hello
    return Backup(
        found.device,
        str(config.get("name") or (hello.name if hello else None) or ""),
        str(config.get("board") or (hello.board if hello else "")),
        hello.firmware if hello else "",
        now(),
        files,
        networks,
    )


def _ssids(found: Found) -> tuple[str, ...]:
    """Return the names of the networks in a file, without the rest of it."""
    listed: Any = look.mapping(found.wifi_file).get(_NETWORKS)
    entries = cast("list[Any]", listed) if isinstance(listed, list) else []
    return tuple(str(look.mapping(each).get("ssid", "")) for each in entries)

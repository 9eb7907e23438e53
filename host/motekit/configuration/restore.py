"""Bringing a backup back: onto the board that it is of, or what is no identity onto another one.

A backup of the configuration alone goes over the link, as `config apply` does. Else:

    look -> files, beside what is there, read back -> on trial -> boot -> as wanted? -> keep
                                                                       not? -> undo, boot

Keys come back to their own board alone, and never in the place of newer ones; what counts up on a
board (its epoch) never does, so that no packet is ever named like an older one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from motefw import keys
from motekit import board as boards
from motekit.client import Client, NoReplyError
from motekit.errors import BoardError, LinkError, MotekitError
from motekit.hello import Hello
from motekit.keys import Host, KeyStore
from motekit.prompt.raw import NEW, PromptError, RawPrompt
from motekit.provision import look, proof, transaction
from motekit.provision.delivery import spare
from motekit.provision.guard import HoldsError, RefusedError, check_left
from motekit.provision.look import TRIAL, Found
from motekit.provision.transaction import TRY
from motekit.provision.wanted import same
from motekit.transports.patience import opened as port_opened
from motekit.transports.serial import SerialPipe

from . import apply as applying
from .backup_file import CONFIG, JSON_FILES, KEYS, WIFI, Backup, parsed
from .diff import Change, changes, completed
from .outcome import Outcome, Steps, Wanted
from .paths import Config

BOOT_S = 20.0
BACKUP = "the backup's"  # what stands for a file's content
THERE = "another"
_GENERATION = "generation"
_OURS = "restore"  # key of a trial: the hash of what is brought


@dataclass(frozen=True)
class Options:
    """`discard`: the board may lose what no collector has taken; `store`: where that goes."""

    discard: bool = False
    store: Path | None = None


def one(
    port: str, backup: Backup, key_store: KeyStore, options: Options, on_step: Steps
) -> Outcome:
    """Bring a backup onto the board at a port; nothing is raised."""
    if set(backup.files) == {CONFIG}:
        return _configure(port, backup, key_store, options, on_step)
    work = _Restoring(port, backup, key_store, options, on_step)
    try:
        return work.run()
    except (MotekitError, OSError) as e:
        return work.outcome("failed", str(e).removeprefix(f"{port}: "))


def _configure(
    port: str, backup: Backup, key_store: KeyStore, options: Options, on_step: Steps
) -> Outcome:
    """Bring back a configuration alone."""

    def check(hello: Hello) -> None:
        _check_chip(hello.board, backup)

    def target(hello: Hello, held: Config) -> Wanted:
        del held
        check(hello)
        return Wanted(backup.config)

    (outcome,) = applying.apply(
        *([port], target, key_store, options.store, on_step),
        discard=options.discard,
        admit=check,
    )
    return outcome


class _Restoring:
    """One board, one backup with files."""

    def __init__(
        self, port: str, backup: Backup, key_store: KeyStore, options: Options, on_step: Steps
    ) -> None:
        self._port = port
        self._backup = backup
        self._keys = key_store
        self._options = options
        self._step = on_step
        self._device = ""
        self._notes: list[str] = []
        self._changes: list[Change] = []

    def run(self) -> Outcome:
        """Look, bring, prove; raises MotekitError for a board that is as it was."""
        self._step(self._port, "looking")
        found = look.over_link(self._port, self._keys, lambda: False, look.LINK_S, known=False)
        if found is not None:
            self._check(found)
        if not self._bring(asked=found is not None):
            return self.outcome("unchanged")
        try:
            self._prove()
        except (MotekitError, OSError) as e:
            return self._undo(str(e).removeprefix(f"{self._port}: "))
        return self.outcome("applied")

    def outcome(self, state: str, error: str = "") -> Outcome:
        """Return what became of the board so far."""
        return Outcome(
            self._port,
            state,
            self._device,
            self._backup.name,
            tuple(self._changes),
            notes=tuple(self._notes),
            error=error,
        )

    def _check(self, found: Found) -> None:
        """Refuse a board that would lose something, or that is another kind of board."""
        if found.foreign:
            raise RefusedError(
                f"{self._port}: a board under keys that are not of this key store: set"
                " MOTEKIT_KEYS to that of its fleet"
            )
        self._device = found.device
        if found.hello is not None:  # before anything of a board that is refused is collected
            _check_chip(found.hello.board, self._backup)
        spare(
            found,
            self._port,
            self._options.store,
            self._keys,
            discard=self._options.discard,
            on_step=lambda what: self._step(self._port, what),
        )

    # At the prompt.

    def _bring(self, *, asked: bool) -> bool:
        """Bring what differs and put the board on trial; False if nothing differs."""
        with RawPrompt.open(self._port, BOOT_S) as prompt:
            leave = prompt.restart if asked else prompt.leave  # what it holds is not known
            try:
                found = look.at_prompt(prompt, self._keys)
                self._device = found.device
                if not asked:
                    check_left(found, self._port, discard=self._options.discard)
                leave = prompt.restart
                if not found.firmware:
                    raise RefusedError(
                        f"{self._port}: has no firmware that a backup could be brought to:"
                        " `motekit flash` brings it, files stay"
                    )
                files = self._differing(prompt, found, self._allowed(prompt, found))
                trial = parsed(prompt.read(f"/{TRIAL}")) if found.trial else None
                if found.trial and look.mapping(trial).get(_OURS) != self._hash():
                    raise RefusedError(
                        f"{self._port}: is on trial for something else, which"
                        " `motekit provision` ends"
                    )
                if not files and not found.trial:
                    return False
                if not found.trial:
                    self._write(prompt, found, files)
                return True
            except HoldsError:
                leave = prompt.leave
                raise
            finally:
                leave()

    def _allowed(self, prompt: RawPrompt, found: Found) -> dict[str, bytes]:
        """Return the files that this board may have: no identity of another, nor an older one."""
        files = dict(self._backup.files)
        data = files.pop(KEYS, None)
        if found.device != self._backup.device:
            if data is not None:
                self._notes.append(
                    f"keys stay away: they are those of {self._backup.device}, this is"
                    f" {found.device}; `motekit provision` gives it its own"
                )
            return files
        if data is None:
            return files
        kept, here = parsed(data), parsed(prompt.read(KEYS))
        generation, newest = _generation(kept), _generation(here)
        if not 0 < generation <= keys.GENERATION_MAX:
            raise RefusedError(f"{self._port}: the backup's keys have no generation that can be")
        if generation < newest:
            self._notes.append(
                f"keys stay as they are: of generation {newest}, the backup's of {generation}"
            )
            return files
        if generation == newest and kept != here:
            raise RefusedError(
                f"{self._port}: has other keys of generation {newest} than the backup: of another"
                " fleet? nothing was changed"
            )
        if kept != self._keys.key_file(found.device, generation):
            raise RefusedError(
                f"{self._port}: the backup's keys are not of this key store: set MOTEKIT_KEYS to"
                " that of its fleet"
            )
        return {**files, KEYS: data}

    def _differing(
        self, prompt: RawPrompt, found: Found, files: Mapping[str, bytes]
    ) -> dict[str, bytes]:
        """Return the files that the board does not have so; say what changes."""
        hashes = prompt.hashes(files)
        differ: dict[str, bytes] = {}
        for name, data in sorted(files.items()):
            if hashes[name] == hashlib.sha256(data).digest():
                continue
            here = parsed(prompt.read(name)) if name in JSON_FILES else None
            if here is not None and same(here, parsed(data)):
                continue
            differ[name] = data
            if name == CONFIG:
                held = completed(look.mapping(here))
                self._changes += changes(held, completed(self._backup.config))
            else:
                there = THERE if hashes[name] is not None else None
                self._changes.append(Change((name,), there, BACKUP))
        if WIFI not in files and self._backup.networks:
            self._notes.append(
                "Wi-Fi stays as it is: the backup has no passwords (it had"
                f" {', '.join(self._backup.networks)})"
            )
        if CONFIG in files and found.had & {"config.next", "config.trial"}:
            differ[CONFIG] = files[CONFIG]
        return differ

    def _write(self, prompt: RawPrompt, found: Found, files: Mapping[str, bytes]) -> None:
        """Bring files beside those that are there, then the word that they are on trial."""
        self._step(self._port, "writing")
        names = [name.removeprefix("/") for name in files]
        litter = {f"{name}{end}" for name in names for end in (TRY, ".old", TRY + NEW)}
        litter |= {"config.next", "config.trial", "config.part"}
        if gone := sorted(litter & found.had):
            prompt.put({}, [f"/{name}" for name in gone])
        prompt.put({f"{name}{TRY}": data for name, data in files.items()})
        trial: dict[str, object] = {
            "step": "apply",
            "files": names,
            "had": [name for name in names if name in found.had],
            "mark": dict(found.mark),
            _OURS: self._hash(),
        }
        transaction.commit(prompt, trial)

    def _hash(self) -> str:
        """Return what tells this backup's trial from another's, without what is secret."""
        files = self._backup.files
        shown = {name: len(data) for name, data in files.items()}
        text = json.dumps([self._backup.device, self._backup.at, shown], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    # Over the link.

    def _prove(self) -> None:
        """Have the board show that it runs as wanted, and keep that."""
        self._step(self._port, "booting")
        pipe = port_opened(lambda: SerialPipe(self._port), self._port, known=True)
        try:
            client = Client(pipe, self._keys, Host())
            hello = proof.greet(client)
            if hello.device != self._device:
                raise LinkError(f"{hello.device} answers, {self._device} was meant")
            status = look.mapping(client.request("status"))
            if why := status.get("config_error"):
                raise LinkError(f"its firmware could not start all of it: {why}")
            if CONFIG in self._backup.files:
                held = look.mapping(client.request("config.get"))
                if changes(held, completed(self._backup.config)):
                    raise LinkError("read back, its configuration is another one")
            self._keep(client)
        finally:
            pipe.close()

    def _keep(self, client: Client) -> None:
        """Have what is on trial stay; it does, too, where only the answer got lost."""
        try:
            client.request("provision.keep")
        except NoReplyError:
            if look.mapping(client.request("provision.get")).get("step"):
                raise

    def _undo(self, why: str) -> Outcome:
        """Bring back the former files; say whether that could be done."""
        self._step(self._port, "going back")
        try:
            with RawPrompt.open(self._port, BOOT_S) as prompt:
                undone = transaction.undo(prompt)
                prompt.restart()
        except (PromptError, MotekitError, OSError) as e:
            return self.outcome(
                "failed", f"{why}; it is on trial still ({e}): restore again, or provision it"
            )
        if not undone:
            return self.outcome("failed", f"{why}; it has the backup's files, and keeps them")
        return self.outcome("rolled back", f"{why}; its former files are in place again")


def _generation(key_file: object) -> int:
    value = look.mapping(key_file).get(_GENERATION)
    return value if isinstance(value, int) else 0


def _check_chip(board: str, backup: Backup) -> None:
    """Refuse a board whose chip cannot be what the backup is for."""
    try:
        there, was = boards.load(board).chip.name, boards.load(backup.board).chip.name
    except BoardError:
        return  # a board file of the user's own: the firmware checks
    if there != was:
        raise RefusedError(f"is an {board} ({there}); the backup is of an {backup.board} ({was})")

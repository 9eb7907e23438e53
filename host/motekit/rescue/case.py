"""One board that is being mended: what is wished, what was kept, what could not be."""

import json
import shlex
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from motekit import disk, unsent
from motekit.board import Board
from motekit.config import device_config
from motekit.errors import MotekitError, UsageError
from motekit.flash.merged import Release
from motekit.keys import KeyStore, KeyStoreError
from motekit.prompt import stopped
from motekit.rescue import settings
from motekit.rescue.evidence import Evidence
from motekit.store import Store

UNSENT_FILE = "unsent.jsonl"


class LeftError(MotekitError):
    """A board that is left as it is, because somebody would not have it changed."""


@dataclass(frozen=True)
class Wishes:
    """How boards are mended: `folder` takes what is saved, `store` packets if there is one.

    `release` gives MicroPython where that has to be written; `ask` is asked before anything is
    replaced or erased that is not motekit's own.
    """

    folder: Path
    release: Callable[[Board], Release]
    ask: Callable[[str], bool]
    board: Board | None = None
    store: Store | None = None
    key_store: KeyStore = field(default_factory=KeyStore.empty)
    on_step: Callable[[str], None] = lambda _: None
    remove: tuple[str, ...] = ()  # files that go from a full file system; none: the largest


@dataclass
class Case:
    """A board on its way; `folder` is its own, made when something is saved."""

    wishes: Wishes
    found: Evidence
    board: Board | None
    kept: list[str] = field(default_factory=list[str])
    lost: list[str] = field(default_factory=list[str])
    did: list[str] = field(default_factory=list[str])
    packets: int = 0
    folder: Path | None = None

    @property
    def port(self) -> str:
        """Return the port's name."""
        return self.found.port

    def step(self, what: str) -> None:
        """Tell what is done now."""
        self.wishes.on_step(what)

    def home(self) -> Path:
        """Return the folder of this board, for its owner alone: there are keys in it."""
        if self.folder is None:
            stamp = time.strftime("%Y%m%d-%H%M%S")
            base = self.wishes.folder / f"{self.found.device or 'board'}-{stamp}"
            with disk.writing(self.wishes.folder, "name another with --out"):
                number = 1
                path = base
                while path.exists():
                    number += 1
                    path = base.with_name(f"{base.name}-{number}")
                path.mkdir(parents=True, mode=0o700)
            self.folder = path
        return self.folder

    def save(self, name: str, data: bytes) -> Path:
        """Write what was on the board into its folder, whole and on the disk."""
        parts = [each for each in PurePosixPath(name).parts if each not in ("/", "..")]
        if not name.isprintable():
            parts = [quote(each, safe=" ") for each in parts]  # such as no disk may take
        path = self.home().joinpath(*parts)
        with disk.writing(self.home(), "name another folder with --out"):
            disk.replace(path, data)  # mode 0600
        return path

    def save_files(self, files: Mapping[str, bytes]) -> None:
        """Write files of the board into its folder, each by its path."""
        for name, data in files.items():
            self.save(f"files{name}", data)
        if files:
            self.kept.append(f"{len(files)} files, in {self.home() / 'files'}")

    def agree(self, what: str) -> None:
        """Ask for what would change what is not motekit's; LeftError if it is not to be."""
        where = f" (saved in {self.folder})" if self.folder else ""
        if not self.wishes.ask(f"{self.port}: {what}{where}. Go on?"):
            raise LeftError(f"{self.port}: left as it is{where}")

    def need_board(self) -> Board:
        """Return what board it shall become; UsageError if nobody says so."""
        if self.board is None:
            raise UsageError(
                f"{self.port}: --board is missing: what is on it does not tell;"
                " `motekit boards` lists the known ones"
            )
        return self.board

    # Packets.

    def take_packets(self, data: bytes) -> None:
        """Keep a queue's packets: in a file first, then in the store."""
        found, rest = stopped.packets(data)
        path = self.save(UNSENT_FILE, b"")
        unsent.record(path, self.found.device, found)
        if rest:
            self.save("unsent-rest.bin", rest)
            self.lost.append(
                f"{len(rest)} bytes of the queue that are no packets (kept in a file)"
            )
        if not found:
            return
        take = f"motekit collect replay:{shlex.quote(str(path))} --store FILE"
        foreign = self._are_foreign(found)
        if foreign or self.wishes.store is None:
            self.packets += len(found)
            whose = " under keys that this host has not" if foreign else ""
            with_keys = "MOTEKIT_KEYS=KEYS " if foreign else ""
            self.kept.append(f"{len(found)} unsent packets{whose}, in {path}: {with_keys}{take}")
            return
        taken = unsent.replay(path, self.wishes.store, self.wishes.key_store)
        self.count(taken, f"; all are in {path}")

    def _are_foreign(self, found: Sequence[bytes]) -> bool:
        left = stopped.Left(self.found.device, tuple(found), rest=b"")
        try:
            left.check_keys(self.wishes.key_store, self.port)
        except stopped.ForeignError:
            return True
        return False

    def count(self, taken: unsent.Taken, where: str = "") -> None:
        """Account for packets that came into the store; `where` else they are."""
        self.packets += taken.stored
        if taken.stored:
            store = self.wishes.store
            self.kept.append(f"{taken.stored} packets, in {store.path if store else ''}")
        if taken.set_aside:
            self.lost.append(
                f"{taken.set_aside} packets were set aside: their tags do not hold{where}"
            )

    # Settings.

    def settings(self, read: Mapping[str, bytes], names: Collection[str]) -> dict[str, bytes]:
        """Return the settings that the board shall have, from those that it had."""
        device = self.found.device
        faults = settings.faults(read, device, names)
        sane = {name: data for name, data in read.items() if name not in faults}
        for name, why in faults.items():
            self.lost.append(f"{name}: {why}")
        if settings.CONFIG not in sane:
            sane[settings.CONFIG] = _default(self.need_board())
            self.did.append(f"{settings.CONFIG} made anew for {self.need_board().name}")
        if settings.KEYS not in sane:
            made = self._keys(read)
            if made is not None:
                sane[settings.KEYS] = made
        if not {settings.CONFIG, settings.KEYS} <= read.keys() - faults.keys():
            sane.pop(settings.PROVISION, None)  # it says that all of it is as it was planned
        return sane

    def _keys(self, read: Mapping[str, bytes]) -> bytes | None:
        """Return the board's keys out of the fleet's, if it had any and this host can."""
        device, store = self.found.device, self.wishes.store
        known = [g for g, _, _ in store.acknowledged(device)] if store else []
        generation = max(known, default=0) or int(settings.KEYS in read)
        if not generation:
            return None
        try:
            made = self.wishes.key_store.key_file(device, generation)
        except KeyStoreError:
            self.lost.append(
                "its keys, which this host cannot make again: until it is provisioned anew"
                " (motekit provision) its data is not verified"
            )
            return None
        self.did.append(f"keys of generation {generation} made again from the fleet's key")
        return json.dumps(made).encode()


def _default(board: Board) -> bytes:
    return json.dumps(device_config(board)).encode()

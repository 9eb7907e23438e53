"""Records what goes over a board's buses, while a collector takes its packets.

    config.get -> bus.record -> the board boots again and tells -> bus.jsonl, scenario.toml

Nothing waits here: `notice` takes what the collector reports, `tick` goes on with what is due.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from motekit import board as boards
from motekit.collector.hub import Notice
from motekit.errors import LinkError, UsageError
from motekit.recording.file import Header, Writer
from motekit.recording.tap import TapReader

if TYPE_CHECKING:
    from concurrent.futures import Future

BUS_FILE = "bus.jsonl"
PACKETS_FILE = "packets.jsonl"
SCENARIO_FILE = "scenario.toml"
STORE_FILE = "recorded.motekit"
FOR_S = (1, 86400)
_CONTACT_S = 60.0  # for contact, and for the boot that is recorded
_LAST_S = 7.0  # so that packets leave the board that were begun


class Collecting(Protocol):
    """What a recorder needs of a collector."""

    def devices(self) -> list[str]:
        """Return the boards in contact."""
        ...

    def ask(self, device: str, name: str, args: dict[str, Any] | None = None) -> "Future[Any]":
        """Have a board asked."""
        ...


class Result(NamedTuple):
    """What a recording holds, and what it lacks."""

    device: str
    entries: int
    seconds: float
    lost_lines: int
    lost_entries: int


class BusRecorder:
    """Records one board into a folder; `board` is its board file, if it is not a known one."""

    def __init__(
        self, folder: Path, for_s: int, now: Callable[[], float], board: str | None = None
    ) -> None:
        if not FOR_S[0] <= for_s <= FOR_S[1]:
            raise UsageError(f"{for_s} s cannot be recorded, {FOR_S[0]} to {FOR_S[1]} expected")
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder}: not empty; name a new folder")
        self._made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._for_s = for_s
        self._now = now
        self._board = board
        self._due = now() + _CONTACT_S
        self._step: Callable[[Collecting], None] = self._meet
        self._device = ""
        self._config: Future[Any] | None = None
        self._asked: Future[Any] | None = None
        self._reader = TapReader()
        self._file = (folder / BUS_FILE).open("w", encoding="utf-8")
        self._writer: Writer | None = None
        self._told = False
        self._last_us = 0
        self.done = False

    def notice(self, notice: Notice) -> bool:
        """Take what was reported; tell whether it was a line of the recording."""
        if notice.kind != "log" or not notice.text.startswith("~tap "):
            return False
        if self._writer and self._asked and notice.device in {None, self._device}:
            for entry in self._reader.take(notice.text):
                self._writer.add(entry)
                self._last_us = entry.us
        return True

    def tick(self, collecting: Collecting) -> None:
        """Do what is due; LinkError if the board does not do as it should."""
        if not self.done:
            self._step(collecting)

    def close(self) -> None:
        """Close the file; what has come is in it, and the scenario ends where that does.

        Where it did not even begin, nothing empty stays behind: the folder can be named again.
        """
        if self._last_us and not self._told:
            self._write_scenario(self._last_us / 1e6)
        self._file.close()
        if self._writer is None:
            for name in (BUS_FILE, PACKETS_FILE):
                path = self._folder / name
                if path.exists() and not path.stat().st_size:
                    path.unlink()
            if self._made and not any(self._folder.iterdir()):
                self._folder.rmdir()

    def _late(self) -> bool:
        return self._now() > self._due

    def _meet(self, collecting: Collecting) -> None:
        devices = collecting.devices()
        if len(devices) > 1:
            raise UsageError(f"{len(devices)} boards are there; name the port of one")
        if devices:
            self._device = devices[0]
            self._config = collecting.ask(self._device, "config.get")
            self._step = self._begin
        elif self._late():
            raise LinkError(
                f"no board in {_CONTACT_S:.0f} s; `motekit ports` tells which there are"
            )

    def _begin(self, collecting: Collecting) -> None:
        """Once the configuration is there, have the board boot and tell."""
        if self._config is None or not self._config.done():
            return
        if self._device not in collecting.devices():
            self._step = self._meet  # it has gone meanwhile
            return
        config = cast("dict[str, Any]", self._config.result())
        if not config.get("sensors"):
            raise LinkError(f"{self._device}: it has no sensors configured: nothing to record")
        self._board = self._board or str(config["board"])
        boards.load(self._board)
        self._writer = Writer(self._file, Header(self._device, config))
        self._write_scenario(self._for_s)
        self._asked = collecting.ask(self._device, "bus.record", {"for_s": self._for_s})
        self._due = self._now() + _CONTACT_S + self._for_s
        self._step = self._listen

    def _listen(self, _collecting: Collecting) -> None:
        if self._asked is not None and self._asked.done():
            self._asked.result()  # what it refused
        if self._reader.ended_us is not None:
            if not self._told:
                self._told = True
                self._due = self._now() + _LAST_S
                self._write_scenario(self._reader.ended_us / 1e6)
            self.done = self._late()
        elif self._late():
            what = f"{self._reader.lines} lines of it came" if self._reader.lines else "none came"
            raise LinkError(
                f"{self._device}: its recording did not end in {self._for_s + _CONTACT_S:.0f} s; "
                f"{what} (was it reset meanwhile, or is its firmware older than `bus.record`?)"
            )

    def _write_scenario(self, duration_s: float) -> None:
        text = (
            f"# What went over the buses of {self._device}; replay it with `motekit sim`.\n"
            f'duration_s = {duration_s:g}\nclock = "virtual"\n\n[[board]]\n'
            f"board = {json.dumps(self._board)}\nrecording = {json.dumps(BUS_FILE)}\n"
        )
        (self._folder / SCENARIO_FILE).write_text(text, "utf-8")

    def result(self) -> Result:
        """Return what has been recorded."""
        reader = self._reader
        return Result(
            self._device,
            self._writer.entries if self._writer else 0,
            (reader.ended_us or 0) / 1e6,
            reader.lost_lines,
            reader.lost_entries,
        )

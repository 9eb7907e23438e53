"""One board after the other or many at once: MicroPython, partition table, firmware.

    identify -> blank, or erased: bootloader, program, files, table -> boot -> hello
             -> of this layout:   bootloader and program where they differ -> boot
                                  files that differ, at the prompt -> restart -> hello
             -> anything else:    refused, unless it may be erased

The table goes last: a chip that has it has all the rest, so a flash that was interrupted is seen
for what it is, a blank chip, and begun again.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import motefw
from motekit import bundle
from motekit.board import Board
from motekit.client import Client
from motekit.config import device_config
from motekit.errors import LinkError, MotekitError
from motekit.flash import merged, partitions
from motekit.flash.merged import Region, Release
from motekit.flasher import esptool, history
from motekit.flasher.esptool import FAST_BAUD, SLOW_BAUD, Chip, EsptoolError, Written
from motekit.hello import Hello
from motekit.keys import Host, KeyStore
from motekit.raw_prompt import RawPrompt
from motekit.transports.serial import SerialPipe

AT_ONCE_MAX = 64
HELLO_S = 30.0
BOOT_S = 20.0
CONFIG = "/config.json"
_TRIES = 3
_T = TypeVar("_T")


class RefusedError(MotekitError):
    """A board that is not written to, because it would be wrong or would lose something."""


class Step(NamedTuple):
    """How far a board is: what is done now, bytes done and bytes of all (0: unknown)."""

    port: str
    what: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Result:
    """What became of a board: `state` is "flashed", "updated", "unchanged" or "failed"."""

    port: str
    state: str
    mac: str = ""
    chip: str = ""
    sent_bytes: int = 0
    files: int = 0
    seconds: float = 0.0
    hello: Hello | None = None
    error: str = ""


@dataclass(frozen=True)
class Job:
    """What boards shall become."""

    board: Board
    release: Release
    erase: bool = False
    baud: int = FAST_BAUD


Progress = Callable[[Step], None]


def files_of(board: Board) -> dict[str, bytes]:
    """Return what a new board carries: firmware for its chip, start files, configuration."""
    files = bundle.files(board)
    return {**files, CONFIG: json.dumps(device_config(board)).encode()}


def flash(ports: Sequence[str], job: Job, on_step: Progress = lambda _: None) -> list[Result]:
    """Flash boards, all at once; a result for each port, in their order. Nothing is raised."""
    if not ports:
        return []
    with ThreadPoolExecutor(min(len(ports), AT_ONCE_MAX)) as pool:
        running = [pool.submit(one, port, job, on_step) for port in ports]
        return [each.result() for each in running]


def one(port: str, job: Job, on_step: Progress = lambda _: None) -> Result:
    """Flash one board and wait until it says hello."""
    begun = time.monotonic()
    try:
        found = _Flashing(port, job, on_step).run()
    except MotekitError as e:
        text = str(e).removeprefix(f"{port}: ")
        found = Result(port, "failed", error=text)
    return replace(found, seconds=round(time.monotonic() - begun, 1))


class _Flashing:
    def __init__(self, port: str, job: Job, on_step: Progress) -> None:
        self._port = port
        self._job = job
        self._step = on_step
        self._baud = job.baud

    def run(self) -> Result:
        chip = self._identify()
        regions = merged.regions(self._job.board, self._job.release, files_of(self._job.board))
        if self._job.erase or self._is_blank(chip):
            state, sent, files = "flashed", self._write_all(chip, regions), 0
        else:
            sent = self._write_programs(chip, regions)
            files, file_bytes = self._bring_files()
            sent += file_bytes
            state = "updated" if sent else "unchanged"
        history.save(chip.mac, regions)
        hello = self._greet(chip)
        return Result(self._port, state, chip.mac, chip.name, sent, files, hello=hello)

    def _identify(self, known: Chip | None = None) -> Chip:
        """Ask the chip who it is; nothing is written before it is the one that is meant."""
        self._step(Step(self._port, "looking"))
        board = self._job.board
        chip = esptool.identify(self._port)
        if known and chip.mac != known.mac:
            raise RefusedError(
                f"{self._port}: chip {known.mac} was here, now it is {chip.mac}: boards were"
                " exchanged; flash again"
            )
        if chip.name != board.chip.name:
            raise RefusedError(
                f"{self._port}: has an {chip.name}, {board.name} an {board.chip.name};"
                " nothing was written; name the right --board"
            )
        if 0 < chip.flash_bytes < board.flash_bytes:
            raise RefusedError(
                f"{self._port}: has {chip.flash_bytes >> 20} MB of flash, {board.name}"
                f" {board.flash_bytes >> 20} MB; nothing was written"
            )
        return chip

    def _is_blank(self, chip: Chip) -> bool:
        """Tell whether there is nothing to lose; refuse a chip that holds something else."""
        data = self._again(
            chip,
            lambda: esptool.read(
                self._port, partitions.TABLE_OFFSET, partitions.TABLE_BYTES, self._baud
            ),
        )
        if not data.strip(b"\xff"):
            return True
        try:
            there = partitions.read(data)
        except partitions.TableError:
            return True  # cut off in the middle of it: it comes last
        if there != partitions.of_board(self._job.board):
            names = ", ".join(each.label for each in there)
            raise RefusedError(
                f"{self._port}: holds something else (partitions {names}); nothing was written;"
                " --erase replaces all of it"
            )
        return False

    def _write_all(self, chip: Chip, regions: Sequence[Region]) -> int:
        return self._write(chip, regions, {})

    def _write_programs(self, chip: Chip, regions: Sequence[Region]) -> int:
        programs = [each for each in regions if each.name not in ("vfs", "partition table")]
        return self._write(chip, programs, history.load(chip.mac))

    def _write(self, chip: Chip, regions: Sequence[Region], before: Mapping[str, Path]) -> int:
        """Write regions and return how many bytes went over the line."""
        total = sum(len(each.data) for each in regions)

        def tell(done: int) -> None:
            self._step(Step(self._port, "writing", done, total))

        def do() -> Written:
            return esptool.write(
                self._port,
                regions,
                self._baud,
                erase=self._job.erase,
                before=before,
                on_bytes=tell,
            )

        tell(0)
        return self._again(chip, do).sent_bytes

    def _again(self, chip: Chip, do: Callable[[], _T]) -> _T:
        """Do it; after a failure again, slower, once it is sure that it is the same chip."""
        for _ in range(_TRIES - 1):
            with contextlib.suppress(EsptoolError):
                return do()
            self._baud = SLOW_BAUD
            self._identify(chip)
        return do()

    def _bring_files(self) -> tuple[int, int]:
        """Bring over what differs, never the configuration; return files and their bytes."""
        self._step(Step(self._port, "files"))
        wanted = files_of(self._job.board)
        with RawPrompt.open(self._port, BOOT_S) as prompt:
            hashes = prompt.hashes(wanted)
            changed = {
                name: data
                for name, data in wanted.items()
                if hashes[name] != hashlib.sha256(data).digest()
                and not (name == CONFIG and hashes[name])
            }
            there = prompt.names("/lib/motefw") + prompt.names("/motefw")
            gone = [name for name in there if name not in wanted]
            total = sum(map(len, changed.values()))
            done = 0

            def tell(n: int) -> None:
                nonlocal done
                done += n
                self._step(Step(self._port, "files", done, total))

            if changed or gone:
                prompt.put(changed, gone, tell)
            prompt.restart()
        return len(changed), total

    def _greet(self, chip: Chip) -> Hello:
        """Wait for the firmware's hello; it must be this chip's."""
        self._step(Step(self._port, "hello"))
        pipe = SerialPipe(self._port)
        try:
            hello = Client(pipe, KeyStore.load(), Host()).probe(HELLO_S)
            tail = pipe.tail()[-200:]
        finally:
            pipe.close()
        if hello is None:
            raise LinkError(
                f"{self._port}: written and verified, but the firmware does not say hello within"
                f" {HELLO_S:.0f} s; last heard: {tail!r}"
            )
        if hello.device != chip.mac:
            raise RefusedError(
                f"{self._port}: device {hello.device} answers, {chip.mac} was flashed"
            )
        if hello.firmware != motefw.__version__:
            raise LinkError(
                f"{self._port}: runs motefw {hello.firmware}, {motefw.__version__} was written"
            )
        return hello

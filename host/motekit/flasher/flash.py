"""One board after the other or many at once: MicroPython, partition table, firmware.

    identify -> blank, or erased: bootloader, program, files, table -> boot -> hello
             -> of this layout:   bootloader and program where they differ -> boot
                                  files that differ, at the prompt -> restart -> hello
             -> anything else:    refused, unless it may be erased

The table goes last: a chip that has it has all the rest, so a flash that was interrupted is seen
for what it is, a blank chip, and begun again. What a blank one holds otherwise is somebody's.
"""

import contextlib
import hashlib
import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import motefw
from motekit.at_once import at_once
from motekit.client import Client
from motekit.errors import LinkError, MotekitError
from motekit.flash import partitions
from motekit.flash.merged import Region
from motekit.flasher import history, remains
from motekit.flasher.esptool import RESET, SLOW_BAUD, Chip, Esptool, EsptoolError
from motekit.flasher.job import CONFIG, Job, Progress, Result, Spare, Spared, Step, spare_nothing
from motekit.hello import Hello
from motekit.keys import Host, KeyStore
from motekit.prompt.raw import NEW, RawPrompt
from motekit.transports.patience import opened
from motekit.transports.serial import PortBusyError, PortGoneError, SerialPipe, open_port

HELLO_S = 30.0
BOOT_S = 20.0
PORT_S = 6.0  # until a port that went away for a moment is there again
_TRIES = 3
_POLL_S = 0.2
_END_S = 2.0  # what an interrupted flash gives esptool to end
_KEPT = ("vfs", "partition table")
_OURS = ("/lib/motefw/", "/motefw/")
_T = TypeVar("_T")


class RefusedError(MotekitError):
    """A board that is not written to, because it would be wrong or would lose something."""


def flash(
    ports: Sequence[str],
    job: Job,
    on_step: Progress = lambda _: None,
    spare: Spare = spare_nothing,
) -> list[Result]:
    """Flash boards, all at once; a result for each port, in their order.

    `spare` is asked before a board is reset, which empties its queue.
    Raises MotekitError, before any board is touched, for a job that fits none.
    """
    if ports:
        _ = job.regions
    # after an interrupt no esptool is left behind
    return at_once(
        ports,
        lambda port, stopped: one(port, job, on_step, stopped, spare=spare),
        end_s=_END_S,
    )


def one(
    port: str,
    job: Job | Callable[[Chip], Job],
    on_step: Progress = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
    keys: KeyStore | None = None,
    spare: Spare = spare_nothing,
) -> Result:
    """Flash one board and wait until it says hello; nothing is raised.

    `job` may be chosen once it is known which chip is there: what that raises leaves the chip as
    it is. `keys` None: the user's key store, which a provisioned board's hello needs.
    """
    begun = time.monotonic()

    def choose(chip: Chip) -> Job:
        return job if isinstance(job, Job) else job(chip)

    work = _Flashing(port, choose, on_step, stopped, keys, spare)
    try:
        found = work.run()
    except (MotekitError, OSError) as e:
        text = str(e).removeprefix(f"{port}: ")
        found = Result(port, "failed", work.chip.mac, work.chip.name, error=text)
    return replace(found, seconds=round(time.monotonic() - begun, 1))


class _Flashing:
    _job: Job  # as soon as the chip is known

    def __init__(
        self,
        port: str,
        choose: Callable[[Chip], Job],
        on_step: Progress,
        stopped: Callable[[], bool],
        keys: KeyStore | None,
        spare: Spare,
    ) -> None:
        self.chip = Chip("", "", 0)
        self._port = port
        self._choose = choose
        self._step = on_step
        self._stopped = stopped
        self._keys = keys
        self._tool = Esptool(port, SLOW_BAUD, stopped)
        self._erase = False
        self._spare = spare

    def run(self) -> Result:
        self._tell("looking")
        spared = self._spare(self._port, self._stopped, self._tell)
        self.chip, table = self._look()
        try:
            self._job = self._choose(self.chip)
            self._check_fits()
            blank = self._is_blank(table, spared)
        except MotekitError:
            with contextlib.suppress(LinkError):
                self._tool.let_go()  # it runs again what it ran before
            raise
        return replace(self._flash(blank=blank), unsent=spared.unsent)

    def _flash(self, *, blank: bool) -> Result:
        self._tool.baud = self._job.baud
        files = 0
        # without the file system, which is never written by what differs, and may hold keys
        programs = tuple(each for each in self._job.regions if each.name not in _KEPT)
        if blank:
            sent = self._write(self._job.regions, {})
            state = "flashed"
        else:
            sent = self._write(programs, history.load(self.chip.mac))
            files, file_bytes = self._bring_files()
            sent += file_bytes
            state = "updated" if sent or files else "unchanged"
        history.save(self.chip.mac, programs)
        hello = self._greet()
        chip = self.chip
        return Result(self._port, state, chip.mac, chip.name, sent, files, hello=hello)

    def _tell(self, what: str, done: int = 0, total: int = 0) -> None:
        self._step(Step(self._port, what, done, total, self.chip.mac))

    def _check_fits(self) -> None:
        """Refuse a chip that is not the one that is meant; nothing is written before."""
        chip, board = self.chip, self._job.board
        if chip.name != board.chip.name:
            raise RefusedError(
                f"{self._port}: has an {chip.name}, {board.name} an {board.chip.name};"
                " nothing was written; name the right board"
            )
        if 0 < chip.flash_bytes < board.flash_bytes:
            raise RefusedError(
                f"{self._port}: has {chip.flash_bytes >> 20} MB of flash, {board.name}"
                f" {board.flash_bytes >> 20} MB; nothing was written"
            )

    def _look(self) -> tuple[Chip, bytes]:
        """Ask the chip; again, where one answers and then something goes wrong."""
        left = _TRIES
        while True:
            self._await_port()
            try:
                return self._tool.identify(partitions.TABLE_OFFSET, partitions.TABLE_BYTES)
            except EsptoolError as e:
                left -= 1
                if not (left and e.answered):
                    raise

    def _await_port(self) -> None:
        """Wait a moment for a port that is away or busy; LinkError tells what is the matter."""
        if "://" in self._port:
            return  # esptool tells
        end = time.monotonic() + PORT_S
        while True:
            try:
                open_port(self._port).close()
                return
            except (PortGoneError, PortBusyError):
                if time.monotonic() > end or self._stopped() or not self._may_come():
                    raise
            time.sleep(_POLL_S)

    def _may_come(self) -> bool:
        """Tell whether waiting helps: a port that was never there is a typing error."""
        return bool(self.chip.mac) or os.path.lexists(self._port)

    def _is_blank(self, data: bytes, spared: Spared) -> bool:
        """Tell whether all is to be written; refuse a chip that holds something else."""
        self._erase = self._job.erase
        if self._erase:
            return True
        if not data.strip(b"\xff"):
            self._tool.baud = self._job.baud
            self._look_further(spared)
            return True
        try:
            there = partitions.read(data)
        except partitions.TableError:
            if self._job.replace or partitions.cut_off(data, self._job.board):
                return True  # it comes last
            there = ()
        if there == partitions.of_board(self._job.board):
            return False
        self._give_up(there)
        return True

    def _look_elsewhere(self) -> None:
        """Refuse a program whose bootloader has its table in another place: it is none of ours.

        Without any table nothing starts: what else is there was left by a flash that was cut off.
        """
        where, size = partitions.ELSEWHERE_OFFSET, partitions.ELSEWHERE_BYTES
        found = partitions.elsewhere(self._again(lambda: self._tool.read(where, size)))
        if found is not None:
            self._give_up(found[1], f" with its table at 0x{found[0]:x}")

    def _look_further(self, spared: Spared) -> None:
        """Refuse a chip without a table that holds something all the same.

        A program whose bootloader looks elsewhere, or the data of a board that was erased by half.
        """
        board = self._job.board
        given_up = spared.given_up or self._job.replace
        used = () if given_up else self._again(lambda: remains.used(self._tool, board))
        if not spared.blank and (given_up or remains.ELSEWHERE in used):
            self._look_elsewhere()
        there = self._again(lambda: remains.found(self._tool, board, self._job.regions, used))
        if there:
            port, name = shlex.quote(self._port), shlex.quote(board.name)
            raise RefusedError(
                f"{self._port}: starts nothing, but {there} may hold data; nothing was written;"
                f" motekit rescue {port} --board {name} saves it and makes the board whole,"
                " --discard gives it up"
            )

    def _give_up(self, there: Sequence[partitions.Entry], where: str = "") -> None:
        """Have all of a chip erased that holds something else, or refuse to."""
        if not self._job.replace:
            names = ", ".join(each.label for each in there) or "that cannot be read"
            raise RefusedError(
                f"{self._port}: holds something else (partitions {names}){where}; nothing was"
                " written; --erase (motekit station: --replace) gives all of it up"
            )
        self._erase = True

    def _write(self, regions: Sequence[Region], before: Mapping[str, Path]) -> int:
        """Write regions and return how many bytes went over the line."""
        total = sum(len(each.data) for each in regions)

        def tell(done: int) -> None:
            self._tell("writing", done, total)

        tell(0)
        return self._again(
            lambda: self._tool.write(regions, erase=self._erase, before=before, on_bytes=tell)
        ).sent_bytes

    def _again(self, do: Callable[[], _T]) -> _T:
        """Do it; after a failure again, slower, once it is sure that it is the same chip."""
        for _ in range(_TRIES - 1):
            with contextlib.suppress(EsptoolError):
                return do()
            self._tool.baud, self._tool.before = SLOW_BAUD, RESET  # it may not be in its loader
            self._tell("looking")
            self.chip, _ = self._look()
        return do()

    def _bring_files(self) -> tuple[int, int]:
        """Bring over what differs, never the configuration; return files and their bytes."""
        self._tell("files")
        wanted = self._job.files
        with opened(lambda: RawPrompt.open(self._port, BOOT_S), self._port, known=True) as prompt:
            self._check_same(prompt)
            hashes = prompt.hashes(wanted)
            changed = {
                name: data
                for name, data in wanted.items()
                if hashes[name] != hashlib.sha256(data).digest()
                and not (name == CONFIG and hashes[name] and name not in self._job.kept)
            }
            gone = _stale(prompt.names("/"), wanted, changed)
            total = sum(map(len, changed.values()))
            done = 0

            def tell(n: int) -> None:
                nonlocal done
                done += n
                self._tell("files", done, total)

            if changed or gone:
                prompt.put(changed, gone, tell)
            prompt.restart()
        return len(changed) + len(gone), total

    def _check_same(self, prompt: RawPrompt) -> None:
        """Refuse to bring files to another chip than the one that was looked at."""
        mac = prompt.execute("import machine\nprint(machine.unique_id().hex())").strip()
        if mac != self.chip.mac:
            prompt.restart()
            raise RefusedError(
                f"{self._port}: chip {self.chip.mac} was here, now it is {mac}: boards were"
                " exchanged; flash again"
            )

    def _greet(self) -> Hello:
        """Wait for the firmware's hello; it must be this chip's."""
        self._tell("hello")
        pipe = opened(lambda: SerialPipe(self._port), self._port, known=True)
        try:
            keys = self._keys or KeyStore.load()
            hello = Client(pipe, keys, Host(), self._stopped).probe(HELLO_S)
            tail = pipe.tail()[-200:]
        finally:
            pipe.close()
        if hello is None:
            raise LinkError(
                f"{self._port}: written and verified, but the firmware does not say hello within"
                f" {HELLO_S:.0f} s; last heard: {tail!r}"
            )
        if hello.device != self.chip.mac:
            raise RefusedError(
                f"{self._port}: device {hello.device} answers, {self.chip.mac} was flashed"
            )
        if hello.firmware != motefw.__version__:
            raise LinkError(
                f"{self._port}: runs motefw {hello.firmware}, {motefw.__version__} was written"
            )
        return hello


def _stale(
    there: Sequence[str], wanted: Mapping[str, bytes], changed: Mapping[str, bytes]
) -> list[str]:
    """Return what an older firmware, or a flash that was interrupted, has left on a board."""
    coming = {name + NEW for name in changed}
    return [
        name
        for name in there
        if name not in wanted
        and name not in coming
        and (name.startswith(_OURS) or name.removesuffix(NEW) in wanted)
    ]

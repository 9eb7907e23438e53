"""Espressif's esptool, run as a program: one process for a board, every wait with an end.

It is GPL, so it is never imported. Its words are for people: what is read here (chip, MAC, size,
address written) is checked, and what it says last is passed on when it fails. It says whose chip
it has found before it writes, and is ended there if that is not the one that is meant.
"""

import contextlib
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from motekit.errors import LinkError
from motekit.flash.merged import Region

FAST_BAUD = 460_800
SLOW_BAUD = 115_200
SILENCE_S = 60.0  # an erase of 16 MB; it says something more often otherwise
_TAIL_LINES = 60
_POLL_S = 0.5
_CHIP = re.compile(r"Chip type:\s+(ESP32(?:-[SCHP]\d+)?)")
_MAC = re.compile(r"MAC:\s+((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\s")  # not the longer EUI-64
_SIZE = re.compile(r"Auto-detected flash size:\s+(\d+)MB")
_AT = re.compile(r"Writing at 0x([0-9a-f]+)")
_WROTE = re.compile(r"Wrote (\d+) bytes(?: \((\d+) compressed\))? at 0x([0-9a-f]+)")
_SKIPPED = re.compile(r"at 0x([0-9a-f]+) already in flash")
_VERIFIED = re.compile(r"Verification (successful|failed) \(")
_LINE = (
    "the line lost bytes: use a shorter cable and no hub, close what else has the port, try again"
)
_HINTS = (
    ("Failed to connect", "hold BOOT, press RESET and try again; does the cable carry data?"),
    ("Flash write error", "flash that is write-protected or worn out: try another board"),
    (
        "MD5 of file does not match",
        f"{_LINE}; if it stays so, the flash is worn: try another board",
    ),
    ("No more data to read", _LINE),
    ("Possible serial noise", _LINE),
    ("Could not open socket:", "does that bridge listen, and has nobody else its port?"),
    ("Could not open rfc2217:", "does that bridge listen, and has nobody else its port?"),
)
_FATAL = re.compile(r"A fatal error occurred:.+|\S*Exception: .+|.*Error: .+")


RESET = "default-reset"


class EsptoolError(LinkError):
    """The chip did not do what esptool asked of it; `words` is the end of what it said."""

    def __init__(self, text: str, words: str = "") -> None:
        super().__init__(text)
        self.words = words

    @property
    def answered(self) -> bool:
        """Tell whether there is a chip that answers: it may do better the next time."""
        return _MAC.search(self.words) is not None


class ExchangedError(LinkError):
    """Another chip is at the port than a moment before."""


class StoppedError(LinkError):
    """The program ends."""


@dataclass(frozen=True)
class Chip:
    """Who is at the other end; `mac` in lower-case hex, flash_bytes 0 if it was not told."""

    name: str
    mac: str
    flash_bytes: int


@dataclass
class Written:
    """What writing came to: bytes over the line, and the regions that were there already."""

    sent_bytes: int = 0
    skipped: tuple[str, ...] = ()


@dataclass
class Esptool:
    """A port on which esptool is run; `mac`, once it is set, is the one chip that is meant."""

    port: str
    baud: int = SLOW_BAUD
    stopped: Callable[[], bool] = lambda: False
    mac: str = ""
    attempts: int = 7  # at connecting
    before: str = "no-reset"  # what `read` and `write` begin with: `identify` has done it

    def identify(self, offset: int, size: int) -> tuple[Chip, bytes]:
        """Reset a chip into its loader; return who it is, and a piece of its flash.

        One run for both: each costs a start of Python, and the way to the chip. The stub stays for
        what follows.
        """
        said, data = self._read(offset, size, RESET, "--flash-size", "detect")
        chip, mac, mib = (_first(each, said) for each in (_CHIP, _MAC, _SIZE))
        if not chip or not mac:
            raise EsptoolError(f"{self.port}: esptool found no chip and no MAC", said)
        self._check_size(offset, size, data, said)
        found = Chip(chip.lower().replace("-", ""), mac.replace(":", ""), int(mib or 0) << 20)
        self.mac = self.mac or found.mac
        return found, data

    def read(self, offset: int, size: int) -> bytes:
        """Return a piece of the flash of a chip that `identify` has left in its loader."""
        said, data = self._read(offset, size, self.before)
        self._check_size(offset, size, data, said)
        return data

    def _read(self, offset: int, size: int, before: str, *options: str) -> tuple[str, bytes]:
        with tempfile.TemporaryDirectory(prefix="motekit-") as folder:
            path = Path(folder) / "piece"
            said = self._run(
                ["read-flash", *options, hex(offset), hex(size), str(path)],
                before=before,
                after="no-reset-stub",
            )
            return said, path.read_bytes() if path.exists() else b""

    def _check_size(self, offset: int, size: int, data: bytes, said: str) -> None:
        if len(data) != size:
            raise EsptoolError(
                f"{self.port}: {len(data)} of {size} bytes read at 0x{offset:x}", said
            )

    def differing(self, regions: Sequence[Region]) -> tuple[str, ...]:
        """Return the names of those that flash does not hold just so, by their MD5."""
        if not regions:
            return ()
        verdicts: list[str] = []

        def listen(line: str) -> None:
            verdicts.extend(_VERIFIED.findall(line))

        how = {"before": self.before, "after": "no-reset-stub"}
        with _files(regions) as arguments:
            try:
                self._run(["verify-flash", *arguments], **how, listen=listen)
            except EsptoolError:
                if len(verdicts) != len(regions):  # else it says that one is not the same
                    raise
        if len(verdicts) != len(regions):
            raise EsptoolError(f"{self.port}: {len(verdicts)} of {len(regions)} pieces compared")
        pairs = zip(regions, verdicts, strict=True)
        return tuple(each.name for each, verdict in pairs if verdict == "failed")

    def let_go(self) -> None:
        """Reset a chip that was looked at into what is in its flash."""
        self._run(["read-mac"], after="hard-reset")

    def write(
        self,
        regions: Sequence[Region],
        *,
        erase: bool = False,
        before: Mapping[str, Path] | None = None,
        on_bytes: Callable[[int], None] = lambda _: None,
    ) -> Written:
        """Write regions in their order, each verified by its MD5; then the chip boots.

        `erase`: all of the flash first. `before`: by the regions' names, files with what is
        thought to be there, so that only sectors that differ are written; without it, regions
        that are there already are left alone as a whole.
        """
        written = Written()
        done: dict[int, int] = {}

        def listen(line: str) -> None:
            _follow(line, regions, done, written)
            on_bytes(sum(done.values()))

        with _files(regions) as files:
            arguments = ["write-flash", *_how(regions, erase, before), *files]
            self._run(arguments, before=self.before, after="hard-reset", listen=listen)
        return written

    def _run(
        self,
        arguments: Sequence[str],
        *,
        before: str = "no-reset",
        after: str,
        listen: Callable[[str], None] = lambda _: None,
    ) -> str:
        """Run esptool to its end and return its words; EsptoolError if it fails or is silent."""
        words: list[str] = []
        with subprocess.Popen(
            [*self._program(before, after), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "200"},
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C at a terminal is for us: we say what becomes of it
        ) as process:
            lines = _Lines(process, self.port, self.stopped)
            try:
                for line in lines:
                    words.append(line)
                    del words[:-_TAIL_LINES]
                    self._check(line)
                    listen(line)
                code = process.wait(SILENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise EsptoolError(f"{self.port}: esptool does not end", "".join(words)) from None
            except BaseException:
                process.kill()
                lines.end()
                raise
        said = "".join(words)
        if code:
            raise EsptoolError(f"{self.port}: {why(said)}", said)
        return said

    def _program(self, before: str, after: str) -> list[str]:
        """Return how esptool is called: at which port, how fast, and how the chip is reset."""
        baud = SLOW_BAUD if self.port.startswith("socket:") else self.baud  # it has no baud to set
        line = ["--port", self.port, "--baud", str(baud)]
        tries = ["--connect-attempts", str(self.attempts)]
        resets = ["--before", before, "--after", after]
        return [sys.executable, "-m", "esptool", *line, *tries, *resets]

    def _check(self, line: str) -> None:
        """Raise ExchangedError when esptool has another chip than the one that is meant."""
        found = _MAC.search(line)
        if found and self.mac and found[1].replace(":", "") != self.mac:
            raise ExchangedError(
                f"{self.port}: chip {self.mac} was here, now it is {found[1].replace(':', '')}:"
                " boards were exchanged; flash again"
            )


@contextlib.contextmanager
def _files(regions: Sequence[Region]) -> Generator[list[str]]:
    """Have regions in files, as long as esptool runs; give its arguments for them."""
    with tempfile.TemporaryDirectory(prefix="motekit-") as folder:
        arguments: list[str] = []
        for i, region in enumerate(regions):
            path = Path(folder) / str(i)
            path.write_bytes(region.data)
            arguments += [hex(region.offset), str(path)]
        yield arguments


def _how(regions: Sequence[Region], erase: bool, before: Mapping[str, Path] | None) -> list[str]:
    if erase:
        return ["--erase-all"]
    if not before:
        return ["--skip-flashed"]
    there = [str(before.get(each.name, "skip")) for each in regions]
    return ["--diff-with", *there, "--flash-size", "keep"]  # an option ends the list of files


def _follow(line: str, regions: Sequence[Region], done: dict[int, int], written: Written) -> None:
    """Account for a line of esptool's: bytes of each region that are in flash."""
    if found := _AT.search(line):
        at = int(found[1], 16)
        for region in regions:
            if region.offset <= at <= region.offset + len(region.data):
                done[region.offset] = at - region.offset
    elif found := _WROTE.search(line):
        written.sent_bytes += int(found[2] or found[1])
        done[int(found[3], 16)] = int(found[1])
    elif found := _SKIPPED.search(line):
        for region in regions:
            if region.offset == int(found[1], 16):
                done[region.offset] = len(region.data)
                written.skipped += (region.name,)


class _Lines:
    """The lines of a program as they come; EsptoolError when none comes for a while."""

    def __init__(
        self, process: "subprocess.Popen[str]", port: str, stopped: Callable[[], bool]
    ) -> None:
        self._port = port
        self._stopped = stopped
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._pump, args=(process,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Take the rest of what a program said that has been ended."""
        self._thread.join(1.0)

    def _pump(self, process: "subprocess.Popen[str]") -> None:
        if process.stdout:
            for line in process.stdout:
                self._queue.put(line)
        self._queue.put(None)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        end = time.monotonic() + SILENCE_S
        while time.monotonic() < end:
            if self._stopped():
                raise StoppedError(f"{self._port}: given up")
            try:
                line = self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if line is None:
                raise StopIteration
            return line
        raise EsptoolError(
            f"{self._port}: esptool has said nothing for {SILENCE_S:.0f} s; is the board pulled?"
        )


def why(said: str) -> str:
    """Return the line that tells why esptool failed."""
    if "No module named esptool" in said:
        return "esptool is missing: pip install 'motekit[flash]' brings it"
    found = [each[0] for each in _FATAL.finditer(said)]
    if found:
        fatal = found[-1].removeprefix("A fatal error occurred:").strip()
        return fatal + next((f"; {hint}" for sign, hint in _HINTS if sign in fatal), "")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "esptool failed and said nothing"


def _first(pattern: re.Pattern[str], said: str) -> str | None:
    found = pattern.search(said)
    return found[1] if found else None

"""Espressif's esptool, run as a program: one process for a board, every wait with an end.

It is GPL, so it is never imported. Its words are for people: what is read here (chip, MAC, size,
address written) is checked, and what it says last is passed on when it fails.
"""

import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from motekit.errors import LinkError
from motekit.flash.merged import Region

FAST_BAUD = 460_800
SLOW_BAUD = 115_200
CONNECT_S = 40.0  # seven attempts of its own
SILENCE_S = 60.0  # an erase of 16 MB; it says something more often otherwise
_TAIL_LINES = 60
_CHIP = re.compile(r"Chip type:\s+(ESP32(?:-[SCHP]\d+)?)")
_MAC = re.compile(r"MAC:\s+((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\s")  # not the longer EUI-64
_SIZE = re.compile(r"Detected flash size:\s+(\d+)MB")
_AT = re.compile(r"Writing at 0x([0-9a-f]+)")
_WROTE = re.compile(r"Wrote (\d+) bytes(?: \((\d+) compressed\))? at 0x([0-9a-f]+)")
_SKIPPED = re.compile(r"at 0x([0-9a-f]+) already in flash")
_FATAL = re.compile(r"A fatal error occurred:.+|\S*Exception: .+|.*Error: .+")


class EsptoolError(LinkError):
    """The chip did not do what esptool asked of it; `words` is the end of what it said."""

    def __init__(self, text: str, words: str = "") -> None:
        super().__init__(text)
        self.words = words


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


def identify(port: str, baud: int = SLOW_BAUD, *, reset: bool = True) -> Chip:
    """Reset a chip into its loader and ask who it is; the stub stays there for what follows."""
    said = _run(port, baud, ["flash-id"], before=reset, after="no-reset-stub")
    chip, mac, size = (_first(each, said) for each in (_CHIP, _MAC, _SIZE))
    if not chip or not mac:
        raise EsptoolError(f"{port}: esptool found no chip and no MAC", said)
    return Chip(chip.lower().replace("-", ""), mac.replace(":", ""), int(size or 0) << 20)


def read(port: str, offset: int, size: int, baud: int) -> bytes:
    """Return a piece of flash."""
    with tempfile.TemporaryDirectory(prefix="motekit-") as folder:
        path = Path(folder) / "piece"
        arguments = ["read-flash", hex(offset), hex(size), str(path)]
        said = _run(port, baud, arguments, before=False, after="no-reset-stub")
        data = path.read_bytes() if path.exists() else b""
    if len(data) != size:
        raise EsptoolError(f"{port}: {len(data)} of {size} bytes read at 0x{offset:x}", said)
    return data


def write(
    port: str,
    regions: Sequence[Region],
    baud: int,
    *,
    erase: bool = False,
    before: Mapping[str, Path] | None = None,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> Written:
    """Write regions in their order, each verified by its MD5; then the chip boots.

    `erase`: all of the flash first. `before`: by the regions' names, files with what is thought to
    be there, so that only sectors that differ are written; without it, regions that are there
    already are left alone as a whole.
    """
    written = Written()
    done: dict[int, int] = {}

    def listen(line: str) -> None:
        _follow(line, regions, done, written)
        on_bytes(sum(done.values()))

    with tempfile.TemporaryDirectory(prefix="motekit-") as folder:
        arguments = ["write-flash", *_how(regions, erase, before)]
        for i, region in enumerate(regions):
            path = Path(folder) / str(i)
            path.write_bytes(region.data)
            arguments += [hex(region.offset), str(path)]
        _run(port, baud, arguments, before=False, after="hard-reset", listen=listen)
    return written


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


def _run(
    port: str,
    baud: int,
    arguments: Sequence[str],
    *,
    before: bool,
    after: str,
    listen: Callable[[str], None] = lambda _: None,
) -> str:
    """Run esptool to its end and return its words; EsptoolError when it fails or falls silent."""
    argv = [sys.executable, "-m", "esptool", "--port", port, "--baud", str(baud)]
    argv += ["--before", "default-reset" if before else "no-reset", "--after", after, *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "200"}
    words: list[str] = []
    with subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=environment,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in _Lines(process, port):
                words.append(line)
                del words[:-_TAIL_LINES]
                listen(line)
            code = process.wait(SILENCE_S)
        except BaseException:
            process.kill()
            raise
    said = "".join(words)
    if code:
        raise EsptoolError(f"{port}: {_why(said)}", said)
    return said


class _Lines:
    """The lines of a program as they come; EsptoolError when none comes for a while."""

    def __init__(self, process: "subprocess.Popen[str]", port: str) -> None:
        self._port = port
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._pump, args=(process,), daemon=True).start()

    def _pump(self, process: "subprocess.Popen[str]") -> None:
        if process.stdout:
            for line in process.stdout:
                self._queue.put(line)
        self._queue.put(None)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        begun = time.monotonic()
        try:
            line = self._queue.get(timeout=SILENCE_S)
        except queue.Empty:
            quiet = time.monotonic() - begun
            raise EsptoolError(
                f"{self._port}: esptool has said nothing for {quiet:.0f} s; is the board pulled?"
            ) from None
        if line is None:
            raise StopIteration
        return line


def _why(said: str) -> str:
    """Return the line that tells why esptool failed."""
    if "No module named esptool" in said:
        return "esptool is missing: pip install 'motekit[flash]' brings it"
    found = [each[0] for each in _FATAL.finditer(said)]
    if found:
        return found[-1].removeprefix("A fatal error occurred:").strip()
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "esptool failed and said nothing"


def _first(pattern: re.Pattern[str], said: str) -> str | None:
    found = pattern.search(said)
    return found[1] if found else None

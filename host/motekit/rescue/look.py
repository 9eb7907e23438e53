"""Looks at a board of which nothing is known, from what disturbs least to what resets it.

    the port -> hello over the link -> what it says by itself -> its prompt -> its loader

A firmware that answers is asked, and left running. Only where none answers is the prompt asked
for, which stops the program that runs; only where there is no prompt either is the chip reset into
its loader, to look at its flash. What is unsent is in RAM: it outlasts the prompt, not the loader,
where nothing could have asked for it any more.
"""

import contextlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar, cast

import serial

from motekit import board as boards
from motekit.board import Board
from motekit.chips import CHIPS
from motekit.client import Client, NoKeyError
from motekit.errors import LinkError
from motekit.flash import image, partitions
from motekit.flash.image import ImageError
from motekit.flasher.esptool import FAST_BAUD, RESET, SLOW_BAUD, Chip, Esptool, EsptoolError
from motekit.keys import Host, KeyStore
from motekit.prompt.raw import PromptError, RawPrompt
from motekit.rescue import settings
from motekit.rescue.evidence import Evidence, Flash
from motekit.rescue.files import about
from motekit.transports.serial import (
    PortBusyError,
    PortForbiddenError,
    PortGoneError,
    SerialPipe,
    open_port,
)

GREET_S = 4.0
LISTEN_S = 3.5  # MicroPython repeats what it has to say of a broken file system every 3 s
_MORE = 3
PROMPT_S = 6.0
CONNECT_TRIES = 3  # of esptool's, each some 2.5 s with a chip that does not answer
BROKEN_FILES = "filesystem appears to be corrupted"
OURS = ("/lib/motefw/", "/motefw/")
_CONCLUSIVE = re.compile(r"(?s)(?:rst:0x.*){2}|" + BROKEN_FILES)
HEAD_BYTES = partitions.TABLE_OFFSET + partitions.TABLE_BYTES
_APP_HEAD_BYTES = 0x1000
# Of a log its first sector, of files both of their superblocks.
_BEGINNINGS = {"log": ("a log", 0x1000), "vfs": ("a file system", 0x2000)}
_TRIES = 3
_PIECE_BYTES = 0x20000  # of a line that is bad: half a minute
_COUNTS = ("files_free_bytes", "queue_dropped")
_DEVICE = re.compile(r"[0-9a-f]{12}")  # it names folders
_T = TypeVar("_T")


def look(
    port: str,
    board: Board | None = None,
    *,
    keys: KeyStore | None = None,
    resume: bool = True,
    on_step: Callable[[str], None] = lambda _: None,
) -> Evidence:
    """Return what can be found out about the board at a port; nothing is raised.

    `board`: what it should be, if that is known. `keys` None: the user's key store. `resume`:
    start again what was stopped to look, unless it has packets in RAM, which a start would lose.
    """
    found = Evidence(port)
    try:
        _greet(found, on_step, keys)
        if found.hello is None and not (found.locked or found.unread):
            _listen(found, on_step)
            if not _conclusive(found.heard) or BROKEN_FILES in found.heard:
                _ask_prompt(found, board, on_step, resume=resume)
                _ask_whose(found, keys)
            if not found.prompt or _is_unknown(found):
                _ask_loader(found, board, on_step)
    except PortGoneError as e:
        _port_failed(found, "gone", e)
    except PortBusyError as e:
        _port_failed(found, "busy", e)
    except PortForbiddenError as e:
        _port_failed(found, "forbidden", e)
    except LinkError as e:
        _port_failed(found, "failed", e)
    return found


def _is_unknown(found: Evidence) -> bool:
    """Tell whether nothing says what board it is, and a reset would lose nothing."""
    files = found.files
    known = not files or files.chip or files.firmware or settings.board_name(files.read)
    return not (known or found.unsent_bytes)


def greet(port: str, wait_s: float, keys: KeyStore | None = None) -> Evidence:
    """Return what a firmware tells of itself that starts just now."""
    found = Evidence(port)
    try:
        _greet(found, lambda _: None, keys, wait_s)
    except LinkError as e:
        _port_failed(found, "failed", e)
    return found


def _port_failed(found: Evidence, state: str, error: LinkError) -> None:
    found.port_state = state
    found.port_error = str(error).removeprefix(f"{found.port}: ")


# The link.


def _greet(
    found: Evidence,
    on_step: Callable[[str], None],
    keys: KeyStore | None,
    wait_s: float | None = None,
) -> None:
    """Say hello; ask a firmware that answers how it is."""
    on_step("hello")
    pipe = SerialPipe(found.port)
    try:
        client = Client(pipe, keys or KeyStore.load(), Host())
        try:
            found.hello = client.probe(wait_s or GREET_S)
            if found.hello is not None:
                found.device = found.hello.device
                found.status = _status(client)
        except NoKeyError as e:
            found.locked = str(e).removeprefix(f"{found.port}: ")
            found.device = found.device or client.stranger
        found.unread = 0 if found.hello or found.locked else client.bad_messages
    finally:
        pipe.close()


def _status(client: Client) -> dict[str, object]:
    try:
        told = cast("dict[str, object]", client.request("status", {"files": True}))
        return {name: value for name, value in told.items() if _is_told(name, value)}
    except NoKeyError:
        raise
    except (LinkError, TypeError, ValueError):
        return {}  # it said hello; that it says no more is told by an empty status


def _is_told(name: str, value: object) -> bool:
    """Tell whether a field of a status is as our firmware tells it, another's may be anything."""
    if name == "sensors":
        rows = cast("list[object]", value) if isinstance(value, list) else [None]
        return all(isinstance(row, dict) for row in rows)
    return name not in _COUNTS or type(value) is int


# What it says by itself, and to a line end.


def _listen(found: Evidence, on_step: Callable[[str], None]) -> None:
    """Listen, until it is clear what it says; a prompt answers a line end, or leaves raw mode."""
    on_step("listening")
    with contextlib.closing(open_port(found.port)) as port:
        begun = time.monotonic()
        typing = [(0.0, b"\r\n"), (1.0, b"\x02")]  # Ctrl-B leaves raw mode
        heard = b""
        while not _conclusive(found.heard) and time.monotonic() - begun < _patience_s(found.heard):
            if typing and time.monotonic() - begun >= typing[0][0]:
                _type(port, found.port, typing.pop(0)[1])
            heard = (heard + _read(port, found.port))[-8192:]
            found.heard = heard.decode("utf-8", "replace")
            if heard.endswith((b">>> ", b"... ")):
                found.prompt = "waiting"
                return


def _patience_s(heard: str) -> float:
    """Return how long to listen: for the second of two resets a while more."""
    return LISTEN_S * (_MORE if "rst:0x" in heard else 1)


def _type(port: serial.Serial, name: str, keys: bytes) -> None:
    try:
        port.write(keys)
    except serial.SerialTimeoutException:
        return  # what holds its line answers nobody
    except OSError as e:
        raise PortGoneError(f"{name}: unplugged or closed") from e


def _conclusive(heard: str) -> bool:
    return bool(_CONCLUSIVE.search(heard))


def _read(port: serial.Serial, name: str) -> bytes:
    try:
        return bytes(port.read(max(port.in_waiting, 1)))
    except OSError as e:
        raise PortGoneError(f"{name}: unplugged or closed") from e


# The prompt.


def _ask_prompt(
    found: Evidence, board: Board | None, on_step: Callable[[str], None], *, resume: bool
) -> None:
    """Ask for a prompt, stopping what runs; look at the files from there."""
    on_step("prompt")
    waiting = found.prompt == "waiting"
    try:
        with RawPrompt.open(found.port, PROMPT_S) as prompt:
            found.prompt = found.prompt or "interrupted"
            found.device, found.unsent_bytes, found.files = about(prompt, board)
            if resume and not waiting and not found.unsent_bytes:
                prompt.restart()
            else:
                prompt.leave()
    except PromptError:
        found.prompt = ""  # none, or one that does not do what it is told: the loader is next


def _ask_whose(found: Evidence, keys: KeyStore | None) -> None:
    """Find out whether a board that was looked at from its prompt is of another fleet."""
    if found.files:
        store = keys or KeyStore.load()
        found.elsewhere = settings.elsewhere(found.files.read, found.device, store)


# The loader.


def _ask_loader(found: Evidence, board: Board | None, on_step: Callable[[str], None]) -> None:
    """Reset the chip into its loader, look at its flash, and have it boot again."""
    on_step("loader")
    tool = Esptool(found.port, attempts=CONNECT_TRIES)
    try:
        found.chip, head = again(tool, lambda: tool.identify(0, HEAD_BYTES))
        found.device = found.chip.mac
        tool.baud = FAST_BAUD
        chip = found.chip.name
        found.flash = again(tool, lambda: examine(tool, chip, head))
        if found.flash.blank:
            there = beginnings(found.chip, board)
            lies = again(tool, lambda: remains(tool, there))
            found.flash = replace(found.flash, remains=lies)
        tool.let_go()
    except EsptoolError as e:
        found.chip_error = str(e).removeprefix(f"{found.port}: ")


def again(tool: Esptool, do: Callable[[], _T]) -> _T:
    """Do it; where a line is bad, or what a program prints comes in between, slower and anew.

    Anew means from a reset on: a chip that was too long alone runs what is in its flash.
    """
    for _ in range(_TRIES - 1):
        try:
            return do()
        except EsptoolError as e:
            if "Failed to connect" in str(e):
                raise
            tool.baud, tool.before = SLOW_BAUD, RESET
    return do()


def read_all(tool: Esptool, offset: int, size: int) -> bytes:
    """Return a large piece of flash; of a bad line in pieces, so that a bad byte costs one."""
    with contextlib.suppress(EsptoolError):
        return tool.read(offset, size)
    tool.baud, tool.before = SLOW_BAUD, RESET
    starts = range(offset, offset + size, _PIECE_BYTES)
    sizes = [min(_PIECE_BYTES, offset + size - at) for at in starts]
    return b"".join(
        again(tool, lambda at=at, n=n: tool.read(at, n))
        for at, n in zip(starts, sizes, strict=True)
    )


class Readable(Protocol):
    """A flash that can be read, as `Esptool` does."""

    def read(self, offset: int, size: int) -> bytes:
        """Return a piece of flash."""
        ...


def examine(tool: Readable, chip: str, head: bytes) -> Flash:
    """Return what is in flash, as the chip would judge it at boot; EsptoolError.

    `head` is its beginning, HEAD_BYTES long: bootloader and partition table.
    """
    start = CHIPS[chip].bootloader_offset
    boot, table = head[start : partitions.TABLE_OFFSET], head[-partitions.TABLE_BYTES :]
    if not head.strip(b"\xff"):
        return Flash(blank=True)
    boot_fault, other = judge(boot, chip)
    try:
        entries = partitions.read(table)
    except partitions.TableError as e:
        fault = str(e) if table.strip(b"\xff") else "blank"
        where, size = partitions.ELSEWHERE_OFFSET, partitions.ELSEWHERE_BYTES
        if fault == "blank" and (found := partitions.elsewhere(tool.read(where, size))):
            return Flash(False, boot_fault, found[1], "", "", other)
        return Flash(False, boot_fault, (), fault, "", other)
    app = next((each for each in entries if each.type == partitions.APP), None)
    if app is None:
        return Flash(False, boot_fault, entries, "has no partition with a program", "", other)
    begin = tool.read(app.offset, _APP_HEAD_BYTES)
    app_fault, app_chip = judge(begin, chip, whole=False)
    if not (boot_fault or app_fault):
        app_fault, app_chip = judge(tool.read(app.offset, app.size), chip)
    return Flash(False, boot_fault, entries, "", app_fault, other or app_chip)


def beginnings(chip: Chip, board: Board | None) -> dict[tuple[str, int], int]:
    """Return where a board, or any known one with such a chip, has files and a log.

    By what lies there and its offset, how much of its beginning shows that it does.
    """
    known = [board] if board else [boards.load(name) for name in boards.names()]
    able = [each for each in known if each.chip.name == chip.name]
    return {
        (what, there.offset): size
        for each in able
        if each.flash_bytes <= (chip.flash_bytes or each.flash_bytes)
        for label, (what, size) in _BEGINNINGS.items()
        if (there := partitions.find(partitions.of_board(each), label))
    }


def remains(tool: Readable, there: Mapping[tuple[str, int], int]) -> str:
    """Return what lies in a flash whose beginning is blank, "" for nothing; EsptoolError."""
    return " and ".join(
        f"{what} at 0x{offset:x}"
        for (what, offset), size in there.items()
        if tool.read(offset, size).strip(b"\xff")
    )


def judge(data: bytes, chip: str, *, whole: bool = True) -> tuple[str, str]:
    """Return (what is wrong with an image, the chip that it is for if that is another)."""
    if not data.strip(b"\xff"):
        return "blank", ""
    try:
        of = image.chip_of(data)
    except ImageError as e:
        return str(e).removeprefix("image: "), ""
    if of != chip:
        return f"is for an {of}", of
    if not whole:
        return "", ""
    try:
        image.read(data)
    except ImageError as e:
        return str(e).removeprefix("image: "), ""
    return "", ""

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
from collections.abc import Callable
from typing import TypeVar, cast

import serial

from motekit.board import Board
from motekit.client import Client, NoKeyError
from motekit.errors import LinkError
from motekit.flash import partitions
from motekit.flasher.esptool import FAST_BAUD, SLOW_BAUD, Esptool, EsptoolError
from motekit.keys import Host, KeyStore
from motekit.prompt.raw import PromptError, RawPrompt
from motekit.rescue import board_files, board_flash
from motekit.rescue.evidence import Evidence
from motekit.transports.serial import (
    PortBusyError,
    PortForbiddenError,
    PortGoneError,
    SerialPipe,
    open_port,
)

GREET_S = 4.0
LISTEN_S = 3.5  # MicroPython repeats what it has to say of a broken file system every 3 s
PROMPT_S = 6.0
CONNECT_TRIES = 3  # of esptool's, each some 2.5 s with a chip that does not answer
BROKEN_FILES = "filesystem appears to be corrupted"
_CONCLUSIVE = re.compile(r"(?s)(?:rst:0x.*){2}|" + BROKEN_FILES)
_TRIES = 3
_COUNTS = ("files_free_bytes", "queue_dropped")
_T = TypeVar("_T")


def look(
    port: str,
    board: Board | None = None,
    *,
    resume: bool = True,
    on_step: Callable[[str], None] = lambda _: None,
) -> Evidence:
    """Return what can be found out about the board at a port; nothing is raised.

    `board`: what it should be, if that is known. `resume`: start again what was stopped to look,
    unless it has packets in RAM, which a start would lose.
    """
    found = Evidence(port)
    try:
        _greet(found, on_step)
        if found.hello is None and not found.locked:
            _listen(found, on_step)
            if not _conclusive(found.heard) or BROKEN_FILES in found.heard:
                _ask_prompt(found, board, on_step, resume=resume)
            if not found.prompt:
                _ask_loader(found, on_step)
    except PortGoneError as e:
        _port_failed(found, "gone", e)
    except PortBusyError as e:
        _port_failed(found, "busy", e)
    except PortForbiddenError as e:
        _port_failed(found, "forbidden", e)
    except LinkError as e:
        _port_failed(found, "failed", e)
    return found


def greet(port: str, wait_s: float) -> Evidence:
    """Return what a firmware tells of itself that starts just now."""
    found = Evidence(port)
    try:
        _greet(found, lambda _: None, wait_s)
    except LinkError as e:
        _port_failed(found, "failed", e)
    return found


def _port_failed(found: Evidence, state: str, error: LinkError) -> None:
    found.port_state = state
    found.port_error = str(error).removeprefix(f"{found.port}: ")


# The link.


def _greet(found: Evidence, on_step: Callable[[str], None], wait_s: float | None = None) -> None:
    """Say hello; ask a firmware that answers how it is."""
    on_step("hello")
    pipe = SerialPipe(found.port)
    try:
        client = Client(pipe, KeyStore.load(), Host())
        try:
            found.hello = client.probe(wait_s or GREET_S)
            if found.hello is not None:
                found.device = found.hello.device
                found.status = _status(client)
        except NoKeyError as e:
            found.locked = str(e).removeprefix(f"{found.port}: ")
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
        while time.monotonic() - begun < LISTEN_S and not _conclusive(found.heard):
            if typing and time.monotonic() - begun >= typing[0][0]:
                _type(port, found.port, typing.pop(0)[1])
            heard = (heard + _read(port, found.port))[-8192:]
            found.heard = heard.decode("utf-8", "replace")
            if heard.endswith((b">>> ", b"... ")):
                found.prompt = "waiting"
                return


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
            found.device, found.unsent_bytes, found.files = board_files.about(prompt, board)
            if resume and not waiting and not found.unsent_bytes:
                prompt.restart()
            else:
                prompt.leave()
    except PromptError:
        found.prompt = ""  # none, or one that does not do what it is told: the loader is next


# The loader.


def _ask_loader(found: Evidence, on_step: Callable[[str], None]) -> None:
    """Reset the chip into its loader, look at its flash, and have it boot again."""
    on_step("loader")
    tool = Esptool(found.port, attempts=CONNECT_TRIES)
    try:
        found.chip, head = again(tool, lambda: tool.identify(0, board_flash.HEAD_BYTES))
        found.device = found.chip.mac
        tool.baud = FAST_BAUD
        chip = found.chip.name
        found.flash = again(tool, lambda: board_flash.examine(tool, chip, head))
        tool.let_go()
    except EsptoolError as e:
        found.chip_error = str(e).removeprefix(f"{found.port}: ")


def again(tool: Esptool, do: Callable[[], _T]) -> _T:
    """Do it; where a line is bad, or what a program prints comes in between, slower and anew."""
    for _ in range(_TRIES - 1):
        try:
            return do()
        except EsptoolError as e:
            if "Failed to connect" in str(e):
                raise
            tool.baud = SLOW_BAUD
            with contextlib.suppress(EsptoolError):
                tool.identify(0, partitions.TABLE_BYTES)
    return do()

"""A board's configuration over its link: read with its marks, sent in pieces, tried, kept.

What goes to a board is text, and its mark the first 8 bytes of the text's SHA-256: the board tells
the mark of the file that it has, so what is read back is the file, byte by byte.

Ref: SPEC.md, section "Configuration".
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from motekit.client import RefusedError
from motekit.errors import LinkError

from .paths import Config

Ask = Callable[[str, Mapping[str, Any]], Any]  # name and arguments of a request, to its result
MARK_BYTES = 8
PIECE_BYTES = 200  # twice that where each is a quote: what a small heap has room for
_UNKNOWN = "command: config.mark"


@dataclass(frozen=True)
class Marks:
    """Which configurations are on a board, None: no such; see the firmware's `configure`."""

    kept: str | None
    next: str | None
    trial: str | None


@dataclass(frozen=True)
class Held:
    """What a board has: its configuration, `error` where it is broken, and the marks."""

    config: Config
    marks: Marks
    error: str = ""


def mark_of(data: bytes) -> str:
    """Return the mark of a configuration's text."""
    return hashlib.sha256(data).digest()[:MARK_BYTES].hex()


def read(ask: Ask) -> Held:
    """Return what a board has; LinkError for an answer that cannot be.

    The marks are asked for first: what somebody changes after that is refused with them.
    """
    found = marks(ask)
    try:
        config = _table(ask("config.get", {}), "config.get")
    except RefusedError as error:
        return Held({}, found, str(error))
    return Held(config, found)


def marks(ask: Ask) -> Marks:
    """Return the marks of the configurations on a board."""
    try:
        told = _table(ask("config.mark", {}), "config.mark")
    except RefusedError as error:
        if _UNKNOWN in str(error):
            raise LinkError(
                "its firmware is older than this: it can be read (config get), not changed;"
                " `motekit flash` brings the firmware of this motekit, configuration and keys stay"
            ) from None
        raise
    return Marks(*(_mark(told, name) for name in ("kept", "next", "trial")))


def send(ask: Ask, config: Mapping[str, Any], was: Marks) -> str:
    """Have a board check a configuration and try it at its next boot; return its mark.

    Raises RefusedError with what the firmware has against it, or if the configuration that was
    kept is not the one of `was` any more.
    """
    data = json.dumps(config, ensure_ascii=False, separators=(",", ":")).encode()
    at = 0
    for piece in _pieces(data):
        ask("config.part", {"at": at, "text": piece.decode()})
        at += len(piece)
    mark = mark_of(data)
    try:
        ask("config.set", {"part": mark, "was": was.kept, "trial": True})
    except RefusedError:
        if marks(ask).next != mark:  # else it was done before, and the reply was lost
            raise
    return mark


def keep(ask: Ask, mark: str) -> None:
    """Have a board keep the configuration that it tries."""
    ask("config.keep", {"mark": mark})


def _pieces(data: bytes) -> list[bytes]:
    """Cut UTF-8 where characters begin."""
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        end = min(at + PIECE_BYTES, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(data[at:end])
        at = end
    return pieces


def _mark(told: Mapping[str, Any], name: str) -> str | None:
    value = told.get(name)
    if value is None or (isinstance(value, str) and len(value) == 2 * MARK_BYTES):
        return value
    raise LinkError(f"config.mark: {name} is {str(value)[:40]!r}, 16 digits expected")


def _table(value: Any, name: str) -> Config:
    if not isinstance(value, dict):
        raise LinkError(f"{name}: told {str(value)[:80]!r}, an object expected")
    return cast("Config", value)

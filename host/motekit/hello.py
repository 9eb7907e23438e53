"""What a board says of itself, checked field by field: it comes over a wire."""

import re
from typing import Any, NamedTuple, cast

from motefw import keys, message

from .errors import LinkError
from .plain import plain

_DEVICE = re.compile(r"[0-9a-f]{2,64}")
_NAME_MAX = 200
_ABOUT = (
    *("device", "board", "name", "firmware", "micropython", "encoder"),
    *("reset", "generation", "epoch"),
)
U32_MAX = 0xFFFFFFFF


class Stream(NamedTuple):
    """A sensor's stream, as `hello` lists it."""

    stream: int
    name: str
    driver: str
    schema: int
    state: str | None = None  # of a sensor that the board has left out


class Hello(NamedTuple):
    """The reply to `hello`; `nonce` is new on each boot, `previous_seq` None where unknown."""

    device: str
    board: str
    name: str | None
    firmware: str
    micropython: str
    encoder: str
    generation: int
    epoch: int
    nonce: bytes
    next_seq: int
    tail_seq: int
    previous_seq: int | None
    reset: str
    uptime_ms: int
    streams: tuple[Stream, ...]

    def about(self) -> dict[str, str | int | None]:
        """Return what the board's boot note tells as well, but for the run before."""
        return {name: getattr(self, name) for name in _ABOUT if getattr(self, name) is not None}


def parse(result: Any) -> Hello:
    """Return the checked reply; LinkError names the field that is wrong and what it holds."""
    fields = _Fields(result, "hello")
    device = fields.text("device")
    if not _DEVICE.fullmatch(device):
        raise LinkError(f"hello: device {device!r} is no lower-case hex id")
    return Hello(
        device=device,
        board=fields.text("board"),
        name=_name(fields),
        firmware=fields.text("firmware"),
        micropython=fields.text("micropython"),
        encoder=fields.text("encoder"),
        generation=fields.number("generation", keys.GENERATION_MAX),
        epoch=fields.number("epoch"),
        nonce=_nonce(fields.text("nonce")),
        next_seq=fields.number("next_seq"),
        tail_seq=fields.number("tail_seq"),
        previous_seq=_optional(fields, "previous_seq"),
        reset=fields.text("reset"),
        uptime_ms=fields.number("uptime_ms", 1 << 62),
        streams=tuple(_stream(row) for row in fields.rows("streams")),
    )


def _name(fields: "_Fields") -> str | None:
    """Return the name that somebody gave the board: an odd one keeps nobody from changing it."""
    name = fields.get("name")
    if isinstance(name, str):
        return plain(name)[:_NAME_MAX]
    return None if name is None else fields.text("name")


def _optional(fields: "_Fields", name: str) -> int | None:
    return None if fields.get(name) is None else fields.number(name)


def _nonce(text: str) -> bytes:
    try:
        nonce = bytes.fromhex(text)
    except ValueError:
        nonce = b""
    if len(nonce) != message.NONCE_BYTES:
        raise LinkError(f"hello: nonce {text!r} is not 16 hex digits")
    return nonce


def _stream(row: Any) -> Stream:
    fields = _Fields(row, "hello: stream")
    return Stream(
        fields.number("stream", 15),
        fields.text("name"),
        fields.text("driver"),
        fields.number("schema", 15),
        None if fields.get("state") is None else fields.text("state"),
    )


class _Fields:
    """An object out of JSON, whose fields are asked for by type."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise LinkError(f"{where}: {str(value)[:80]!r} is no object")
        self._fields = cast("dict[str, Any]", value)
        self._where = where

    def get(self, name: str) -> Any:
        return self._fields.get(name)

    def text(self, name: str) -> str:
        value = self.get(name)
        if not isinstance(value, str) or len(value) > 200 or not value.isprintable():
            raise LinkError(f"{self._where}: {name} is {str(value)[:80]!r}, a text expected")
        return value

    def number(self, name: str, most: int = U32_MAX) -> int:
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise LinkError(f"{self._where}: {name} is {str(value)[:80]!r}, 0 to {most} expected")
        return value

    def rows(self, name: str) -> list[Any]:
        value = self.get(name)
        if not isinstance(value, list):
            raise LinkError(f"{self._where}: {name} is {str(value)[:80]!r}, a list expected")
        return cast("list[Any]", value)

"""What a firmware that was stopped has left in RAM, asked for at its prompt over its line.

Its queue lies there until it is started (`motefw.app.unsent`). It is typed for as a person would,
in lines that fit a board's input buffer, and comes as lines of text with a SHA-256 behind them.
"""

import binascii
import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple

from motekit.errors import LinkError
from motekit.keys import KeyStore
from motekit.store import Head, read_headers
from motekit.transports import Pipe
from motekit.transports.link import Log

PROMPT = ">>> "
ASK_S = 5.0
BYTES_A_SECOND = 2_000  # a queue comes over at thrice that
_TRIES = 3
_HEAD_BYTES = 2
_WHO = (
    "import machine,hashlib,binascii as _b;"
    "_r,_a,_u=getattr(globals().get('app'),'unsent',0)or[[b''],0,0];_p=len(_r[0]);"
    "print('=',machine.unique_id().hex(),_u)"
)
_QUEUE = (
    'exec("_h=hashlib.sha256()\\n'
    "while _u:\\n i=_a%_p;n=min(252,_u,_p-i);_c=bytes(_r[_a//_p][i:i+n]);_h.update(_c)\\n"
    " print('=',_b.b2a_base64(_c).decode(),end='');_a=(_a+n)%(_p*len(_r));_u-=n\\n"
    "print('#',_h.digest().hex())\")"
)
_WHOSE = re.compile(r"= ([0-9a-f]{2,64}) ([0-9]{1,7})")


class ForeignError(LinkError):
    """What a board has left is under keys that this host has not."""


class Left(NamedTuple):
    """The packets of a board's queue, oldest first; `rest` bytes at its end are none."""

    device: str
    packets: tuple[bytes, ...]
    rest: int

    @property
    def generations(self) -> frozenset[int]:
        """Return the generations of keys that packets name; 0: those of no fleet."""
        heads = read_headers(self.packets)
        return frozenset(each.generation for each in heads if isinstance(each, Head))

    def check_keys(self, key_store: KeyStore, port: str) -> None:
        """Raise ForeignError if no tag holds under the keys of this host: they are others'."""
        verifiers = [key_store.verifier(self.device, each) for each in self.generations]
        if self.packets and not any(
            each.holds(data) for each in verifiers if each for data in self.packets
        ):
            raise ForeignError(
                f"{port}: {self.device} is at its prompt and holds {len(self.packets)} packets "
                f"under keys that this host has not: set MOTEKIT_KEYS to the key store of the "
                f"board's fleet"
            )


def packets(data: bytes) -> tuple[list[bytes], int]:
    """Return the packets of a queue, and how many bytes at its end are none."""
    found: list[bytes] = []
    at = 0
    while at + _HEAD_BYTES <= len(data):
        size = int.from_bytes(data[at : at + _HEAD_BYTES], "little")
        if not size or at + _HEAD_BYTES + size > len(data):
            break
        found.append(data[at + _HEAD_BYTES : at + _HEAD_BYTES + size])
        at += _HEAD_BYTES + size
    return found, len(data) - at


def ask(pipe: Pipe, check: Callable[[], None]) -> Left | None:
    """Return what a board at its prompt holds in RAM, None for nothing; `check` may end the wait.

    LinkError if there is something that does not come over. Another program than ours has nothing.
    """
    size = 0
    for _ in range(_TRIES):
        told = _whose(_type(pipe, _WHO, ASK_S, check))
        if told is None or not told[1]:
            return None
        device, size = told
        lines = _type(pipe, _QUEUE, ASK_S + size / BYTES_A_SECOND, check)
        data = _joined(lines)
        if data is not None and len(data) == size:
            found, rest = packets(data)
            return Left(device, tuple(found), rest)
    raise LinkError(
        f"{pipe.name}: its firmware was stopped and holds {size:,} bytes of packets, which came"
        f" over garbled {_TRIES} times; it is left at its prompt; `motekit rescue` may do better"
    )


def _whose(lines: list[str]) -> tuple[str, int] | None:
    found = next((match for line in lines if (match := _WHOSE.fullmatch(line))), None)
    return (found[1], int(found[2])) if found else None


def _joined(lines: list[str]) -> bytes | None:
    """Return the bytes of lines with their hash; None if a byte was lost or changed."""
    try:
        data = b"".join(binascii.a2b_base64(line[2:]) for line in lines if line.startswith("= "))
    except ValueError:
        return None
    return data if f"# {hashlib.sha256(data).hexdigest()}" in lines else None


def _type(pipe: Pipe, code: str, wait_s: float, check: Callable[[], None]) -> list[str]:
    """Type a line at a prompt; return the lines that come before the next one."""
    now = pipe.clock.monotonic
    end = now() + wait_s
    before = pipe.stats.bytes_in
    pipe.typed(code.encode() + b"\r")
    lines: list[str] = []
    while now() < end and not (pipe.stats.bytes_in > before and pipe.tail() == PROMPT):
        check()
        events = pipe.receive(min(0.25, max(end - now(), 0.0)))
        lines += [event.text for event in events if isinstance(event, Log)]
    return lines

"""What a firmware that was stopped has left in RAM, asked for at its prompt over its line.

Its queue lies there until it is started (`motefw.app.unsent`). It is typed for as a person would,
in lines that fit a board's input buffer, and comes as lines of text with a SHA-256 behind them.
"""

import binascii
import hashlib
import re
import shlex
from collections.abc import Callable
from typing import NamedTuple

from motekit.errors import LinkError
from motekit.keys import KeyStore
from motekit.store import Head, read_headers
from motekit.transports import Pipe
from motekit.transports.link import Log

PROMPT = ">>> "
CONTINUED = "... "
CTRL_C = b"\x03"
ASK_S = 5.0
SETTLE_S = 0.6
QUIET_S = 0.25
BYTES_A_SECOND = 2_000  # a queue comes over at thrice that
_TRIES = 3
_HEAD_BYTES = 2
_WHO = (
    "import machine,hashlib,binascii as _b;"
    "_r,_a,_u=getattr(globals().get('app'),'unsent',0)or[[b''],0,0];_p=len(_r[0]);"
    "_w=machine.unique_id().hex(),_u;print('=',*(_w+_w))"
)
_QUEUE = (
    'exec("_h=hashlib.sha256()\\n'
    "while _u:\\n i=_a%_p;n=min(252,_u,_p-i);_c=bytes(_r[_a//_p][i:i+n]);_h.update(_c)\\n"
    " print('=',_b.b2a_base64(_c).decode(),end='');_a=(_a+n)%(_p*len(_r));_u-=n\\n"
    "print('#',_h.digest().hex())\")"
)
_WHOSE = re.compile(r"= ([0-9a-f]{2,64}) ([0-9]{1,7}) \1 \2")  # twice: a bad byte shows
# What has not even these cannot run motefw. The names are ours: so no byte of them was lost.
_FOREIGN = re.compile(
    r"(ImportError|ModuleNotFoundError): [Nn]o module named '(machine|hashlib|binascii)'"
    r"|AttributeError: .* has no attribute '(unique_id|hex)'.*"
)
_NOTHING = ("", 0)
NO_PACKETS = "behind the last packet in a stopped firmware's queue: no packets (damaged length)"


class ForeignError(LinkError):
    """What a board has left is under keys that this host has not."""


class Left(NamedTuple):
    """The packets of a board's queue, oldest first; the `rest` at its end is none."""

    device: str
    packets: tuple[bytes, ...]
    rest: bytes

    @property
    def contents(self) -> str:
        """Return what there is, to be told."""
        damaged = f" and {len(self.rest)} bytes that are no packets" if self.rest else ""
        return f"{len(self.packets)} packets{damaged}"

    def told(self, aside: int) -> str:
        """Return what to tell when all is kept, `aside` packets of it in quarantine."""
        return (
            f"{self.device} was at its prompt, its firmware stopped: "
            f"{len(self.packets) - aside} packets taken out of its RAM"
            f"{also_aside(aside, len(self.rest))}, now it is started"
        )

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


def packets(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the packets of a queue, and what at its end is none: a length was damaged in RAM."""
    found: list[bytes] = []
    at = 0
    while at + _HEAD_BYTES <= len(data):
        size = int.from_bytes(data[at : at + _HEAD_BYTES], "little")
        if not size or at + _HEAD_BYTES + size > len(data):
            break
        found.append(data[at + _HEAD_BYTES : at + _HEAD_BYTES + size])
        at += _HEAD_BYTES + size
    return found, data[at:]


def also_aside(packets: int, rest_bytes: int) -> str:
    """Return what to tell of packets, and bytes that are none, which went into quarantine."""
    told = f", {packets} set aside" if packets else ""
    return told + (f", {rest_bytes} bytes set aside that are no packets" if rest_bytes else "")


def ask(pipe: Pipe, check: Callable[[], None]) -> Left | None:
    """Return what a board at its prompt holds in RAM, None for nothing; `check` may end the wait.

    Nothing is what is said twice, as a start loses the rest: what was typed may have suffered,
    too. LinkError if there may be something that does not come over. Another program has nothing.
    """
    size = garbled = empty = 0
    while garbled < _TRIES:
        if garbled:
            _settle(pipe, check)
        told = _whose(_type(pipe, _WHO, ASK_S, check))
        if told is None:
            garbled += 1
            continue
        device, size = told
        if not size:
            empty += 1
            if empty > 1:
                return None
            continue
        lines = _type(pipe, _QUEUE, ASK_S + size / BYTES_A_SECOND, check)
        data = _joined(lines)
        if data is not None and len(data) == size:
            found, rest = packets(data)
            return Left(device, tuple(found), rest)
        garbled += 1
    what = f"and holds {size:,} bytes of packets, which" if size else "and what it holds in RAM"
    raise LinkError(
        f"{pipe.name}: its firmware was stopped {what} came over garbled {_TRIES} times; it"
        " is left at its prompt, which loses nothing for ten minutes; try again with a shorter"
        f" cable and no hub; `motekit rescue {shlex.quote(pipe.name)} --store FILE` may do better"
    )


def _whose(lines: list[str]) -> tuple[str, int] | None:
    """Return whose queue it is and its bytes; None if the answer is none, or was damaged."""
    if any(_FOREIGN.fullmatch(line) for line in lines):
        return _NOTHING
    found = next((match for line in lines if (match := _WHOSE.fullmatch(line))), None)
    return (found[1], int(found[2])) if found else None


def _joined(lines: list[str]) -> bytes | None:
    """Return the bytes of lines with their hash; None if a byte was lost or changed."""
    try:
        data = b"".join(binascii.a2b_base64(line[2:]) for line in lines if line.startswith("= "))
    except ValueError:
        return None
    return data if f"# {hashlib.sha256(data).hexdigest()}" in lines else None


def _settle(pipe: Pipe, check: Callable[[], None]) -> None:
    """Have the prompt anew, which may be in the middle of a line that has lost a byte."""
    _type(pipe, "", SETTLE_S, check)
    if _last_line(pipe).startswith(CONTINUED):
        pipe.typed(CTRL_C)
        _type(pipe, "", SETTLE_S, check)


def _type(pipe: Pipe, code: str, wait_s: float, check: Callable[[], None]) -> list[str]:
    """Type a line at a prompt; return the lines that come before the next one.

    Where noise is among what came, the link gives no lines out: they are in its tail then.
    """
    now = pipe.clock.monotonic
    end = now() + wait_s
    begin, heard = pipe.tail(), pipe.stats.bytes_in
    pipe.typed(code.encode() + b"\r")
    lines: list[str] = []
    before, quiet = heard, False
    while now() < end and not (heard > before and _is_back(pipe, quiet)):
        check()
        events = pipe.receive(min(QUIET_S, max(end - now(), 0.0)))
        lines += [event.text for event in events if isinstance(event, Log)]
        quiet = not events and pipe.stats.bytes_in == heard
        heard = pipe.stats.bytes_in
    return lines + pipe.tail().removeprefix(begin).splitlines()


def _is_back(pipe: Pipe, quiet: bool) -> bool:
    """Tell whether a prompt waits; one behind noise does when nothing has come for a while."""
    waits = _last_line(pipe) if quiet else pipe.tail()
    return waits == PROMPT or (waits.startswith(CONTINUED) and not waits.strip(". "))


def _last_line(pipe: Pipe) -> str:
    return pipe.tail().rpartition("\n")[2]

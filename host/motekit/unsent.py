"""Packets that a board has not delivered: out of its RAM, and into a store if there is one.

A firmware that runs is asked over its link, as always. One that was stopped has left its queue for
whoever is at the prompt (`motefw.app.unsent`): it comes over as it lies in RAM, with its SHA-256,
and its packets go through the ordinary intake, each with its tag.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from motekit.collector import Collector, Limits
from motekit.collector.hub import Notice
from motekit.hello import Hello
from motekit.keys import Host, KeyStore
from motekit.prompt.raw import PromptError, RawPrompt, literal
from motekit.store import Store
from motekit.transports import transport
from motekit.transports.replay import Recorder

COLLECT_S = 30.0  # a queue of 16 KiB takes two
_TRIES = 5
_PIECE_S = 20.0
_PIECE_BYTES = 2048
_QUEUE = """
import hashlib
r,a,u=getattr(globals().get('app'),'unsent',None) or [(),0,0]
k=len(r) and len(r)*len(r[0]);a=(a+{at})%(k or 1);u=min({size},u-{at})
h=hashlib.sha256()
while u>0:
 p=r[a//len(r[0])];i=a%len(p);n=min(256,u,len(p)-i);d=bytes(p[i:i+n])
 h.update(d);print(d);a=(a+n)%k;u-=n
print(h.digest())
"""


class Taken(NamedTuple):
    """How many packets are new in the store, and how many were set aside for their tags."""

    stored: int
    set_aside: int


def queue(prompt: RawPrompt) -> bytes:
    """Return the queue that a stopped firmware has left, its oldest packet first; PromptError."""
    found = b""
    while True:
        piece = _piece(prompt, len(found))
        found += piece
        if len(piece) < _PIECE_BYTES:
            return found


def _piece(prompt: RawPrompt, at: int) -> bytes:
    """Return the piece of the queue that begins at an offset, of a bad line at the next try."""
    code = _QUEUE.format(at=at, size=_PIECE_BYTES)
    for _ in range(_TRIES):
        try:
            *lines, digest = prompt.execute(code, _PIECE_S).splitlines() or ["b''"]
            data = b"".join(cast("bytes", literal(line)) for line in lines)
            if hashlib.sha256(data).digest() == literal(digest):
                return data
        except (ValueError, TypeError):
            continue
        except PromptError:  # what was garbled belonged to the prompt itself
            prompt.enter()
    raise PromptError(
        f"{prompt.name}: the queue came over garbled {_TRIES} times. It stays in the board's RAM"
        " as long as that has power: with a shorter cable and no hub,"
        f" motekit rescue {prompt.name}"
    )


def record(path: Path, device: str, found: Sequence[bytes]) -> None:
    """Write packets as a recording, which `motekit collect replay:FILE` takes."""
    recorder = Recorder(path)
    for each in found:
        recorder.write(device, each)
    recorder.close()


def replay(path: Path, store: Store, key_store: KeyStore) -> Taken:
    """Take a recording into a store."""
    return _collect(f"replay:{path}", store, key_store, Limits())


def collect(port: str, hello: Hello, store: Store, key_store: KeyStore) -> Taken:
    """Collect from a running firmware what it held when it said hello."""
    last = hello.next_seq - 1

    def done() -> bool:
        runs = store.acknowledged(hello.device)
        mine = [s for g, e, s in runs if (g, e) == (hello.generation, hello.epoch)]
        return any(seq is not None and seq >= last for seq in mine)

    return _collect(f"serial:{port}", store, key_store, Limits(for_s=COLLECT_S), done)


def _collect(
    url: str,
    store: Store,
    key_store: KeyStore,
    limits: Limits,
    done: Callable[[], bool] = lambda: False,
) -> Taken:
    set_aside = 0

    def notice(told: Notice) -> None:
        nonlocal set_aside
        set_aside += "set aside" in told.text

    collector = Collector(store, [transport(url)], key_store, Host(), notice)

    def tick() -> None:
        if done():
            collector.stop()

    collector.run(limits, tick)
    return Taken(collector.live.new, set_aside)

"""What a board holds before somebody resets it who has no other reason to talk to it.

A queue lies in RAM, and a reset empties it. So the firmware is asked first, or the prompt that it
was stopped at. Of a board in a fleet, or one that a collector has taken from, nothing is lost
unasked; what one of no fleet has measured in its bag may go. Who speaks as motekit's firmware or
MicroPython does is waited for, and is left alone where it does not tell. What says nothing of that
kind (a blank chip, another program, a board that hangs) has nothing that could be kept.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from motekit import unsent
from motekit.client import Client
from motekit.errors import LinkError
from motekit.flasher.job import Spared
from motekit.hello import Hello
from motekit.keys import KeyStore
from motekit.prompt import stopped
from motekit.prompt.raw import PromptError, RawPrompt
from motekit.prompt.repl import is_micropython
from motekit.provision import delivery
from motekit.provision.guard import RefusedError
from motekit.provision.look import LINK_S, Found, Heard, mapping, over_link
from motekit.transports.patience import opened

# Of who has said nothing. With LINK_S it is longer than a firmware that runs lets one of its tasks
# be late (motefw.app, 10 s): one that is later is not spared by its own watchdog either.
PROMPT_S = 8.0
SPOKE_S = 25.0  # of who has said something: a slow flash, a sensor that holds everything up
_DEVICE = "import machine\nprint(machine.unique_id().hex())"
_ID = re.compile(r"[0-9a-f]{2,64}")
_WAYS = "--store FILE collects them into a store first, --discard gives them up"


@dataclass(frozen=True)
class Held:
    """What a board holds: `packets`, None where nobody can ask; `kept` if they may not be lost.

    `rest_bytes` behind them are none. `stopped`: its firmware does not run. `foreign`: it is of
    another fleet. `blank`: it has no program. `unread`: why somebody who is there did not tell.
    """

    device: str = ""
    packets: int | None = None
    rest_bytes: int = 0
    kept: bool = False
    stopped: bool = False
    foreign: bool = False
    blank: bool = False
    unread: str = ""
    uptime_ms: int = 0


@dataclass(frozen=True)
class Sparing:
    """What is to become of unsent packets; call it with a port before that is reset."""

    key_store: KeyStore
    store: Path | None = None
    discard: bool = False

    def __call__(
        self, port: str, cancelled: Callable[[], bool], on_step: Callable[[str], None]
    ) -> Spared:
        """Return what became of what a board holds; RefusedError."""
        if self.discard:
            return Spared("given up", given_up=True)
        held = ask(port, self.key_store, cancelled)
        return Spared(self.settle(port, held, on_step), held.blank)

    def settle(self, port: str, held: Held, on_step: Callable[[str], None]) -> str:
        """Return what became of what a board holds, "" if that was nothing; RefusedError."""
        if held.blank:
            return ""
        if held.packets is None and not held.foreign and not held.unread:
            return "unknown: nothing answers"
        if self.store is not None and (held.packets or held.rest_bytes) and not held.foreign:
            on_step("collecting")
            return self._collect(port, held, self.store)
        if (held.foreign or held.kept) and not self.discard:
            raise RefusedError(f"{port}: {_said(held)}")
        return f"{_contents(held)} given up" if held.packets or held.rest_bytes else ""

    def _collect(self, port: str, held: Held, store: Path) -> str:
        if not held.stopped:
            delivery.deliver(port, held.device, store, self.key_store)
            return f"{held.packets} packets collected"
        with _prompt(port, SPOKE_S) as prompt:
            return str(delivery.take_left(prompt, held.device, store, self.key_store))


def _contents(held: Held) -> str:
    damaged = f" and {held.rest_bytes} bytes that are no packets" if held.rest_bytes else ""
    return f"{held.packets} packets{damaged}"


def _said(held: Held) -> str:
    if held.unread:
        who = (
            "MicroPython is at its prompt, but"
            if held.stopped
            else "motekit's firmware or MicroPython is heard there, but neither says hello nor"
            " comes to its prompt, and"
        )
        return (
            f"{who} does not tell what it holds in RAM, which a reset loses ({held.unread}): try "
            "again; --discard gives that up"
        )
    if held.foreign:
        return (
            "it is of another fleet, so that nobody can tell what it holds and a reset would lose:"
            " set MOTEKIT_KEYS to the key store of its fleet; --discard gives that up"
        )
    where = "at its prompt, in RAM" if held.stopped else "that a reset loses"
    return f"{held.device} holds {_contents(held)} {where}, which nobody has; {_WAYS}"


def ask(port: str, key_store: KeyStore, cancelled: Callable[[], bool]) -> Held:
    """Return what the board at a port holds; nothing is changed, but that another program ends."""
    heard = Heard()
    found = over_link(port, key_store, cancelled, LINK_S, known=False, ask=_greeted, heard=heard)
    if found is None:
        return _at_prompt(port, key_store, speaks=heard.speaks)
    if found.hello is None:
        return Held(foreign=found.foreign, blank=found.blank)
    return _running(found, found.hello)


def _greeted(client: Client, hello: Hello) -> Found:
    """Tell a board from which somebody has collected from one whose queue has run over."""
    found = Found(hello.device, hello, hello.generation)
    if hello.generation or not hello.tail_seq:
        return found
    dropped = mapping(client.request("status")).get("queue_dropped")
    return replace(found, taken=not isinstance(dropped, int) or hello.tail_seq > dropped)


def _running(found: Found, hello: Hello) -> Held:
    packets = hello.next_seq - hello.tail_seq
    kept = packets > 0 and (hello.generation > 0 or found.taken)
    return Held(hello.device, packets, kept=kept, uptime_ms=hello.uptime_ms)


def _prompt(port: str, wait_s: float) -> RawPrompt:
    return opened(lambda: RawPrompt.open(port, wait_s), port, known=True)


def _found(port: str, *, speaks: bool) -> RawPrompt | None:
    """Return a prompt, None where nobody is who could have one; PromptError if it does not come.

    `speaks`: somebody has been heard already.
    """
    if not speaks:
        try:
            return _prompt(port, PROMPT_S)
        except PromptError as error:
            if not is_micropython(error.heard):
                return None
    return _prompt(port, SPOKE_S)


def _left(prompt: RawPrompt) -> stopped.Left:
    device = prompt.execute(_DEVICE).strip()
    if not _ID.fullmatch(device):
        raise PromptError(f"{prompt.name}: its id is garbled: {device[:40]!r}")
    packets, rest = stopped.packets(unsent.queue(prompt))
    return stopped.Left(device, tuple(packets), rest)


def _at_prompt(port: str, key_store: KeyStore, *, speaks: bool) -> Held:
    reached = False
    try:
        prompt = _found(port, speaks=speaks)
        if prompt is None:
            return Held()
        reached = True
        with prompt:
            left = _left(prompt)
            prompt.leave()
    except PromptError as error:
        why = str(error).removeprefix(f"{port}: ")
        return Held(unread=why, kept=True, stopped=reached)
    count, rest_bytes = len(left.packets), len(left.rest)
    kept = max(left.generations, default=0) > 0 or rest_bytes > count == 0
    held = Held(left.device, count, rest_bytes, kept, stopped=True)
    try:
        left.check_keys(key_store, port)
    except LinkError:
        return replace(held, foreign=True)
    return held

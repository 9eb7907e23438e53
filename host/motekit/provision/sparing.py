"""What a board holds before somebody resets it who has no other reason to talk to it.

A queue lies in RAM, and a reset empties it. So the firmware is asked first, or the prompt that it
was stopped at. Of a board in a fleet, or one that a collector has taken from, nothing is lost
unasked; what one of no fleet has measured in its bag may go. What nobody can ask (a blank chip,
another program, a board that is broken) has nothing that could be kept.
"""

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
from motekit.provision import delivery
from motekit.provision.guard import RefusedError
from motekit.provision.look import LINK_S, Found, mapping, over_link
from motekit.transports.patience import opened

PROMPT_S = 2.5
_WAYS = "--store FILE collects them into a store first, --discard gives them up"


@dataclass(frozen=True)
class Held:
    """What a board holds: `packets`, None where nobody can ask; `kept` if they may not be lost.

    `stopped`: its firmware does not run. `foreign`: it is of another fleet. `blank`: it has no
    program.
    """

    device: str = ""
    packets: int | None = None
    kept: bool = False
    stopped: bool = False
    foreign: bool = False
    blank: bool = False
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
            return Spared("given up")
        held = ask(port, self.key_store, cancelled)
        return Spared(self.settle(port, held, on_step), held.blank)

    def settle(self, port: str, held: Held, on_step: Callable[[str], None]) -> str:
        """Return what became of what a board holds, "" if that was nothing; RefusedError."""
        if held.blank:
            return ""
        if held.packets is None and not held.foreign:
            return "unknown: no firmware answers"
        if self.store is not None and held.packets and not held.foreign:
            on_step("collecting")
            self._collect(port, held)
            return f"{held.packets} packets collected"
        if (held.foreign or held.kept) and not self.discard:
            raise RefusedError(f"{port}: {_said(held)}")
        return f"{held.packets} packets given up" if held.packets else ""

    def _collect(self, port: str, held: Held) -> None:
        if self.store is None:
            return
        if not held.stopped:
            delivery.deliver(port, held.device, self.store, self.key_store)
            return
        with _prompt(port) as prompt:
            delivery.take_left(prompt, held.device, self.store, self.key_store)


def _said(held: Held) -> str:
    if held.foreign:
        return (
            "it is of another fleet, so that nobody can tell what it holds and a reset would lose:"
            " set MOTEKIT_KEYS to the key store of its fleet; --discard gives that up"
        )
    where = "at its prompt, in RAM" if held.stopped else "that a reset loses"
    return f"{held.device} holds {held.packets} packets {where}, which nobody has; {_WAYS}"


def ask(port: str, key_store: KeyStore, cancelled: Callable[[], bool]) -> Held:
    """Return what the board at a port holds; nothing is changed, but that another program ends."""
    found = over_link(port, key_store, cancelled, LINK_S, known=False, ask=_greeted)
    if found is None:
        return _at_prompt(port, key_store)
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
    return Held(hello.device, packets, kept, uptime_ms=hello.uptime_ms)


def _prompt(port: str) -> RawPrompt:
    return opened(lambda: RawPrompt.open(port, PROMPT_S), port, known=True)


def _at_prompt(port: str, key_store: KeyStore) -> Held:
    try:
        with _prompt(port) as prompt:
            data = unsent.queue(prompt)
            device = prompt.execute("import machine\nprint(machine.unique_id().hex())").strip()
            prompt.leave()
    except PromptError:
        return Held()
    packets, rest = stopped.packets(data)
    left = stopped.Left(device, tuple(packets), rest)
    of_fleet = max(left.generations, default=0) > 0
    try:
        left.check_keys(key_store, port)
    except LinkError:
        return Held(device, len(packets), of_fleet, stopped=True, foreign=True)
    return Held(device, len(packets), of_fleet, stopped=True)

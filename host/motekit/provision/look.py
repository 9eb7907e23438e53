"""What a board is now: asked over its link while its firmware runs, else read at its prompt."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from motekit import board as boards
from motekit import wifi
from motekit.chips import CHIPS
from motekit.client import CancelledError, Client, NoKeyError, RefusedError
from motekit.errors import BoardError, LinkError
from motekit.hello import Hello
from motekit.keys import Host, KeyStore
from motekit.prompt.raw import RawPrompt
from motekit.prompt.repl import is_micropython
from motekit.provision.wanted import CONFIG, KEYS, WIFI, Wanted, same
from motekit.transports.link import Log
from motekit.transports.patience import opened
from motekit.transports.serial import SerialPipe

MARK, TRIAL = "provision.json", "trial.json"
LINK_S = 3.0  # what a board that runs takes to say hello
_ROM_SIGNS = ("invalid header: 0x", "flash read err,")  # ESP32's own, and of its kin
_CERTAIN = 2  # such complaints, or replies under other keys: the next ones will say the same
_MODULE = "/motefw/trial.mpy"
_BESIDE = {CONFIG: {"config.next", "config.trial"}}  # what would be in force instead
_ABOUT = """
import machine,sys
print(machine.unique_id().hex())
print(getattr(sys.implementation,'_machine',''))
print((getattr(globals().get('app'),'unsent',None) or [0,0,0])[2])
"""


@dataclass(frozen=True)
class Found:
    """A board as it is. `generation` is that of keys which are this fleet's, 0 if it has none.

    `foreign`: it has keys that are not. `blank`: it has no program at all. `firmware`: it has
    what provisioning needs. `mark` is what
    it was made, `trial` what it is on trial for, at `step`.
    """

    device: str
    hello: Hello | None = None  # None: read at its prompt
    generation: int = 0
    foreign: bool = False
    blank: bool = False
    firmware: bool = True
    chip: str = ""  # of its own word, "" where that is none of ours
    mark: Mapping[str, Any] = field(default_factory=dict[str, Any])
    trial: Mapping[str, Any] = field(default_factory=dict[str, Any])
    step: str = ""
    config: Any = None
    networks: tuple[wifi.Known, ...] = ()  # as it tells them
    wifi_file: Any = field(default=None, repr=False)  # read at its prompt
    had: frozenset[str] = frozenset()  # files that are there; at the prompt
    taken: bool = False  # somebody has collected from it since it booted; where that was asked
    left_bytes: int = 0  # of packets that a stopped firmware has left in RAM; at the prompt

    @property
    def unsent(self) -> int:
        """Packets of a provisioned board that no collector has taken."""
        if self.hello is None or not self.hello.generation or self.trial:
            return 0
        return self.hello.next_seq - self.hello.tail_seq

    @property
    def left(self) -> int:
        """Bytes of packets that a provisioned board's firmware has left in RAM; at its prompt."""
        own = self.generation or self.foreign
        return self.left_bytes if own and not self.trial else 0


@dataclass
class Heard:
    """What a line says, whether or not anybody answers.

    `complaints` are those of a chip's boot ROM that finds nothing to start. `speaks`: frames
    came, intact or not, or what MicroPython says.
    """

    complaints: int = 0
    speaks: bool = False

    def listen(self, client: Client) -> None:
        """Take note of what has come."""
        lines = [event.text for event in client.step(0.0) if isinstance(event, Log)]
        self.complaints += sum(sign in line for line in lines for sign in _ROM_SIGNS)
        stats, said = client.pipe.stats, "\n".join((*lines, client.pipe.tail()))
        frames = stats.frames + stats.frames_bad
        self.speaks = self.speaks or frames > 0 or is_micropython(said.encode())


def over_link(
    port: str,
    key_store: KeyStore,
    cancelled: Callable[[], bool],
    wait_s: float,
    *,
    known: bool,
    ask: Callable[[Client, Hello], Found] | None = None,
    heard: Heard | None = None,
) -> Found | None:
    """Ask who is there and disturb nothing; None if nothing that runs there answers.

    A board under keys of somebody else's is `foreign`, and its device "" if it did not tell.
    `ask` has one that answers tell about itself, `told` by default. `heard` takes what else came.
    """
    pipe = opened(lambda: SerialPipe(port), port, known=known)
    line = heard or Heard()

    def given_up() -> bool:
        return max(line.complaints, client.bad_messages) >= _CERTAIN or cancelled()

    try:
        client = Client(pipe, key_store, Host(), given_up)
        client.between = lambda: line.listen(client)
        try:
            hello = client.probe(wait_s)
        except NoKeyError:
            return Found("", foreign=True)
        except CancelledError:
            if cancelled():
                raise
            hello = None
        if hello is None and client.bad_messages:
            return Found("", foreign=True)
        if hello is None:
            line.listen(client)
            return Found("", blank=True) if line.complaints else None
        client.between = lambda: None
        return (ask or told)(client, hello)
    finally:
        pipe.close()


def told(client: Client, hello: Hello) -> Found:
    """Return what a board tells of itself, under keys that are known to be right."""
    found = Found(hello.device, hello, hello.generation, chip=_chip_of(hello.board))
    try:
        answer = client.request("provision.get")
    except RefusedError:
        return replace(found, firmware=False)  # of before there was such a thing
    return replace(
        found,
        mark=_object(answer, "mark"),
        trial=_object(answer, "trial"),
        step=str(answer.get("step") or ""),
        config=None if _on_trial(client) else client.request("config.get"),
        networks=() if (state := wifi.get(client)).former else state.networks,
    )


def _on_trial(client: Client) -> bool:
    """Tell whether another configuration than the one that was kept is in force, or to be."""
    marks = client.request("config.mark")
    return any(marks.get(key) is not None for key in ("next", "trial"))


def at_prompt(prompt: RawPrompt, key_store: KeyStore) -> Found:
    """Read what the board holds; nothing is changed."""
    device, machine, left = (*prompt.execute(_ABOUT).split("\n"), "", "", "")[:3]
    if not re.fullmatch(r"[0-9a-f]{12}", device):
        raise LinkError(f"{prompt.name}: says its id is {device[:40]!r}, 12 hex digits expected")
    if not re.fullmatch(r"[0-9]{1,9}", left):
        raise LinkError(f"{prompt.name}: holds {left[:40]!r} bytes unsent, a number expected")
    names = prompt.names("/")
    config: Any = _read(prompt, CONFIG)
    keys_held = _read(prompt, KEYS)
    trial = mapping(_read(prompt, TRIAL))
    generation = _generation(keys_held, device, key_store)
    board = mapping(config).get("board")
    return Found(
        device,
        generation=generation,
        foreign=keys_held is not None and not generation,
        firmware=any(name.endswith(_MODULE) for name in names),
        chip=chip_in(machine) or _chip_of(str(board)),
        mark=mapping(_read(prompt, MARK)),
        trial=mapping(trial.get("mark")) or ({"plan": ""} if trial else {}),
        step=str(trial.get("step", "")),
        config=config,
        wifi_file=_read(prompt, WIFI),
        had=frozenset(name.removeprefix("/") for name in names),
        left_bytes=int(left),
    )


def differing(found: Found, wanted: Wanted) -> tuple[str, ...]:
    """Return the names of the files that a board does not hold as wanted."""
    names: list[str] = []
    for name, data in wanted.files.items():
        if name == KEYS:
            fits = found.generation == wanted.generation
        elif name == WIFI and found.hello is not None:
            fits = found.networks == wanted.networks
        else:
            held = found.config if name == CONFIG else found.wifi_file
            fits = same(held, json.loads(data)) and not found.had & _BESIDE.get(name, set())
        if not fits:
            names.append(name)
    return tuple(names)


def _generation(held: object, device: str, key_store: KeyStore) -> int:
    """Return the generation of a key file that this fleet's key has made, 0 for any other."""
    generation = mapping(held).get("generation")
    if not isinstance(generation, int) or not 0 < generation < 256:
        return 0
    return generation if held == key_store.key_file(device, generation) else 0


def _read(prompt: RawPrompt, name: str) -> object:
    """Return the JSON of a file; None if it is not there, "" if it is none."""
    data = prompt.read(f"/{name}")
    if data is None:
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return ""


def mapping(value: object) -> dict[str, Any]:
    """Return what came as an object, empty if it is none."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _object(answer: Any, name: str) -> dict[str, Any]:
    return mapping(mapping(answer).get(name))


def chip_in(machine: str) -> str:
    """Return the chip in "Generic ESP32C3 module with ESP32C3", "" if there is none."""
    name = machine.rpartition(" with ")[2].strip().lower().replace("-", "")
    return name if name in CHIPS else ""


def _chip_of(board: str) -> str:
    """Return the chip of a known board, which `motekit flash` has looked at; else ""."""
    try:
        return boards.load(board).chip.name if not board.endswith(".toml") else ""
    except BoardError:
        return ""

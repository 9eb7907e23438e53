"""What is allowed, and what became of a board."""

from dataclasses import dataclass
from pathlib import Path

from motekit.provision.proof import Proof


@dataclass(frozen=True)
class Options:
    """What is allowed beyond the usual.

    `rekey`: new keys, whatever a board has. What no collector has taken goes into the `store`
    before a board starts anew; without one it is not restarted, unless `discard` gives that up.
    """

    rekey: bool = False
    discard: bool = False
    store: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a board: `state` is "provisioned", "unchanged" or "failed"."""

    port: str
    state: str
    device: str = ""
    name: str = ""
    site: str = ""
    board: str = ""
    generation: int = 0
    seconds: float = 0.0
    proof: Proof | None = None
    error: str = ""

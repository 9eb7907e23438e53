"""What is allowed, and what became of a board."""

from dataclasses import dataclass

from motekit.provision.proof import Proof


@dataclass(frozen=True)
class Options:
    """What is allowed beyond the usual.

    `rekey`: new keys, whatever a board has. `discard`: packets that no collector has taken.
    """

    rekey: bool = False
    discard: bool = False


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

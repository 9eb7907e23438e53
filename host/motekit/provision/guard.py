"""What keeps a board from being changed: it would be wrong, or something would be lost."""

import shlex

from motefw import keys
from motekit.errors import MotekitError
from motekit.plan import Plan, Role
from motekit.provision.look import Found
from motekit.provision.records import Unit


class RefusedError(MotekitError):
    """A board that is left as it is, why, and what would change that."""


class HoldsError(RefusedError):
    """A board at its prompt that is not to be started: that would lose what is in its RAM."""


def flash_hint(port: str, plan: Plan) -> str:
    """Return the command that makes a board of this plan ready to be provisioned."""
    board = plan.boards[0] if len(plan.boards) == 1 else "BOARD"
    return f"to give it the firmware: motekit flash {shlex.quote(port)} --board {board}"


def check_fits(found: Found, role: Role, port: str) -> None:
    """Refuse a role whose board has another chip."""
    if found.chip and found.chip != role.board.chip.name:
        raise RefusedError(
            f"{port}: has an {found.chip}, {role.name} is an {role.board.name} with an "
            f"{role.board.chip.name}; correct the plan, or take another board"
        )


def check_unsent(found: Found, port: str, *, discard: bool) -> None:
    """Refuse to restart a board that holds what no collector has, sampled under its own name."""
    if found.unsent > 0 and not discard:
        raise RefusedError(
            f"{port}: {found.device} holds {found.unsent} packets that no collector has taken, "
            f"and a restart loses them; --store FILE collects them into a store first, --discard "
            f"gives them up"
        )


def check_left(found: Found, port: str, *, discard: bool) -> None:
    """Refuse to start a board whose firmware was stopped with packets that nobody has."""
    if found.left and not discard:
        raise HoldsError(
            f"{port}: {found.device} is at its prompt and holds {found.left:,} bytes of packets "
            f"that no collector has taken, for ten minutes: motekit rescue {shlex.quote(port)} "
            f"--store FILE collects them and starts it; --discard gives them up"
        )


def generation_for(found: Found, unit: Unit, fingerprint: str, port: str, *, rekey: bool) -> int:
    """Return the generation of the keys that a board shall have.

    New keys mean a new generation: packets under the old ones stay told from them for ever.
    """
    if found.trial and found.generation and not rekey:
        return found.generation  # its trial ends first
    if rekey:
        made = max(found.generation, unit.generation) + 1
        if made > keys.GENERATION_MAX:
            raise RefusedError(f"{port}: has had {made - 1} keys, which is all there can be")
        return made
    if found.foreign:
        raise RefusedError(
            f"{port}: {found.device} has keys that are not of this key store: set MOTEKIT_KEYS to "
            f"that of its fleet; or, to give it new ones: --rekey"
        )
    if unit.generation and found.generation > unit.generation:
        raise RefusedError(
            f"{port}: {found.device} has keys of generation {found.generation}, the records know "
            f"of {unit.generation}: they are not the newest; name those with --records, or give "
            f"it keys that are newer than both: --rekey"
        )
    if not found.generation and unit.keys and unit.keys != fingerprint:
        raise RefusedError(
            f"{port}: {found.device} was provisioned under another key store ({unit.keys}, this "
            f"is {fingerprint}), by the records; set MOTEKIT_KEYS to that, or give it keys of "
            f"this one: --rekey"
        )
    return max(found.generation, unit.generation, 1)

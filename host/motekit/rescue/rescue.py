"""Mends a board, and keeps what can be kept: unsent packets, identity, keys, Wi-Fi, settings.

    look -> what is wrong -> save -> ask -> mend -> look again

What is saved lies in a folder for this board, before anything is written to it. Nothing is erased
or replaced that was not tried to be saved, nor, if it is not motekit's own, without being asked
for.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from motekit import unsent
from motekit.errors import LinkError, MotekitError
from motekit.rescue import at_loader, at_prompt, states
from motekit.rescue.case import Case, LeftError, Wishes
from motekit.rescue.evidence import Evidence
from motekit.rescue.look import greet, look
from motekit.rescue.states import Diagnosis

START_S = 40.0


@dataclass(frozen=True)
class Report:
    """What became of a board: `state` is "healthy", "mended", "left" or "failed".

    `was` are the states that it was in, `packets` those that were saved, `left` what is wrong
    still, with its fix.
    """

    port: str
    state: str
    device: str = ""
    board: str = ""
    was: tuple[str, ...] = ()
    did: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    packets: int = 0
    folder: str = ""
    left: tuple[Diagnosis, ...] = ()
    error: str = ""


def rescue(port: str, wishes: Wishes) -> Report:
    """Mend the board at a port; nothing is raised but UsageError, all in the report."""
    found = look(port, wishes.board, keys=wishes.key_store, resume=False, on_step=wishes.on_step)
    rows = states.diagnose(found, wishes.board)
    case = Case(wishes, found, wishes.board or states.board_of(found))
    try:
        after = _mend(case, rows)
    except LeftError as e:
        return _report(case, rows, "left", (), str(e))
    except (LinkError, OSError) as e:
        return _report(case, rows, "failed", (), str(e))
    except MotekitError as e:
        if e.exit_code != 1:
            raise
        return _report(case, rows, "failed", (), str(e))
    if after is None:
        state = "healthy" if rows[0].fine else "failed"
        return _report(case, rows, state, [row for row in rows if not row.fine])
    again = states.diagnose(after, wishes.board)
    left = [row for row in again if not row.fine]
    still = [row.state for row in left if row.mend]
    return _report(case, rows, "failed" if still else "mended", left)


def _mend(case: Case, rows: Sequence[Diagnosis]) -> Evidence | None:
    """Do what the diagnoses call for and look again; None if nothing here can mend it."""
    kind = states.mend_of(rows)
    if kind == states.NOTHING:
        return None
    hello, store = case.found.hello, case.wishes.store
    if hello is not None and store is not None:
        case.step("collecting")
        case.count(unsent.collect(case.port, hello, store, case.wishes.key_store))
    if kind in (states.START, states.FILES):
        at_prompt.mend(case, files=kind == states.FILES)
    else:
        at_loader.mend(case, whole=kind == states.WHOLE)
    case.step("hello")
    end = time.monotonic() + START_S
    keys = case.wishes.key_store
    after = greet(case.port, START_S, keys)
    while not (after.status or after.locked) and time.monotonic() < end:
        after = greet(case.port, START_S, keys)  # it had not started all of it
    if after.hello is None and not after.locked:
        raise LinkError(
            f"{case.port}: mended, but its firmware does not say hello within {START_S:.0f} s:"
            f" motekit doctor {case.port}"
        )
    return after


def _report(
    case: Case,
    rows: Sequence[Diagnosis],
    state: str,
    left: Sequence[Diagnosis],
    error: str = "",
) -> Report:
    return Report(
        case.port,
        state,
        case.found.device,
        case.board.name if case.board else rows[0].board,
        tuple(row.state for row in rows if not row.fine),
        tuple(case.did),
        tuple(case.kept),
        tuple(case.lost),
        case.packets,
        str(case.folder or ""),
        tuple(left),
        error.removeprefix(f"{case.port}: "),
    )

"""The states that a board can be in: the sign by which each is known, and what mends it.

STATES is the table. Rows are looked at in their order; what holds of a board is said, the first
that ends the looking ends it: where nothing answers there is no firmware to have faults.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from motekit.board import Board
from motekit.rescue import signs
from motekit.rescue.evidence import Evidence
from motekit.rescue.signs import Sign
from motekit.transports.serial import group_of

OK = "ok"

# What mends a board, by kind:
NOTHING = ""  # a hand, or another command
START = "start"  # from the prompt
FILES = "files"  # the firmware's, and settings, at the prompt
FILE_SYSTEM = "file system"  # written anew, with what could be saved of it
WHOLE = "whole"  # MicroPython and firmware, with what could be saved

_RESCUE = "motekit rescue {port}{board}"
_FLASH = "motekit flash {port} --board {which}"


@dataclass(frozen=True)
class State:
    """One row: `sign` returns what is said where it holds, None where it does not.

    `ends`: no row after it is looked at; `alone`: it holds only where nothing was said before.
    """

    name: str
    sign: Sign
    fix: str
    mend: str = NOTHING
    ends: bool = True
    alone: bool = False
    fine: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """One thing that is wrong, or `state` "ok": what was found, and the command that mends it."""

    port: str
    device: str
    board: str
    state: str
    found: str
    fix: str
    mend: str = NOTHING
    fine: bool = False


def diagnose(found: Evidence, board: Board | None = None) -> list[Diagnosis]:
    """Return what is wrong with a board, the worst first; at least one row."""
    chosen = board or signs.board_of(found)
    rows: list[Diagnosis] = []
    for state in STATES:
        said = state.sign(found, chosen)
        if said is not None and not (state.alone and rows):
            rows.append(_row(state, found, chosen, said, named=board is not None))
        if said is not None and state.ends:
            break
    return rows


def _row(
    state: State, found: Evidence, board: Board | None, said: str, *, named: bool
) -> Diagnosis:
    name = board.name if board else ""
    port = shlex.quote(found.port)
    option = f" --board {shlex.quote(name)}" if named else "" if name else " --board BOARD"
    fix = state.fix.format(
        port=port,
        board=option,
        which=shlex.quote(name) if name else "BOARD",
        group=group_of(found.port),
    )
    if "BOARD" in fix:
        fix += f" (one of: {', '.join(signs.candidates(found))}, or a board file of your own)"
    told = found.hello.board if found.hello else name
    return Diagnosis(found.port, found.device, told, state.name, said, fix, state.mend, state.fine)


STATES = (
    # The port.
    State("no port", signs.port("gone"), "motekit ports"),
    State(
        "port in use", signs.port("busy"), "motekit doctor {port}, once the other has closed it"
    ),
    State(
        "port forbidden",
        signs.port("forbidden"),
        "sudo usermod -aG {group} $USER, then log in again",
    ),
    State(
        "port fails",
        signs.port("failed"),
        "unplug the board, plug it in again, then motekit ports",
    ),
    # A firmware that answers: it may have several faults.
    State("keys elsewhere", signs.locked, "export MOTEKIT_KEYS=FILE, the key store of its fleet"),
    State("does not answer", signs.mute, _RESCUE, START),
    State("other firmware", signs.other_version, _FLASH, FILES, ends=False),
    State("configuration refused", signs.config_error, _RESCUE, FILES, ends=False),
    State("no configuration", signs.nameless, _RESCUE, FILES, ends=False, alone=True),
    State("full", signs.full, _RESCUE, FILES, ends=False),
    State("sensor fails", signs.sensors, "motekit sensors scan {port}", ends=False),
    State(
        "queue ran over", signs.queue, "motekit collect {port} --store fleet.motekit", ends=False
    ),
    State("watchdog", signs.watchdog, "motekit tail --store fleet.motekit", ends=False),
    State(OK, signs.healthy, "", alone=True, fine=True),
    # MicroPython without a firmware that answers.
    State("file system broken", signs.broken_files, _RESCUE, FILE_SYSTEM),
    State("no firmware", signs.no_firmware, _RESCUE, FILES),
    State("firmware damaged", signs.half, _RESCUE, FILES, ends=False),
    State("settings damaged", signs.settings_damaged, _RESCUE, FILES, ends=False),
    State("no configuration", signs.no_settings, _RESCUE, FILES, ends=False),
    State("old firmware", signs.old, _RESCUE, FILES, alone=True),
    State("firmware stopped", signs.stopped, _RESCUE, START, alone=True),
    # A chip of which only the loader answers.
    State(
        "no answer",
        signs.no_answer,
        "hold BOOT, press RESET, let go of BOOT; motekit doctor {port}",
    ),
    State("wrong board", signs.wrong_chip, "motekit doctor {port}"),
    State("blank", signs.blank, _FLASH, WHOLE),
    State("wrong image", signs.wrong_image, _RESCUE, WHOLE),
    State("flashed by half", signs.cut_off, _RESCUE, WHOLE),
    State("other program", signs.foreign, _RESCUE, WHOLE),
    State("program damaged", signs.damaged_program, _RESCUE, WHOLE),
    State("silent", signs.silent, _RESCUE, FILE_SYSTEM),
)


def mend_of(rows: Sequence[Diagnosis]) -> str:
    """Return the deepest kind of mending that diagnoses call for."""
    order = (NOTHING, START, FILES, FILE_SYSTEM, WHOLE)
    return max((row.mend for row in rows), key=order.index, default=NOTHING)

"""The states that a board can be in: how each is known, what is said of it, what mends it.

STATES is the table. Rows are looked at in their order; what holds of a board is said, the first
that ends the looking ends it: where nothing answers there is no firmware to have faults.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import motefw
from motekit import board as boards
from motekit.board import Board
from motekit.errors import BoardError
from motekit.flash import partitions
from motekit.rescue import settings
from motekit.rescue.evidence import Evidence
from motekit.rescue.look import BROKEN_FILES
from motekit.rescue.room import ROOM_BYTES, named
from motekit.transports.serial import group_of

OK = "ok"
_SAID = 3  # names of files at most
_NAMELESS = "unknown"  # what a firmware without a configuration calls its board
_RESET = re.compile(r"rst:0x[0-9a-f]+(?: \(\w+\))?")
_BANNER = re.compile(r"ESP-ROM:|Build:|rst:0x|ets |E?SPIWP:|mode:|load:|entry |configsip|clk_drv")

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
    """One row: `test` returns what is said where it holds, None where it does not.

    `ends`: no row after it is looked at; `alone`: it holds only where nothing was said before.
    """

    name: str
    test: Callable[[Evidence, Board | None], str | None]
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
    chosen = board or board_of(found)
    rows: list[Diagnosis] = []
    for state in STATES:
        said = state.test(found, chosen)
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
    told = not named and name != "" and name in _told(found)
    option = "" if told else f" --board {shlex.quote(name)}" if name else " --board BOARD"
    fix = state.fix.format(
        port=port,
        board=option,
        which=shlex.quote(name) if name else "BOARD",
        group=group_of(found.port),
    )
    if "BOARD" in fix:
        fix += f" (one of: {', '.join(_candidates(found))}, or a board file of your own)"
    called = found.hello.board if found.hello else name
    return Diagnosis(
        found.port, found.device, called, state.name, said, fix, state.mend, state.fine
    )


def board_of(found: Evidence) -> Board | None:
    """Return the board that the evidence names, or the only known one that it can be."""
    for name in _told(found):
        try:
            return boards.load(name)
        except BoardError:
            continue
    able = _candidates(found) if _chip(found) else []
    return boards.load(able[0]) if len(able) == 1 else None


def _told(found: Evidence) -> list[str]:
    """Return what the board itself says that it is."""
    names = [found.hello.board] if found.hello else []
    return [*names, settings.board_name(found.files.read)] if found.files else names


def _chip(found: Evidence) -> str:
    return found.chip.name if found.chip else found.files.chip if found.files else ""


def _candidates(found: Evidence) -> list[str]:
    """Return the known boards that have such a chip, and such a table if there is one."""
    able = [boards.load(name) for name in boards.names()]
    if name := _chip(found):
        able = [each for each in able if each.chip.name == name]
    if found.chip and (size := found.chip.flash_bytes):
        able = [each for each in able if each.flash_bytes <= size]
    if found.flash and found.flash.table:
        same = [each for each in able if partitions.of_board(each) == found.flash.table]
        able = same or able
    return [each.name for each in able]


# The tests, in the order of the table.


def _port(state: str) -> Callable[[Evidence, Board | None], str | None]:
    def test(found: Evidence, _board: Board | None) -> str | None:
        return found.port_error if found.port_state == state else None

    return test


def _locked(found: Evidence, _board: Board | None) -> str | None:
    return found.locked or None


def _mute(found: Evidence, _board: Board | None) -> str | None:
    if found.hello and not found.status:
        return "the firmware says hello and answers nothing else"
    if found.unread:
        return f"a firmware runs, and none of its replies can be read ({found.unread} came)"
    return None


def _other_version(found: Evidence, _board: Board | None) -> str | None:
    if found.hello and found.hello.firmware != motefw.__version__:
        return f"runs motefw {found.hello.firmware}, this motekit has {motefw.__version__}"
    return None


def _config_error(found: Evidence, _board: Board | None) -> str | None:
    error = found.status.get("config_error")
    return f"the firmware runs and refuses its configuration: {error}" if error else None


def _sensors(found: Evidence, _board: Board | None) -> str | None:
    rows = found.status.get("sensors")
    bad = [row for row in rows if row.get("state") not in ("ok", "starting")] if rows else []
    if not bad:
        return None
    return "; ".join(
        f"{row.get('name')} is {row.get('state')} ({row.get('last_error')})" for row in bad
    )


def _queue(found: Evidence, _board: Board | None) -> str | None:
    dropped = found.status.get("queue_dropped")
    return f"its queue ran over: {dropped} packets are lost" if dropped else None


def _watchdog(found: Evidence, _board: Board | None) -> str | None:
    if found.hello and found.hello.reset == "watchdog":
        minutes = found.hello.uptime_ms // 60_000
        return f"its firmware hung and was started anew by the watchdog, {minutes} minutes ago"
    return None


def _full(found: Evidence, _board: Board | None) -> str | None:
    free = found.status.get("files_free_bytes")
    if found.files and found.files.mounted:
        free = found.files.free_bytes
    if free is None or free >= ROOM_BYTES:
        return None
    free = max(free, 0)  # a littlefs that is full counts below none
    said = f"its file system is full: {free:,} bytes are free, {ROOM_BYTES:,} are needed"
    if found.files is None:  # a firmware that runs tells no names, and is not stopped to look
        return f"{said}; motekit rescue stops it, names the largest and asks before it removes any"
    largest = found.files.largest
    return f"{said}; files that are not motekit's: {named(largest)}" if largest else said


def _healthy(found: Evidence, _board: Board | None) -> str | None:
    if not found.hello or not found.status:
        return None
    count = len(found.hello.streams)
    unsent = found.hello.next_seq - found.hello.tail_seq
    return f"motefw {found.hello.firmware}, {count} sensors, {unsent} packets not yet collected"


def _broken_files(found: Evidence, _board: Board | None) -> str | None:
    if (found.files and not found.files.mounted) or BROKEN_FILES in found.heard:
        return "MicroPython runs, and its file system is broken: nothing on it can be reached"
    return None


def _no_firmware(found: Evidence, _board: Board | None) -> str | None:
    files = found.files
    if not files or any(name.startswith("/lib/motefw/") for name in files.names):
        return None
    if "/main.py" in files.names:
        return f"runs another program: MicroPython with a main.py, no motefw{_unsent(found)}"
    return "has MicroPython and no program"


def _half(found: Evidence, _board: Board | None) -> str | None:
    files = found.files
    if not files or not (files.missing or files.other or files.halves):
        return None
    if files.firmware not in ("", motefw.__version__) and not files.halves and not files.why:
        return None
    lacks = [
        f"{what}: {_listed(names)}"
        for what, names in (
            ("missing", files.missing),
            ("not as they should be", files.other),
            ("brought by half", files.halves),
        )
        if names
    ]
    why = f" ({files.why})" if files.why else ""
    return f"its firmware is not whole{why}; {'; '.join(lacks)}{_unsent(found)}"


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SAID} more" if len(names) > _SAID else ""
    return ", ".join(names[:_SAID]) + more


def _old(found: Evidence, _board: Board | None) -> str | None:
    files = found.files
    if files and (files.missing or files.other):
        mine = f"this motekit has {motefw.__version__}"
        return f"holds motefw {files.firmware}, which does not run; {mine}{_unsent(found)}"
    return None


def _settings(found: Evidence, _board: Board | None) -> str | None:
    if not found.files:
        return None
    faults = settings.faults(found.files.read, found.device, found.files.names)
    bad = {name: why for name, why in faults.items() if name != settings.EPOCH}
    if not bad:
        return None
    return f"{'; '.join(_bare(n, w) for n, w in bad.items())}{_unsent(found)}"


def _bare(name: str, why: str) -> str:
    return f"{name} is damaged: {why.removeprefix(name).removeprefix(name[1:]).lstrip(': ')}"


def _nameless(found: Evidence, _board: Board | None) -> str | None:
    if found.hello and found.hello.board == _NAMELESS:
        return "its firmware runs and has no configuration, so that it measures nothing"
    return None


def _no_settings(found: Evidence, _board: Board | None) -> str | None:
    if found.files and settings.CONFIG not in found.files.names:
        return f"it has no {settings.CONFIG}: started, it would measure nothing{_unsent(found)}"
    return None


def _elsewhere(found: Evidence, _board: Board | None) -> str | None:
    if found.prompt and found.elsewhere:
        return (
            f"its firmware does not run, and has {found.elsewhere}, which are not those of this"
            f" host's key store{_unsent(found)}"
        )
    return None


def _stopped(found: Evidence, _board: Board | None) -> str | None:
    if found.prompt == "waiting":
        return f"its firmware is whole and does not run: it is at its prompt{_unsent(found)}"
    if found.prompt:
        return f"its firmware is whole, and a program ran that did not answer{_unsent(found)}"
    return None


def _unsent(found: Evidence) -> str:
    size = found.unsent_bytes
    return f"; {size:,} bytes of unsent packets are in its RAM, until it starts" if size else ""


def _no_answer(found: Evidence, _board: Board | None) -> str | None:
    if not found.chip_error:
        return None
    heard = f", which says {found.heard[-80:]!r}" if found.heard else ""
    return f"neither firmware nor prompt nor the chip's loader answers{heard}: {found.chip_error}"


def _wrong_chip(found: Evidence, board: Board | None) -> str | None:
    if found.chip and board and board.chip.name != found.chip.name:
        return f"has an {found.chip.name}, {board.name} an {board.chip.name}"
    return None


def _half_erased(found: Evidence, _board: Board | None) -> str | None:
    if found.chip and found.flash and found.flash.remains:
        lies = found.flash.remains
        return f"an {found.chip.name} that has lost its program; {lies} may hold data"
    return None


def _blank(found: Evidence, _board: Board | None) -> str | None:
    if found.chip and found.flash and found.flash.blank:
        return f"an {found.chip.name} with nothing in its flash"
    return None


def _wrong_image(found: Evidence, _board: Board | None) -> str | None:
    if found.chip and found.flash and found.flash.other_chip:
        wrong = found.flash.other_chip
        return f"an {found.chip.name} that was flashed with a program for an {wrong}"
    return None


def _cut_off(found: Evidence, _board: Board | None) -> str | None:
    if found.flash and not found.flash.table:
        return f"was flashed by half, or its partition table is damaged: {found.flash.table_fault}"
    return None


def _foreign(found: Evidence, board: Board | None) -> str | None:
    table = found.flash.table if found.flash else ()
    known = [boards.load(name) for name in _candidates(found)] + ([board] if board else [])
    if not table or any(partitions.of_board(each) == table for each in known):
        return None
    names = ", ".join(each.label for each in table)
    return f"holds something else, with partitions {names}{_loops(found)}"


def _damaged_program(found: Evidence, _board: Board | None) -> str | None:
    if not found.flash:
        return None
    faults = (("bootloader", found.flash.bootloader_fault), ("program", found.flash.app_fault))
    said = "; ".join(f"its {what} {fault}" for what, fault in faults if fault)
    return f"does not start: {said}{_loops(found)}" if said else None


def _restarts(found: Evidence, _board: Board | None) -> str | None:
    words = _RESET.findall(found.heard)
    if not found.flash or len(words) < 2:
        return None
    why = ", ".join(dict.fromkeys(words))
    said = _last_words(found.heard)
    before = f", having said {said!r}" if said else ""
    return f"it starts again and again: {len(words)} resets were seen, {why}{before}"


def _last_words(heard: str) -> str:
    """Return the last that a program said before a reset, "" for nothing."""
    lines = [line.strip() for line in heard[: heard.rindex("rst:0x")].splitlines()]
    said = [line for line in lines if line and not _BANNER.match(line)]
    return said[-1][-80:] if said else ""


def _silent(found: Evidence, _board: Board | None) -> str | None:
    if not found.flash:
        return None
    return "MicroPython is whole, and neither it nor a firmware answers"


def _loops(found: Evidence) -> str:
    return "; it starts again and again" if len(_RESET.findall(found.heard)) > 1 else ""


STATES = (
    # The port.
    State("no port", _port("gone"), "motekit ports"),
    State("port in use", _port("busy"), "motekit doctor {port}, once the other has closed it"),
    State(
        "port forbidden", _port("forbidden"), "sudo usermod -aG {group} $USER, then log in again"
    ),
    State("port fails", _port("failed"), "unplug the board, plug it in again, then motekit ports"),
    # A firmware that answers: it may have several faults.
    State("keys elsewhere", _locked, "export MOTEKIT_KEYS=FILE, the key store of its fleet"),
    State("does not answer", _mute, _RESCUE, START),
    State("other firmware", _other_version, _FLASH, FILES, ends=False),
    State("configuration refused", _config_error, _RESCUE, FILES, ends=False),
    State("no configuration", _nameless, _RESCUE, FILES, ends=False, alone=True),
    State("full", _full, _RESCUE, FILES, ends=False),
    State("sensor fails", _sensors, "motekit sensors scan {port}", ends=False),
    State("queue ran over", _queue, "motekit collect {port} --store fleet.motekit", ends=False),
    State("watchdog", _watchdog, "motekit tail --store fleet.motekit", ends=False),
    State(OK, _healthy, "", alone=True, fine=True),
    # MicroPython without a firmware that answers.
    State("file system broken", _broken_files, _RESCUE, FILE_SYSTEM),
    State("no firmware", _no_firmware, _RESCUE, FILES),
    State("firmware damaged", _half, _RESCUE, FILES, ends=False),
    State("settings damaged", _settings, _RESCUE, FILES, ends=False),
    State("no configuration", _no_settings, _RESCUE, FILES, ends=False),
    State("old firmware", _old, _RESCUE, FILES, alone=True),
    State(
        "keys elsewhere",
        _elsewhere,
        "export MOTEKIT_KEYS=FILE, the key store of its fleet; then " + _RESCUE,
        START,
        alone=True,
    ),
    State("firmware stopped", _stopped, _RESCUE, START, alone=True),
    # A chip of which only the loader answers.
    State(
        "no answer", _no_answer, "hold BOOT, press RESET, let go of BOOT; motekit doctor {port}"
    ),
    State("wrong board", _wrong_chip, "motekit doctor {port}"),
    State("erased by half", _half_erased, _RESCUE, WHOLE),
    State("blank", _blank, _FLASH, WHOLE),
    State("wrong image", _wrong_image, _RESCUE, WHOLE),
    State("flashed by half", _cut_off, _RESCUE, WHOLE),
    State("other program", _foreign, _RESCUE, WHOLE),
    State("program damaged", _damaged_program, _RESCUE, WHOLE),
    State("starts again and again", _restarts, _RESCUE, FILE_SYSTEM),
    State("silent", _silent, _RESCUE, FILE_SYSTEM),
)


def mend_of(rows: Sequence[Diagnosis]) -> str:
    """Return the deepest kind of mending that diagnoses call for."""
    order = (NOTHING, START, FILES, FILE_SYSTEM, WHOLE)
    return max((row.mend for row in rows), key=order.index, default=NOTHING)

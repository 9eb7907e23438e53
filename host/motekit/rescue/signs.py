"""The signs by which a board's state is known; `states` says in which order they are looked for.

Each takes what was found and the board that it should be, and returns what is said where the sign
is there, None where it is not.
"""

import re
from collections.abc import Callable

import motefw
from motekit import board as boards
from motekit.board import Board
from motekit.errors import BoardError
from motekit.flash import partitions
from motekit.rescue import settings
from motekit.rescue.evidence import Evidence
from motekit.rescue.look import BROKEN_FILES

Sign = Callable[[Evidence, Board | None], str | None]

ROOM_BYTES = 16_384  # for a configuration, an epoch and their copies, with littlefs's own blocks
_SAID = 3  # names of files at most
_NAMELESS = "unknown"  # what a firmware without a configuration calls its board
_LOOP = re.compile(r"rst:0x")


def board_of(found: Evidence) -> Board | None:
    """Return the board that the evidence names, or the only known one that it can be."""
    names: list[str] = []
    if found.hello:
        names.append(found.hello.board)
    if found.files:
        names.append(settings.board_name(found.files.read))
    for name in names:
        try:
            return boards.load(name)
        except BoardError:
            continue
    able = candidates(found) if found.chip else []
    return boards.load(able[0]) if len(able) == 1 else None


def candidates(found: Evidence) -> list[str]:
    """Return the known boards that have such a chip, and such a table if there is one."""
    able = [boards.load(name) for name in boards.names()]
    if found.chip:
        chip = found.chip
        able = [each for each in able if each.chip.name == chip.name]
        able = [e for e in able if not chip.flash_bytes or e.flash_bytes <= chip.flash_bytes]
    if found.flash and found.flash.table:
        same = [each for each in able if partitions.of_board(each) == found.flash.table]
        able = same or able
    return [each.name for each in able]


def port(state: str) -> Sign:
    """Tell of a port that cannot be used, in one of four ways."""

    def test(found: Evidence, _board: Board | None) -> str | None:
        return found.port_error if found.port_state == state else None

    return test


def locked(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a board whose keys are not here."""
    return found.locked or None


def mute(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a firmware that greets and does no more."""
    if found.hello and not found.status:
        return "the firmware says hello and answers nothing else"
    return None


def other_version(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a firmware of another version, which runs."""
    if found.hello and found.hello.firmware != motefw.__version__:
        return f"runs motefw {found.hello.firmware}, this motekit has {motefw.__version__}"
    return None


def config_error(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a configuration that the firmware refuses."""
    error = found.status.get("config_error")
    return f"the firmware runs and refuses its configuration: {error}" if error else None


def sensors(found: Evidence, _board: Board | None) -> str | None:
    """Tell of sensors that fail."""
    rows = found.status.get("sensors")
    bad = [row for row in rows if row.get("state") not in ("ok", "starting")] if rows else []
    if not bad:
        return None
    return "; ".join(
        f"{row.get('name')} is {row.get('state')} ({row.get('last_error')})" for row in bad
    )


def queue(found: Evidence, _board: Board | None) -> str | None:
    """Tell of packets that were lost as nobody collected."""
    dropped = found.status.get("queue_dropped")
    return f"its queue ran over: {dropped} packets are lost" if dropped else None


def watchdog(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a start by the watchdog."""
    if found.hello and found.hello.reset == "watchdog":
        minutes = found.hello.uptime_ms // 60_000
        return f"its firmware hung and was started anew by the watchdog, {minutes} minutes ago"
    return None


def full(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a file system without room for what has to be written."""
    free = found.status.get("files_free_bytes")
    if found.files and found.files.mounted:
        free = found.files.free_bytes
    if free is not None and free < ROOM_BYTES:
        return f"its file system is full: {free:,} bytes are free, {ROOM_BYTES:,} are needed"
    return None


def healthy(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a firmware that is well."""
    if not found.hello or not found.status:
        return None
    count = len(found.hello.streams)
    unsent = found.hello.next_seq - found.hello.tail_seq
    return f"motefw {found.hello.firmware}, {count} sensors, {unsent} packets not yet collected"


def broken_files(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a file system that MicroPython cannot mount."""
    if (found.files and not found.files.mounted) or BROKEN_FILES in found.heard:
        return "MicroPython runs, and its file system is broken: nothing on it can be reached"
    return None


def no_firmware(found: Evidence, _board: Board | None) -> str | None:
    """Tell of MicroPython without motefw."""
    files = found.files
    if not files or any(name.startswith("/lib/motefw/") for name in files.names):
        return None
    if "/main.py" in files.names:
        return f"runs another program: MicroPython with a main.py, no motefw{_unsent(found)}"
    return "has MicroPython and no program"


def half(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a firmware of our version that is not whole."""
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


def old(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a firmware of another version, which does not run."""
    files = found.files
    if files and (files.missing or files.other):
        mine = f"this motekit has {motefw.__version__}"
        return f"holds motefw {files.firmware}, which does not run; {mine}{_unsent(found)}"
    return None


def settings_damaged(found: Evidence, _board: Board | None) -> str | None:
    """Tell of settings that cannot be read."""
    if not found.files:
        return None
    faults = settings.faults(found.files.read, found.device, found.files.names)
    bad = {name: why for name, why in faults.items() if name != settings.EPOCH}
    if not bad:
        return None
    return f"{'; '.join(_bare(n, w) for n, w in bad.items())}{_unsent(found)}"


def _bare(name: str, why: str) -> str:
    return f"{name} is damaged: {why.removeprefix(name).removeprefix(name[1:]).lstrip(': ')}"


def nameless(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a firmware that runs without a configuration."""
    if found.hello and found.hello.board == _NAMELESS:
        return "its firmware runs and has no configuration, so that it measures nothing"
    return None


def no_settings(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a board without a configuration, at its prompt."""
    if found.files and settings.CONFIG not in found.files.names:
        return f"it has no {settings.CONFIG}: started, it would measure nothing{_unsent(found)}"
    return None


def stopped(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a whole firmware that does not run."""
    if found.prompt == "waiting":
        return f"its firmware is whole and does not run: it is at its prompt{_unsent(found)}"
    if found.prompt:
        return f"its firmware is whole, and a program ran that did not answer{_unsent(found)}"
    return None


def _unsent(found: Evidence) -> str:
    size = found.unsent_bytes
    return f"; {size:,} bytes of unsent packets are in its RAM, until it starts" if size else ""


def no_answer(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a chip that is not even in its loader."""
    if not found.chip_error:
        return None
    heard = f", which says {found.heard[-80:]!r}" if found.heard else ""
    return f"neither firmware nor prompt nor the chip's loader answers{heard}: {found.chip_error}"


def wrong_chip(found: Evidence, board: Board | None) -> str | None:
    """Tell of another chip than the board's that was named."""
    if found.chip and board and board.chip.name != found.chip.name:
        return f"has an {found.chip.name}, {board.name} an {board.chip.name}"
    return None


def blank(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a chip with nothing in its flash."""
    if found.chip and found.flash and found.flash.blank:
        return f"an {found.chip.name} with nothing in its flash"
    return None


def wrong_image(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a program for another chip."""
    if found.chip and found.flash and found.flash.other_chip:
        wrong = found.flash.other_chip
        return f"an {found.chip.name} that was flashed with a program for an {wrong}"
    return None


def cut_off(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a flash without a partition table."""
    if found.flash and not found.flash.table:
        return f"was flashed by half, or its partition table is damaged: {found.flash.table_fault}"
    return None


def foreign(found: Evidence, board: Board | None) -> str | None:
    """Tell of partitions that are no board's of ours."""
    table = found.flash.table if found.flash else ()
    known = [boards.load(name) for name in candidates(found)] + ([board] if board else [])
    if not table or any(partitions.of_board(each) == table for each in known):
        return None
    names = ", ".join(each.label for each in table)
    return f"holds something else, with partitions {names}{_loops(found)}"


def damaged_program(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a bootloader or a MicroPython that is not whole."""
    if not found.flash:
        return None
    faults = (("bootloader", found.flash.bootloader_fault), ("program", found.flash.app_fault))
    said = "; ".join(f"its {what} {fault}" for what, fault in faults if fault)
    return f"does not start: {said}{_loops(found)}" if said else None


def silent(found: Evidence, _board: Board | None) -> str | None:
    """Tell of a whole MicroPython that does not answer."""
    if not found.flash:
        return None
    return f"MicroPython is whole, and neither it nor a firmware answers{_loops(found)}"


def _loops(found: Evidence) -> str:
    return "; it starts again and again" if len(_LOOP.findall(found.heard)) > 1 else ""

"""Mends what only the chip's loader can reach: a broken file system, a program that is not whole.

What lay in RAM is gone by then: nothing was there that could have been asked for it.
"""

from collections.abc import Mapping

from motekit import bundle
from motekit.board import Board
from motekit.errors import LinkError
from motekit.flash import filesystem, partitions
from motekit.flash.filesystem import FilesystemError
from motekit.flash.merged import Region
from motekit.flash.partitions import Entry
from motekit.flasher import flash
from motekit.flasher.esptool import FAST_BAUD, Esptool
from motekit.flasher.job import Job
from motekit.prompt.raw import NEW
from motekit.rescue import salvage, settings
from motekit.rescue.case import Case
from motekit.rescue.files import OURS
from motekit.rescue.look import HEAD_BYTES, again, examine, read_all
from motekit.rescue.room import ROOM_BYTES, named

_START = ("/main.py", "/boot.py")
_SPARE = "/.room"  # a file that is never written: the room that is left


def mend(case: Case, *, whole: bool) -> None:
    """Save the file system and the log, then write what is broken anew; `whole`: MicroPython."""
    board = case.need_board()
    case.step("loader")
    tool = Esptool(case.port)
    chip, head = again(tool, lambda: tool.identify(0, HEAD_BYTES))
    if case.found.device not in ("", chip.mac):
        raise LinkError(
            f"{case.port}: {case.found.device} was here, now it is {chip.mac}: boards were"
            " exchanged; begin again"
        )
    case.found.device = chip.mac
    if chip.name != board.chip.name:
        raise LinkError(f"{case.port}: has an {chip.name}, {board.name} an {board.chip.name}")
    tool.baud = FAST_BAUD
    case.found.chip = chip
    case.found.flash = case.found.flash or again(tool, lambda: examine(tool, chip.name, head))
    table = case.found.flash.table or partitions.of_board(board)
    case.step("saving")
    vfs = partitions.of_files(table, chip.flash_bytes or board.flash_bytes)
    log = partitions.find(table, "log")
    image, log_data = _read_both(tool, vfs, log)
    files = _save_files(case, image)
    _save_log(case, log_data)
    case.lost.append("what was in its RAM: nothing was there that could have been asked for it")
    foreign = table != partitions.of_board(board)
    kept = _kept(case, board, files)
    if foreign:
        case.agree("all of its flash is erased, with the program that is on it")
    elif whole and case.found.flash.table:
        case.agree("MicroPython on it is written anew, its files stay")
    elif not case.found.flash.blank:
        case.agree("its file system is written anew")
    if whole or foreign:
        damaged = not case.found.flash.table
        _flash(case, board, kept, erase=foreign, replace=damaged)
    else:
        _write_files(case, tool, board, kept)


def _read_both(tool: Esptool, vfs: Entry | None, log: Entry | None) -> tuple[bytes, bytes]:
    """Return what two partitions hold, b"" for one that there is not; in one run if they meet."""
    if vfs and log and log.offset + log.size == vfs.offset:
        both = read_all(tool, log.offset, log.size + vfs.size)
        return both[log.size :], both[: log.size]
    image = read_all(tool, vfs.offset, vfs.size) if vfs else b""
    return image, read_all(tool, log.offset, log.size) if log else b""


def _save_files(case: Case, image: bytes) -> dict[str, bytes]:
    """Return the files of a board, those that can be read; the image of them is kept."""
    if not image.strip(b"\xff"):
        return {}
    found = salvage.of_image(image, case.found.device)
    if not found.whole:
        path = case.save("vfs.img", image)
        case.kept.append(f"the image of its file system, in {path}")
        case.lost += found.lost
    theirs = {n: data for n, data in found.pieces.items() if "/motefw/" not in n}
    for name, data in theirs.items():
        case.save(f"found{name}", data)
    if theirs:
        where = case.home() / "found"
        case.kept.append(
            f"{len(theirs)} files that can be read in it, in {where}; not on the board"
        )
    case.save_files({n: data for n, data in found.files.items() if not n.startswith(OURS)})
    return found.files


def _save_log(case: Case, data: bytes) -> None:
    """Keep a log in flash as it lies there: no firmware of today writes one."""
    if data.strip(b"\xff"):
        path = case.save("log.img", data)
        case.kept.append(f"the log in its flash, as it lay there, in {path}")


def _kept(case: Case, board: Board, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files that the board shall have beside the firmware."""
    program = bundle.files(board)
    read = {name: files[name] for name in settings.NAMES if name in files}
    own = settings.own_drivers(read, files.keys())
    theirs = {
        name: data
        for name, data in files.items()
        if name not in {*program, *settings.NAMES, *_START}
        and name.removesuffix(NEW) not in {*program, *settings.NAMES}
        and (name in own or not name.startswith(OURS))
    }
    kept = {**theirs, **case.settings(read, files.keys())}
    vfs = next(each for each in board.partitions if each.name == "vfs")
    going = [name for name in case.wishes.remove if name in theirs]
    going += sorted(theirs.keys() - {*going}, key=lambda name: -len(theirs[name]))
    gone: list[tuple[str, int]] = []
    while going and not _fits({**program, **kept, _SPARE: bytes(2 * ROOM_BYTES)}, vfs.size):
        name = going.pop(0)
        gone.append((name, len(theirs[name])))
        del kept[name], theirs[name]
    if gone:
        case.agree(f"its file system is full; {named(gone, len(gone))} will not be on it any more")
        case.did.append(f"removed from the full file system: {', '.join(n for n, _ in gone)}")
    if theirs:
        case.kept.append(f"{len(theirs)} files of its user")
    case.kept += [name for name in settings.NAMES if read.get(name) == kept.get(name, b"")]
    return kept


def _fits(files: Mapping[str, bytes], size: int) -> bool:
    try:
        filesystem.build(dict(files), size)
    except FilesystemError:
        return False
    return True


def _write_files(case: Case, tool: Esptool, board: Board, kept: dict[str, bytes]) -> None:
    """Write the file system alone: MicroPython is whole."""
    vfs = next(each for each in partitions.of_board(board) if each.label == "vfs")
    case.step("writing")
    image = filesystem.build({**bundle.files(board), **kept}, vfs.size)
    region = Region("vfs", vfs.offset, image.rstrip(b"\xff"))
    again(tool, lambda: tool.write([region]))
    case.did.append("file system written anew, with firmware and settings")


def _flash(
    case: Case, board: Board, kept: Mapping[str, bytes], *, erase: bool, replace: bool
) -> None:
    """Have all of it written; a board under keys that this host has not is looked at later."""
    job = Job(board, case.wishes.release(board), erase=erase, replace=replace, kept=kept)
    done = flash.one(case.port, job, lambda step: case.step(step.what))
    if done.state == "failed" and "is provisioned" not in done.error:
        raise LinkError(f"{case.port}: {done.error}")
    case.did.append(f"MicroPython and firmware {done.state}")

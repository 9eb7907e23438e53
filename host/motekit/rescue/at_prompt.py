"""Mends what can be mended at MicroPython's prompt: a stopped firmware, files, settings."""

import re
from collections.abc import Mapping, Sequence

from motekit import unsent
from motekit.errors import LinkError, MotekitError, UsageError
from motekit.prompt.raw import PromptError, RawPrompt
from motekit.rescue import settings
from motekit.rescue.case import Case, LeftError
from motekit.rescue.evidence import Files
from motekit.rescue.files import about, largest
from motekit.rescue.room import ROOM_BYTES, freed, named, taken

PROMPT_S = 20.0
_START = ("/main.py", "/boot.py")
_FREE = "import os\ns=os.statvfs('/')\nprint(s[0]*s[3])"
_REMOVE = "import os\nfor n in {names}:os.remove(n)"


def mend(case: Case, *, files: bool) -> None:
    """Save what is in RAM, bring what is missing or damaged if `files`, and start the firmware."""
    case.step("prompt")
    with RawPrompt.open(case.port, PROMPT_S) as prompt:
        device, size, there = about(prompt, case.board)
        if case.found.device not in ("", device):
            raise LinkError(
                f"{case.port}: {case.found.device} was here, now it is {device}: boards were"
                " exchanged; begin again"
            )
        case.found.device = device
        if size:
            case.step("unsent packets")
            case.take_packets(unsent.queue(prompt))
        if files:
            try:
                _bring(case, prompt, there)
            except (LeftError, UsageError):
                if case.found.hello:
                    prompt.restart()  # it ran, and goes on; what it held is saved
                raise
        case.step("starting")
        prompt.restart()
        case.did.append("firmware started")


def _bring(case: Case, prompt: RawPrompt, there: Files) -> None:
    """Put firmware and settings right; what is replaced or removed is saved before."""
    if not there.mounted:
        raise LinkError(f"{case.port}: its file system cannot be reached from the prompt")
    own = settings.own_drivers(there.read, there.names)
    gone = [*there.halves, *(name for name in there.left if name not in own)]
    changed = {name: there.wanted[name] for name in (*there.missing, *there.other)}
    right = case.settings(there.read, there.names)
    news = {name: data for name, data in right.items() if there.read.get(name) != data}
    gone += [name for name in there.read if name not in right and name != settings.EPOCH]
    case.step("saving")
    case.save_files({**there.read, **_read(prompt, (*there.other, *gone))})
    theirs = [name for name in there.other if name in _START]
    if theirs:
        case.agree(f"{' and '.join(theirs)} on it are not motekit's and are replaced")
    _make_room(case, prompt, there, gone, {**changed, **news})
    if changed or news or gone:
        case.step("files")
        prompt.put({**changed, **news}, gone)
        case.did.append(f"{len(changed) + len(news)} files brought, {len(gone)} removed")


def _read(prompt: RawPrompt, names: tuple[str, ...]) -> dict[str, bytes]:
    found = {name: prompt.read(name) for name in names}
    return {name: data for name, data in found.items() if data is not None}


def _make_room(
    case: Case,
    prompt: RawPrompt,
    there: Files,
    gone: list[str],
    coming: Mapping[str, bytes],
) -> None:
    """Remove what is of no use first, then what of the user's files may go, saved and agreed."""
    need = ROOM_BYTES + sum(taken(len(data)) for data in coming.values())
    if there.free_bytes >= need:
        return
    prompt.execute(_REMOVE.format(names=gone), 60)
    gone.clear()
    free = _number(prompt, prompt.execute(_FREE).strip())
    others = largest(prompt, there)
    chosen = chosen_for(
        case, others, need + ROOM_BYTES - free
    )  # not full again with the next file
    if free + sum(freed(size) for _, size in chosen) < need:
        raise MotekitError(
            f"{case.port}: its file system is too small: {need:,} bytes are needed, {free:,} are"
            f" free; files that could go: {named(others) or 'none'}:"
            f" motekit rescue {case.port} --remove NAME"
        )
    if chosen:
        names = [name for name, _ in chosen]
        case.step("saving")
        case.save_files(_read(prompt, tuple(names)))
        case.agree(
            f"its file system is full; {named(chosen, len(chosen))} will be removed from it"
        )
        prompt.execute(_REMOVE.format(names=names), 60)
        case.did.append(f"removed from the full file system: {', '.join(names)}")


def chosen_for(case: Case, others: Sequence[tuple[str, int]], need: int) -> list[tuple[str, int]]:
    """Return the files that shall go for so many bytes: those that are named, else the largest."""
    if case.wishes.remove:
        return [each for each in others if each[0] in case.wishes.remove]
    chosen: list[tuple[str, int]] = []
    for each in others:
        if need > 0 and freed(each[1]):
            chosen.append(each)
            need -= freed(each[1])
    return chosen


def _number(prompt: RawPrompt, said: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,12}", said):  # a littlefs that is full counts below none
        raise PromptError(f"{prompt.name}: {said[:40]!r}, a number of bytes expected; try again")
    return int(said)

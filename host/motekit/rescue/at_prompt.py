"""Mends what can be mended at MicroPython's prompt: a stopped firmware, files, settings."""

import re
from collections.abc import Mapping

from motekit import unsent
from motekit.errors import LinkError, MotekitError
from motekit.prompt.raw import PromptError, RawPrompt
from motekit.rescue import settings
from motekit.rescue.case import Case
from motekit.rescue.evidence import Files
from motekit.rescue.look import about
from motekit.rescue.states import ROOM_BYTES

PROMPT_S = 20.0
_START = ("/main.py", "/boot.py")
_SIZES = """
import os
for n in {names}:print(os.stat(n)[6])
"""
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
            _bring(case, prompt, there)
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
    """Remove what is of no use first, then the largest of the user's files, if they may go."""
    need = ROOM_BYTES + sum(len(data) + 4096 for data in coming.values())
    if there.free_bytes >= need:
        return
    prompt.execute(_REMOVE.format(names=gone), 60)
    gone.clear()
    free = _number(prompt, prompt.execute(_FREE).strip())
    ours = {*coming, *settings.NAMES, *(n for n in there.names if n.startswith("/lib/motefw/"))}
    others = [name for name in there.names if name not in {*ours, *_START}]
    left = [name for name in prompt.names("/") if name in others]
    said = prompt.execute(_SIZES.format(names=left), 60).split()
    if len(said) != len(left):
        raise PromptError(f"{prompt.name}: {len(left)} sizes asked for, {len(said)} came")
    sizes = [_number(prompt, each) for each in said]
    chosen: list[str] = []
    for name, size in sorted(zip(left, sizes, strict=True), key=lambda each: -each[1]):
        if free >= need:
            break
        chosen.append(name)
        free += size
    if free < need:
        raise MotekitError(
            f"{case.port}: its file system is too small: {need:,} bytes are needed,"
            f" {free:,} could be made free"
        )
    if chosen:
        case.step("saving")
        case.save_files(_read(prompt, tuple(chosen)))
        case.agree(f"its file system is full; {', '.join(chosen)} will be removed from it")
        prompt.execute(_REMOVE.format(names=chosen), 60)
        case.did.append(f"removed from the full file system: {', '.join(chosen)}")


def _number(prompt: RawPrompt, said: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,12}", said):  # a littlefs that is full counts below none
        raise PromptError(f"{prompt.name}: {said[:40]!r}, a number of bytes expected; try again")
    return int(said)

"""What a board's files are, as its prompt tells: whole, missing, altered, whose, how large."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from motekit import bundle, firmware
from motekit.board import Board
from motekit.chips import CHIPS
from motekit.prompt.raw import NEW, PromptError, RawPrompt, literal
from motekit.provision.look import chip_in
from motekit.rescue import settings
from motekit.rescue.evidence import Files
from motekit.rescue.room import ROOM_BYTES
from motekit.sim import image as virtual
from motekit.sim import vm

OURS = ("/lib/motefw/", "/motefw/")
_DEVICE = re.compile(r"[0-9a-f]{12}")  # it names folders
_ABOUT = """
import os,machine
q=getattr(globals().get('app'),'unsent',None) or [(),0,0]
try:s=os.statvfs('/')
except OSError:s=[0]*10
print((machine.unique_id().hex(),q[2],s[2]>0,s[0]*s[2],s[0]*s[3]))
"""
_SIZES = """
import os
for n in {names}:print(os.stat(n)[6])
"""
_VERSION = """
import sys
i=sys.implementation
t=sys.platform,getattr(i,'_mpy',0)>>10&15,getattr(i,'_machine','')
try:
 import motefw
 print(('',motefw.__version__)+t)
except BaseException as e:
 print((type(e).__name__+': '+str(e),'')+t)
"""


def about(prompt: RawPrompt, board: Board | None = None) -> tuple[str, int, Files]:
    """Return (device, bytes of unsent packets, files) as the prompt tells; PromptError."""
    device, unsent, mounted, size, free = _tuple(prompt, _ABOUT, 5)
    if not (isinstance(device, str) and _DEVICE.fullmatch(device)):
        raise PromptError(f"{prompt.name}: its id is {device!r:.40}, 12 hex digits expected")
    if not (type(unsent) is type(size) is type(free) is int):
        raise PromptError(f"{prompt.name}: three numbers were asked for")
    if not mounted:
        return device, unsent, Files(False)
    free = max(free, 0)  # a littlefs that is full counts below none
    names = tuple(prompt.names("/"))
    read = {
        name: data
        for name in settings.NAMES
        if name in names and (data := prompt.read(name)) is not None
    }
    why, version, platform, arch, machine = _tuple(prompt, _VERSION, 5)
    files = Files(True, chip_in(str(machine)), size, free, names, read, str(version), str(why))
    files = _compared(prompt, files, list(_programs(board, platform, arch)))
    if free < ROOM_BYTES:
        files = replace(files, largest=tuple(largest(prompt, files)))
    return device, unsent, files


def largest(prompt: RawPrompt, files: Files) -> list[tuple[str, int]]:
    """Return files that are neither motekit's nor a board's settings, the largest first."""
    ours = {*files.wanted, *settings.NAMES, *files.halves}
    names = [n for n in files.names if n not in ours and not n.startswith(OURS)]
    said = prompt.execute(_SIZES.format(names=names), 60).split()
    if len(said) != len(names) or not all(re.fullmatch("[0-9]{1,9}", each) for each in said):
        raise PromptError(f"{prompt.name}: {len(names)} sizes asked for, {len(said)} came")
    sizes = [int(each) for each in said]
    return sorted(zip(names, sizes, strict=True), key=lambda each: -each[1])


def _programs(
    board: Board | None, platform: object, arch: object
) -> Iterator[Mapping[str, bytes]]:
    """Give what motekit may have put on a board: for its chip, or for a virtual board's VM."""
    marches = {board.chip.march} if board else {chip.march for chip in CHIPS.values()}
    for march in sorted(marches):
        yield bundle.files_for(march)
    own = vm.march_of(arch) if type(arch) is int and arch >= 0 else None
    if platform == "linux" and own in (None, *firmware.MARCHES):
        yield virtual.firmware_files(own)


def _compared(prompt: RawPrompt, files: Files, programs: Sequence[Mapping[str, bytes]]) -> Files:
    """Compare with motekit's firmware, that which fits best."""
    best: Files | None = None
    for wanted in programs:
        hashes = prompt.hashes([name for name in wanted if name in files.names])
        missing = tuple(name for name in wanted if name not in files.names)
        other = tuple(
            name for name, held in hashes.items() if held != hashlib.sha256(wanted[name]).digest()
        )
        halves = tuple(n for n in files.names if n.removesuffix(NEW) in {*wanted, *settings.NAMES})
        halves = tuple(name for name in halves if name.endswith(NEW))
        left = tuple(
            name
            for name in files.names
            if name.startswith(OURS) and name not in wanted and name not in halves
        )
        each = replace(
            files, wanted=wanted, missing=missing, other=other, left=left, halves=halves
        )
        if best is None or len(missing + other) < len(best.missing + best.other):
            best = each
    return best or files


def _tuple(prompt: RawPrompt, code: str, size: int) -> tuple[Any, ...]:
    said = prompt.execute(code).strip().splitlines()
    try:
        found = literal(said[-1]) if said else None
    except ValueError as e:
        raise PromptError(f"{prompt.name}: a tuple was asked for, {said[-1][:80]!r} came") from e
    values = cast("tuple[Any, ...]", found) if isinstance(found, tuple) else ()
    if len(values) != size:
        raise PromptError(f"{prompt.name}: {size} values were asked for, {said[-1:]!r} came")
    return values

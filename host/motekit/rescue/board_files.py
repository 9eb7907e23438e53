"""What is on a board's file system, asked at its prompt: firmware and settings, whole or not."""

import hashlib
import re
from dataclasses import replace
from typing import Any, cast

from motekit import bundle
from motekit.board import Board
from motekit.chips import CHIPS
from motekit.prompt.raw import NEW, PromptError, RawPrompt, literal
from motekit.rescue import settings
from motekit.rescue.evidence import Files

OURS = ("/lib/motefw/", "/motefw/")
_DEVICE = re.compile(r"[0-9a-f]{12}")  # it names folders
_ABOUT = """
import os,machine
q=getattr(globals().get('app'),'unsent',None) or [b'',0,0]
try:s=os.statvfs('/')
except OSError:s=[0]*10
print((machine.unique_id().hex(),q[2],s[2]>0,s[0]*s[2],s[0]*s[3]))
"""
_VERSION = """
try:
 import motefw
 print(('',motefw.__version__))
except BaseException as e:
 print((type(e).__name__+': '+str(e),''))
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
    names = tuple(prompt.names("/"))
    read = {
        name: data
        for name in settings.NAMES
        if name in names and (data := prompt.read(name)) is not None
    }
    why, version = _tuple(prompt, _VERSION, 2)
    files = Files(True, "", size, free, names, read, str(version), str(why))
    return device, unsent, _compared(prompt, files, board)


def _compared(prompt: RawPrompt, files: Files, board: Board | None) -> Files:
    """Compare with motekit's firmware: for the chip of the board, else the one that fits best."""
    best: Files | None = None
    marches = {board.chip.march} if board else {chip.march for chip in CHIPS.values()}
    for march in sorted(marches):
        wanted = bundle.files_for(march)
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
        each = replace(files, march=march, missing=missing, other=other, left=left, halves=halves)
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

"""A board's files, read and brought over at its raw prompt.

    with RawPrompt.open("/dev/ttyUSB0") as prompt:
        print(prompt.execute("import os; print(os.listdir())"))
        prompt.put({"/main.py": b"print(1)"})

What runs on the board is as short as it can be: each byte of it goes over the line.
"""

import binascii
import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from .repl import PromptError, Repl, literal

__all__ = ["FILE_MAX_BYTES", "NEW", "PromptError", "RawPrompt", "literal"]

NEW = ".new"
_CHUNK_BYTES = 512
_READ_BYTES = 1920  # of one call: a board drops what its host is too slow to take
_TRIES = 3
FILE_MAX_BYTES = 16 << 20  # no board has more flash

_HASHES = """
import hashlib
def h(n):
 try:
  with open(n,'rb') as f:
   s=hashlib.sha256();b=bytearray(512);m=memoryview(b)
   while 1:
    k=f.readinto(b)
    if not k:return s.digest()
    s.update(m[:k])
 except OSError:return None
print([h(n) for n in {names}])
"""
_FOLDERS = """
import os
for d in {names}:
 try:os.mkdir(d)
 except OSError:pass
"""
# What an interrupted transfer left open would be committed at some later collection; so nothing
# else here may use its name. None is open, a program has used the name, or the disk is full: all
# the same here.
_OPEN = """
try:_put.close()
except(NameError,AttributeError,OSError):pass
_put=open({name!r},'wb')
"""
_LIST = """
import os
def w(d):
 for e in os.ilistdir(d):
  n=d.rstrip('/')+'/'+e[0]
  if e[1]&0x4000:w(n)
  else:print(n)
try:w({folder})
except OSError:pass
"""
_READ = """
import binascii
try:
 with open({name!r},'rb') as f:
  f.seek({at});k=0
  while k<{size}:
   b=f.read(192)
   if not b:break
   k+=len(b);print(binascii.b2a_base64(b).decode(),end='')
 print(k)
except OSError:print(-1)
"""
_RENAME = """
import os
for n in {names}:os.rename(n+{new},n)
for n in {gone}:os.remove(n)
if hasattr(os,'sync'):os.sync()
"""


class RawPrompt(Repl):
    """A board's raw prompt, with its files."""

    def hashes(self, names: Iterable[str]) -> dict[str, bytes | None]:
        """Return the SHA-256 of files on the board, None for those that are not there."""
        listed = tuple(names)
        said = self.execute(_HASHES.format(names=list(listed)), 60)
        try:
            value: object = literal(said.strip())
        except ValueError as e:
            raise PromptError(f"{self.name}: asked for hashes, got {said[:80]!r}") from e
        found = cast("list[object]", value) if isinstance(value, list) else []
        hashes = [each if isinstance(each, bytes) else None for each in found]
        if len(hashes) != len(listed):
            raise PromptError(f"{self.name}: {len(listed)} hashes asked for, {len(hashes)} came")
        return dict(zip(listed, hashes, strict=True))

    def names(self, folder: str) -> list[str]:
        """Return the paths of all files in a folder and below it; empty if it is not there."""
        return self.execute(_LIST.format(folder=repr(folder)), 30).split("\n")[:-1]

    def read(self, name: str) -> bytes | None:
        """Return a file, None if it is not there."""
        found = bytearray()
        while True:
            piece = self._piece(name, len(found))
            if piece is None:
                return None
            found += piece
            if len(piece) < _READ_BYTES:
                return bytes(found)
            if len(found) > FILE_MAX_BYTES:
                raise PromptError(f"{self.name}: {name} is longer than any flash")

    def _piece(self, name: str, at: int) -> bytes | None:
        """Return the piece of a file that begins at an offset; the board tells how long it is."""
        code = _READ.format(name=name, at=at, size=_READ_BYTES)
        for _ in range(_TRIES):
            *lines, last = self.execute(code, 60).splitlines() or [""]
            if last == "-1":
                return None
            try:
                piece = b"".join(binascii.a2b_base64(line) for line in lines)
                if len(piece) == int(last):
                    return piece
            except ValueError:  # of a number or of base64
                continue
        raise PromptError(f"{self.name}: {name} came over garbled {_TRIES} times; try again")

    def put(
        self,
        files: Mapping[str, bytes],
        gone: Iterable[str] = (),
        on_bytes: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Bring files over: all of them beside the old ones, read back, then renamed at once.

        `gone` are removed in the same step. PromptError leaves the old files as they were, unless
        power goes in the middle of the renaming: then some are new, and doing it again mends it.
        """
        folders = sorted({f"/{'/'.join(p)}" for name in files for p in _above(name)})
        self.execute(_FOLDERS.format(names=folders))
        for name, data in files.items():
            self._bring(name + NEW, data, on_bytes)
        held = self.hashes(name + NEW for name in files)
        for name, data in files.items():
            if held[name + NEW] != hashlib.sha256(data).digest():
                raise PromptError(f"{self.name}: {name} arrived damaged; try again")
        self.execute(_RENAME.format(names=list(files), new=repr(NEW), gone=list(gone)), 60)

    def _bring(self, name: str, data: bytes, on_bytes: Callable[[int], None]) -> None:
        self.execute(_OPEN.format(name=name), what=f"opening {name}")
        for at in range(0, len(data), _CHUNK_BYTES):
            piece = data[at : at + _CHUNK_BYTES]
            self.execute(f"_put.write({piece!r})", what=f"writing {name}")
            on_bytes(len(piece))
        self.execute("_put.close()")


def _above(name: str) -> list[list[str]]:
    """Return the folders above a file, as lists of their parts, the outermost first."""
    parts = name.strip("/").split("/")[:-1]
    return [parts[: i + 1] for i in range(len(parts))]

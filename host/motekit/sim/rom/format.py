"""Make the file system that a board is delivered with; runs in a VM with a large heap."""

import json

from .flash import Flash
from .start import mount

_ERASE = 6
_MOST_COMMITS = 400  # more than a block of 4 KiB holds


class _Watched(Flash):
    """A flash that tells which block was read last, and how many were erased."""

    def __init__(self, path):
        super().__init__(path)
        self.readblocks = self._read
        self.last = 0
        self.erased = 0

    def _read(self, n, buf, offset=0):
        self.last = n
        Flash.readblocks(self, n, buf, offset)

    def ioctl(self, op, arg):
        """As the flash's."""
        self.erased += op == _ERASE
        return super().ioctl(op, arg)


def make(path):
    """Read {"flash": path, "files": [[name on the board, path here], ...]} and fill the flash."""
    with open(path) as f:
        spec = json.load(f)
    files = []
    for name, source in spec["files"]:
        with open(source, "rb") as f:
            files.append((name, f.read()))
    flash = _Watched(spec["flash"])
    mount(flash, anew=True)
    import os

    for name, data in files:
        _make_folders(os, name)
        with open(name, "wb") as f:
            f.write(data)
    _tidy(os, flash, "/", set())
    os.umount("/")


def _make_folders(os, name):
    parts = name.split("/")[1:-1]
    for i in range(len(parts)):
        try:
            os.mkdir("/" + "/".join(parts[: i + 1]))
        except OSError:
            pass  # is there


def _tidy(os, flash, folder, tidied):
    """Have littlefs write each block of a folder's entries anew, without what is out of date.

    It does so when the block is full; and reads all that is in it whenever it looks for a file.
    """
    for name, kind, *_ in sorted(os.ilistdir(folder)):
        path = folder + name
        if kind == 0x4000:
            _tidy(os, flash, path + "/", tidied)
        os.stat(path)
        if flash.last not in tidied:
            erased = flash.erased
            for _ in range(_MOST_COMMITS):
                if flash.erased > erased:
                    break
                open(path + "~", "wb").close()  # whose entry comes next to that of the file
                os.remove(path + "~")
            os.stat(path)
            tidied.add(flash.last)

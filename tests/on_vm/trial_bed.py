"""A trial of files on littlefs, the power cut at operations of its flash; called in a VM."""

import os

import vfs

from motefw import trial
from motefw.files import read_json, write_json

BLOCK_BYTES = 4096  # a board's
BLOCKS = 48
ROOT = "/trial"
ERASED = b"\xff" * BLOCK_BYTES
FILES = ("wifi.json", "config.json", "keys.json")
HAD = ("config.json", "keys.json")
MARK = {"plan": "new"}
BESIDE = (("boot.py", 200), ("main.py", 90), ("epoch.json", 40), ("theirs.txt", 300))
PADDING = {"config.json": 1200, "keys.json": 240, "wifi.json": 300}


class Flash:
    """Flash in RAM that keeps what is on it when the power goes, in the middle of an operation.

    That is in `left`; the program goes on with what nobody will ever see.
    """

    def __init__(self, data, fuel=None):
        self.data = data
        self.left = None
        self.done = 0
        self._fuel = fuel  # whole writes and erases before that; None: it does not go

    def readblocks(self, n, buf, offset=0):
        at = n * BLOCK_BYTES + offset
        buf[:] = self.data[at : at + len(buf)]

    def writeblocks(self, n, buf, offset=0):
        self._change(n * BLOCK_BYTES + offset, buf)

    def ioctl(self, op, arg):
        if op == 4:
            return BLOCKS
        if op == 5:
            return BLOCK_BYTES
        if op == 6:
            self._change(arg * BLOCK_BYTES, ERASED)
        return 0

    def _change(self, at, data):
        if self.done == self._fuel:
            half = len(data) // 2
            self.left = bytearray(self.data)
            self.left[at : at + half] = data[:half]
        self.done += 1
        self.data[at : at + len(data)] = data


def _mounted(flash):
    vfs.mount(vfs.VfsLfs2(flash), ROOT)


def _write(name, text):
    write_json(ROOT + "/" + name, text)


def _text(age, name):
    return age + name + " " * PADDING[name]


def _before(step):
    """Return the flash at the moment at which a step has just been decided."""
    flash = Flash(bytearray(BLOCKS * BLOCK_BYTES))
    vfs.VfsLfs2.mkfs(flash)
    _mounted(flash)
    for name, size in BESIDE:
        _write(name, "x" * size)
    for name in HAD:
        _write(name, _text("old ", name))
    _write("provision.json", {"plan": "old"})
    for name in FILES:
        _write(name + ".try", _text("new ", name))
    told = {"step": "apply", "files": FILES, "had": HAD, "mark": MARK}
    _write("trial.json", told)
    if step != "apply":
        trial.finish(ROOT + "/")
        told["step"] = step
        _write("trial.json", told)
    vfs.umount(ROOT)
    return flash.data


def _finish(data, fuel=None):
    """Boot: carry out what is decided; return (what is left on the flash, operations it took)."""
    flash = Flash(bytearray(data), fuel)
    _mounted(flash)
    trial.finish(ROOT + "/")
    vfs.umount(ROOT)
    return flash.left or flash.data, flash.done


def _after(data):
    """Return what is on the flash, padding taken off; what lies beside must be as it was."""
    _mounted(Flash(data))
    found = {name: read_json(ROOT + "/" + name) for name in os.listdir(ROOT)}
    vfs.umount(ROOT)
    for name, size in BESIDE:
        if found.pop(name, None) != "x" * size:
            found[name] = "damaged"
    return {name: each.strip() if isinstance(each, str) else each for name, each in found.items()}


def cut_everywhere(step, second_every):
    """Cut a step at each operation, and again in the boot after it; return what came of it.

    That is (operations of a whole one, cuts tried, all outcomes that differ).
    """
    start = _before(step)
    _, total = _finish(start)
    tried = 0
    outcomes = []
    for first in range(total + 1):
        data, _ = _finish(start, first)
        seconds = [None]
        if first % second_every == 0:
            seconds += list(range(_finish(data)[1]))
        for second in seconds:
            again, _ = _finish(data, second)
            again, _ = _finish(again)
            found = _after(again)
            tried += 1
            if found not in outcomes:
                outcomes.append(found)
    return total, tried, outcomes


def untouched():
    """Return what becomes of a board without a trial."""
    flash = Flash(bytearray(BLOCKS * BLOCK_BYTES))
    vfs.VfsLfs2.mkfs(flash)
    _mounted(flash)
    _write("config.json", "mine")
    trial.finish(ROOT + "/")
    found = {name: read_json(ROOT + "/" + name) for name in os.listdir(ROOT)}
    vfs.umount(ROOT)
    return found

"""The board's file system: littlefs on a file, as a block device, and what goes wrong with it."""

import random
import sys

from micropython import const

from . import fast

BLOCK_BYTES = const(4096)
_EIO = const(5)
NATIVE = getattr(sys.implementation, "_mpy", 0) >> 10 & 0xF  # what `fast` is compiled for, too


class Flash:
    """Block device (extended interface) on 4 KiB blocks of a file; size 0: all from there.

    `fault` begins and ends what goes wrong: `flash_write_error` and `flash_erase_error` at a rate,
    with half of it done; `flash_torn`: after so many whole operations since then the power goes in
    the middle of one, which `power_cut` is called for.
    """

    def __init__(self, path, power_cut=None, offset=0, size=0):
        self._file = open(path, "r+b")
        self._blocks = (size or self._file.seek(0, 2) - offset) // BLOCK_BYTES
        self._start = offset
        self._power_cut = power_cut
        self._faults = {}
        self.failed = 0
        fast.FLASH_NUMBER[0] = -1
        fast.fetch = self._fetch
        if NATIVE:  # a call less, of the thousands that a boot takes
            self.readblocks = fast.read_block

    def fileno(self):
        """Return the file's descriptor."""
        return self._file.fileno()

    def fault(self, kind, value, on):
        """Begin or end a fault; `value` is its rate, or how many operations are let pass."""
        if on:
            scale = 1 if kind == "flash_torn" else 65536
            self._faults[kind] = int(scale * value)
        else:
            self._faults.pop(kind, None)

    def readblocks(self, n, buf, offset=0):
        """Read into buf."""
        self._file.seek(self._start + n * BLOCK_BYTES + offset)
        self._file.readinto(buf)

    def _fetch(self, n):
        """Have block n at hand: littlefs reads by the 128 bytes."""
        fast.FLASH_NUMBER[0] = -1
        self._file.seek(self._start + n * BLOCK_BYTES)
        self._file.readinto(fast.FLASH_WORDS)
        fast.FLASH_NUMBER[0] = n

    def writeblocks(self, n, buf, offset=0):
        """Write buf; allocates nothing, since a file may be closed by the sweep of the heap."""
        fast.FLASH_NUMBER[0] = -1
        if self._faults:
            return self._suffer("flash_write_error", n * BLOCK_BYTES + offset, buf, len(buf))
        self._file.seek(self._start + n * BLOCK_BYTES + offset)
        self._file.write(buf)
        return 0

    def ioctl(self, op, arg):
        """Tell sizes, erase; everything else succeeds."""
        if op == 4:
            return self._blocks
        if op == 5:
            return BLOCK_BYTES
        if op == 6:
            fast.FLASH_NUMBER[0] = -1
            if self._faults:
                for i in range(len(fast.FLASH_WORDS)):  # which hold no block now
                    fast.FLASH_WORDS[i] = -1
                at = arg * BLOCK_BYTES
                return self._suffer("flash_erase_error", at, fast.FLASH_WORDS, BLOCK_BYTES)
            return 0
        return None

    def _suffer(self, failing, at, data, whole):
        """Write `whole` bytes, or as many as what is wrong lets through; allocates nothing.

        Returns 0, or what littlefs takes for an error: one that is raised would leave in the
        middle of its C code, and what it holds in RAM torn.
        """
        left = self._faults.get("flash_torn")
        torn = left is not None and left < 1
        if left is not None:
            self._faults["flash_torn"] = left - 1
        fails = random.getrandbits(16) < self._faults.get(failing, 0)
        if torn or fails:
            whole = random.getrandbits(16) % whole
        self._file.seek(self._start + at)
        self._file.write(data, whole)
        if torn:
            self._power_cut()
        if fails:
            self.failed += 1
            return -_EIO
        return 0

"""The board's file system: littlefs on a file, as a block device."""

from micropython import const

BLOCK_BYTES = const(4096)


class Flash:
    """Block device (extended interface) on 4 KiB blocks of a file; size 0: all from there."""

    def __init__(self, path, offset=0, size=0):
        self._file = open(path, "r+b")
        self._blocks = (size or self._file.seek(0, 2) - offset) // BLOCK_BYTES
        self._first = offset // BLOCK_BYTES

    def readblocks(self, n, buf, offset=0):
        """Read into buf."""
        self._file.seek((self._first + n) * BLOCK_BYTES + offset)
        self._file.readinto(buf)

    def writeblocks(self, n, buf, offset=0):
        """Write buf."""
        self._file.seek((self._first + n) * BLOCK_BYTES + offset)
        self._file.write(buf)

    def ioctl(self, op, arg):
        """Tell sizes; everything else succeeds."""
        if op == 4:
            return self._blocks
        if op == 5:
            return BLOCK_BYTES
        return 0 if op == 6 else None

"""The board's file system: littlefs on a file, as a block device."""

from micropython import const

BLOCK_BYTES = const(4096)


class Flash:
    """Block device (extended interface) on a file of whole 4 KiB blocks."""

    def __init__(self, path):
        self._file = open(path, "r+b")
        self._blocks = self._file.seek(0, 2) // BLOCK_BYTES

    def readblocks(self, n, buf, offset=0):
        """Read into buf."""
        self._file.seek(n * BLOCK_BYTES + offset)
        self._file.readinto(buf)

    def writeblocks(self, n, buf, offset=0):
        """Write buf."""
        self._file.seek(n * BLOCK_BYTES + offset)
        self._file.write(buf)

    def ioctl(self, op, arg):
        """Tell sizes; everything else succeeds."""
        if op == 4:
            return self._blocks
        if op == 5:
            return BLOCK_BYTES
        return 0 if op == 6 else None

"""What goes wrong between a host and a chip in its loader; kinds of a scenario's faults."""

import random

from motekit.sim.loader.nor import Nor

DEAD = "loader_dead"  # nothing answers
BAUD_FAILS = "loader_baud_fails"  # after a change of baud neither side understands the other
BYTES_LOST = "loader_bytes_lost"  # at a rate
MD5_WRONG = "loader_md5_wrong"  # a cell of the flash does not keep its bit
PROTECTED = "flash_write_protected"
PULLED = "board_pulled"  # out of its port, for for_s
BROWNOUT = "loader_brownout"  # back to the ROM, in the middle of what it does
_WEAK_OFFSET = 0x1_2345


class Faults:
    """Which faults are on, and what they do."""

    def __init__(self, seed: str, flash: Nor) -> None:
        self.on: dict[str, float] = {}
        self._random = random.Random(seed)
        self._flash = flash
        flash.veto = self._veto

    def start(self, kind: str, rate: float) -> None:
        """Begin a fault."""
        self.on[kind] = rate

    def stop(self, kind: str) -> None:
        """End a fault."""
        self.on.pop(kind, None)

    def lose(self, data: bytes) -> bytes:
        """Return what arrives of data."""
        rate = self.on.get(BYTES_LOST)
        if not rate:
            return data
        return bytes(each for each in data if self._random.random() >= rate)

    def damage(self) -> None:
        """Let the weak cell forget what was written to it."""
        if MD5_WRONG in self.on and self._flash.size_bytes > _WEAK_OFFSET:
            kept = self._flash.read(_WEAK_OFFSET, 1)[0]
            if kept != 0xFF and kept:
                self._flash.program(_WEAK_OFFSET, bytes((kept & (kept - 1),)))

    def _veto(self, _offset: int, _size: int) -> None:
        if PROTECTED in self.on:
            raise OSError("write protected")

"""Judges each packet that arrived: store it, set it aside, or have the board skip it.

No I/O: packets in, verdicts out. What is stored may be acknowledged; what is set aside never is.
"""

import hashlib
from collections import OrderedDict
from typing import NamedTuple

from motefw import keys, packet
from motefw.errors import PacketError

from .keys import KeyStore
from .store.header import Head
from .store.header import read as read_header

BAD_DELIVERIES = 3  # intact over the line and a wrong tag so often: the record itself has rotted
REMEMBERED_MAX = 64


class Take(NamedTuple):
    """Store it; `verified` if its tag shows that this very board made it."""

    header: Head
    verified: bool


class SetAside(NamedTuple):
    """Quarantine it; `skip` if the board is to be told to go on without it."""

    why: str
    skip: bool = False


class Wait(NamedTuple):
    """Do nothing now: it will come again."""

    why: str


Verdict = Take | SetAside | Wait


class Intake:
    """Judges the packets of one device; `provisioned` if the device is known to have keys."""

    def __init__(self, key_store: KeyStore, device: str, generation: int, provisioned: bool):
        self._keys = key_store
        self._device = device
        self._generation = generation
        self._provisioned = provisioned
        self._taggers: dict[int, keys.Tagger | None] = {}
        self._bad: OrderedDict[bytes, int] = OrderedDict()

    def judge(self, data: bytes) -> Verdict:
        """Judge a packet that came whole over its link."""
        try:
            header = read_header(data)
        except PacketError as e:
            if self._tag_holds(data, self._generation):
                return self._once(data, f"of a newer format, update motekit: {e}")
            return self._rotten(data, str(e))
        tagger = self._tagger(header.generation)
        if tagger is None:
            return self._once(data, f"no key of generation {header.generation} here")
        if not packet.verify(data, tagger):
            return self._rotten(data, "tag does not match")
        if header.generation == 0 and self._provisioned:
            return self._once(data, "generation 0 from a device that has a key")
        return Take(header, header.generation > 0)

    def _tagger(self, generation: int) -> keys.Tagger | None:
        if generation not in self._taggers:
            self._taggers[generation] = self._keys.tagger(keys.DATA, self._device, generation)
        return self._taggers[generation]

    def _tag_holds(self, data: bytes, generation: int) -> bool:
        tagger = self._tagger(generation)
        return tagger is not None and len(data) > keys.TAG_BYTES and packet.verify(data, tagger)

    def _count(self, data: bytes) -> int:
        digest = hashlib.sha256(data).digest()[:16]
        count = self._bad[digest] = self._bad.pop(digest, 0) + 1
        if len(self._bad) > REMEMBERED_MAX:
            self._bad.popitem(last=False)
        return count

    def _once(self, data: bytes, why: str) -> Verdict:
        return SetAside(why) if self._count(data) == 1 else Wait(why)

    def _rotten(self, data: bytes, why: str) -> Verdict:
        if self._count(data) % BAD_DELIVERIES:
            return Wait(why)
        return SetAside(f"{why}, {BAD_DELIVERIES} times intact over the line", skip=True)

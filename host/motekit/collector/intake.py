"""Judges each packet that arrived: store it, set it aside, or have the board skip it.

No I/O: packets in, verdicts out. What is stored may be acknowledged; what is set aside never is.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from motefw import keys
from motefw.errors import PacketError
from motekit.keys import KeyStore, Verifier
from motekit.store import Head, Received, read_headers
from motekit.store.header import new

BAD_DELIVERIES = 3  # intact over the line and a wrong tag so often: the record itself has rotted
REMEMBERED_MAX = 64
GENERATION = Head._fields.index("generation")


class SetAside(NamedTuple):
    """Quarantine it; `skip` if the board is to be told to go on without it."""

    why: str
    skip: bool = False


class Wait(NamedTuple):
    """Do nothing now: it will come again."""

    why: str


Verdict: TypeAlias = Received | SetAside | Wait  # what was received is to be stored


class Intake:
    """Judges the packets of one device; `provisioned` if the device is known to have keys."""

    def __init__(self, key_store: KeyStore, device: str, generation: int, provisioned: bool):
        self._keys = key_store
        self.device = device
        self._generation = generation
        self._provisioned = provisioned
        self._verifiers: dict[int, Verifier | None] = {}
        self.good: dict[int, Verifier] = {}  # of generations whose packets a right tag makes good
        self._bad: OrderedDict[bytes, int] = OrderedDict()

    def judge(self, data: bytes, header: Head | PacketError) -> Verdict:
        """Judge a packet that came whole over its link, and its header or what is wrong there."""
        if isinstance(header, PacketError):
            if self._tag_holds(data):
                return self._once(data, f"of a newer format, update motekit: {header}")
            return self._rotten(data, str(header))
        generation = header.generation
        verifier = self._verifiers.get(generation) or self._verifier(generation)
        if verifier is None:
            return self._once(data, f"no key of generation {generation} here")
        if not verifier.holds(data):
            return self._rotten(data, "tag does not match")
        if generation == 0 and self._provisioned:
            return self._once(data, "generation 0 from a device that has a key")
        return Received(self.device, data, generation > 0, header)

    def _verifier(self, generation: int) -> Verifier | None:
        if generation not in self._verifiers:
            made = self._verifiers[generation] = self._keys.verifier(self.device, generation)
            if generation and made is not None:
                self.good[generation] = made
        return self._verifiers[generation]

    def _tag_holds(self, data: bytes) -> bool:
        verifier = self._verifier(self._generation)
        return verifier is not None and len(data) > keys.TAG_BYTES and verifier.holds(data)

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


def judge(packets: Sequence[tuple[Intake, bytes]]) -> list[Verdict]:
    """Judge packets that came together, each by its device's intake."""
    verdicts: list[Verdict] = []
    headers = read_headers([data for _, data in packets])
    for (intake, data), header in zip(packets, headers, strict=True):
        if isinstance(header, Head):
            good = intake.good.get(header[GENERATION])
            if good is not None and good.holds(data):  # the usual case, short
                verdicts.append(new(Received, (intake.device, data, True, header)))
                continue
        verdicts.append(intake.judge(data, header))
    return verdicts

"""The serial line between a host's pty and a board: its pace, its ring, and its faults."""

import asyncio
import random
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

RING_BYTES = 260  # ports/esp32: what the UART's interrupt handler can keep
_BURST_S = 0.01
_BITS_A_BYTE = 10
_TICK_S = 1e-6
CTRL_C = b"\x03"
CUTS = ("link_down", "link_half_open")
_FRAME = re.compile(rb"\0*[^\0]+\0?|\0+")  # a frame, or what lies between two


class Noise:
    """Changes bytes, or loses them, at a rate: the same seed and bytes give the same errors."""

    def __init__(self, kind: str, rate: float, seed: str) -> None:
        self._kind = kind
        self._rate = rate
        self._random = random.Random(seed)
        self.hits = 0
        self._clean = self._gap() if rate else 0  # bytes until the next hit

    def _gap(self) -> int:
        return int(self._random.expovariate(1) / self._rate) if self._rate < 1 else 0

    def carry(self, frames: list[bytes]) -> list[bytes]:
        """Return frames as they arrive."""
        return [self._frame(frame) for frame in frames] if self._rate else frames

    def _frame(self, data: bytes) -> bytes:
        at = self._clean
        if at >= len(data):
            self._clean -= len(data)
            return data
        whole = bytearray()
        start = 0
        while at < len(data):
            whole += data[start:at] + self._instead(data[at])
            self.hits += 1
            start = at + 1
            at = start + self._gap()
        self._clean = at - len(data)
        return bytes(whole + data[start:])

    def _instead(self, byte: int) -> bytes:
        if self._kind == "link_loss":
            return b""
        if self._kind == "link_interrupt":
            return CTRL_C
        damaged = byte ^ self._random.randrange(1, 256)
        return bytes((damaged ^ 0x80 if damaged == CTRL_C[0] else damaged,))


class Disorder:
    """Has frames come twice, or one after the next, at a rate."""

    def __init__(self, kind: str, rate: float, seed: str) -> None:
        self._late = kind == "link_reorder"
        self._rate = rate
        self._random = random.Random(seed)
        self._held = b""
        self.hits = 0

    def carry(self, frames: list[bytes]) -> list[bytes]:
        """Return frames as they arrive; one that is held back comes behind the next."""
        arrived: list[bytes] = []
        for frame in frames:
            hit = self._random.random() < self._rate
            self.hits += hit
            if self._late and hit and not self._held:
                self._held = frame
                continue
            arrived += [frame, frame] if hit and not self._late else [frame]
            if self._held:
                arrived.append(self._held)
                self._held = b""
        return arrived


_TRICKS: dict[str, type[Noise] | type[Disorder]] = {
    "link_corrupt": Noise,
    "link_loss": Noise,
    "link_interrupt": Noise,
    "link_duplicate": Disorder,
    "link_reorder": Disorder,
}


class LineFault(NamedTuple):
    """What a lane needs of a fault: its kind, the number of that, and which way it goes."""

    kind: str
    value: float
    way: str


class Lane:
    """One direction of a line; faults are known by their place in the scenario's list."""

    def __init__(self, seed: str, way: str, faults: Mapping[int, LineFault]) -> None:
        """`way` is "to_board" or "to_host"."""
        mine = {i: fault for i, fault in faults.items() if fault.way in ("both", way)}
        self.cut_bytes = 0  # that were under way while the line was down
        self._cuts = {i for i, fault in mine.items() if fault.kind in CUTS}
        self._delays_s = {i: each.value for i, each in mine.items() if each.kind == "link_delay"}
        self._tricks = {
            i: _TRICKS[fault.kind](fault.kind, fault.value, f"{seed} {way} {i}")
            for i, fault in mine.items()
            if fault.kind in _TRICKS
        }

    @property
    def hits(self) -> int:
        """Return how many bytes were damaged or lost, and frames doubled or held back."""
        return sum(trick.hits for trick in self._tricks.values())

    def carry(self, data: bytes, on: Collection[int]) -> bytes:
        """Return what arrives of the data while these faults are on."""
        if not on:
            return data
        if not self._cuts.isdisjoint(on):
            self.cut_bytes += len(data)
            return b""
        frames = _FRAME.findall(data)
        for i, trick in self._tricks.items():
            if i in on:
                frames = trick.carry(frames)
        return b"".join(frames)

    def delay_s(self, on: Collection[int]) -> float:
        """Return how much later than usual it arrives."""
        return sum(each for i, each in self._delays_s.items() if i in on)


class Lanes:
    """Both directions of the line of a port, in real time."""

    def __init__(self, spec: dict[str, Any], loop: asyncio.AbstractEventLoop) -> None:
        """`spec` is what a board's ROM is told."""
        faults = {
            i: LineFault(fault["kind"], fault["value"], fault["way"])
            for i, fault in enumerate(spec["faults"])
            if fault["kind"].startswith("link_")
        }
        self.to_board = Lane(spec["seed"], "to_board", faults)
        self.to_host = Lane(spec["seed"], "to_host", faults)
        self._loop = loop
        self._cuts = {i for i, fault in faults.items() if fault.kind in CUTS}
        self._on: set[int] = set()
        self._late: dict[Lane, float] = {}  # until when what comes has to wait

    def begin(self) -> None:
        """Have no fault on: a ROM that starts says which are."""
        self._on.clear()

    def fault(self, number: int, *, on: bool) -> None:
        """Begin or end a fault of the scenario's list."""
        if on:
            self._on.add(number)
        else:
            self._on.discard(number)

    @property
    def cut(self) -> bool:
        """Tell whether a fault cuts the line now, one way at least."""
        return not self._cuts.isdisjoint(self._on)

    def carry(self, lane: Lane, data: bytes, deliver: Callable[[bytes], None]) -> None:
        """Have delivered what a lane makes of the data, now or later."""
        data = lane.carry(data, self._on)
        now_s = self._loop.time()
        due_s = max(now_s + lane.delay_s(self._on), self._late.get(lane, 0.0))
        if due_s <= now_s:
            deliver(data)
            return
        self._late[lane] = due_s + _TICK_S  # the loop keeps no order among equals
        self._loop.call_at(due_s, deliver, data)


class Pace:
    """Tells how many bytes a line of so many baud has carried since it was last asked."""

    def __init__(self, baud: int, now_s: float) -> None:
        self._bytes_a_s = baud / _BITS_A_BYTE
        self._asked_s = now_s

    def take(self, wanted: int, now_s: float) -> int:
        """Return how many of the wanted bytes have arrived; at most 10 ms are made up for."""
        passed = min(now_s - self._asked_s, _BURST_S)
        room = int(passed * self._bytes_a_s)
        taken = min(room, wanted)
        self._asked_s = now_s - (passed - taken / self._bytes_a_s) if wanted > taken else now_s
        return taken

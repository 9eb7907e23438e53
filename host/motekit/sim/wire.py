"""A board's serial line in virtual time: its pace, and what the scenario does to it.

    to_board, to_host: (when it was written, bytes) in, (when they arrive, bytes) out

The same seed and the same bytes at the same times give the same faults.
"""

from motekit.sim.faults import KINDS, LINE
from motekit.sim.plan import Fault
from motekit.sim.serial_line import Lane, LineFault

_BITS_A_BYTE = 10
_CHUNK_BYTES = 64  # what arrives at once; a board's ring holds 260

Arrivals = list[tuple[int, bytes]]  # (at_ms, bytes)


class Wire:
    """Both directions of one line."""

    def __init__(self, seed: str, baud: int, faults: tuple[Fault, ...]) -> None:
        self._bytes_a_ms = baud / _BITS_A_BYTE / 1000
        self._free_ms = 0.0  # when the line to the board falls idle
        self._heard_ms = 0  # when the host got the last bytes
        of_line = {i: fault for i, fault in enumerate(faults) if KINDS[fault.kind].of == LINE}
        known = {i: LineFault(f.kind, f.value, f.way) for i, f in of_line.items()}
        self._spans = {i: fault.span_ms() for i, fault in of_line.items()}
        self._in = Lane(seed, "to_board", known)
        self._out = Lane(seed, "to_host", known)

    @property
    def corrupted_bytes(self) -> int:
        """Return how often the line did something to bytes or frames, both ways."""
        return self._in.hits + self._out.hits

    @property
    def cut_bytes(self) -> int:
        """Return how many bytes were under way while the line was down."""
        return self._in.cut_bytes + self._out.cut_bytes

    def sound(self, from_ms: int, to_ms: int) -> bool:
        """Tell whether no fault is on in all of this time."""
        return all(
            to_ms < begins_ms or (ends_ms is not None and ends_ms <= from_ms)
            for begins_ms, ends_ms in self._spans.values()
        )

    def _on(self, at_ms: int) -> list[int]:
        """Return which faults last."""
        return [
            i
            for i, (from_ms, to_ms) in self._spans.items()
            if from_ms <= at_ms and (to_ms is None or at_ms < to_ms)
        ]

    def to_board(self, at_ms: int, data: bytes) -> Arrivals:
        """Return what the board gets of what the host writes, and when."""
        on = self._on(at_ms)
        delay_ms = self._in.delay_s(on) * 1000
        arrived = self._in.carry(data, on)
        arrivals: Arrivals = []
        free_ms = max(self._free_ms, at_ms + delay_ms)
        for start in range(0, len(arrived), _CHUNK_BYTES):
            chunk = arrived[start : start + _CHUNK_BYTES]
            free_ms += len(chunk) / self._bytes_a_ms
            arrivals.append((int(free_ms) + 1, chunk))
        self._free_ms = free_ms
        return arrivals

    def to_host(self, at_ms: int, data: bytes, heard_ms: int) -> Arrivals:
        """Return what the host gets of what the board wrote, heard of at `heard_ms`, and when."""
        if not self._spans:
            self._heard_ms = max(self._heard_ms, heard_ms)
            return [(self._heard_ms, data)]
        on = self._on(at_ms)
        arrived = self._out.carry(data, on)
        if not arrived:
            return []
        self._heard_ms = max(self._heard_ms, heard_ms + round(self._out.delay_s(on) * 1000))
        return [(self._heard_ms, arrived)]

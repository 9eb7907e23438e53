"""A board's serial line in virtual time: its pace, and what the scenario does to it.

    to_board, to_host: (when it was written, bytes) in, (when they arrive, bytes) out

The same seed and the same bytes at the same times give the same faults.
"""

from motekit.sim.scenario import Fault
from motekit.sim.serial_line import Noise

_BITS_A_BYTE = 10
_CHUNK_BYTES = 64  # what arrives at once; a board's ring holds 260

Arrivals = list[tuple[int, bytes]]  # (at_ms, bytes)


class _Span:
    """One fault while it lasts."""

    def __init__(self, fault: Fault) -> None:
        self._at_ms = round(fault.at_s * 1000)
        self._end_ms = None if fault.for_s is None else self._at_ms + round(fault.for_s * 1000)

    def lasts(self, at_ms: int) -> bool:
        return at_ms >= self._at_ms and (self._end_ms is None or at_ms < self._end_ms)


class _Corruption(_Span):
    """Damages bytes at a rate."""

    def __init__(self, fault: Fault, seed: str) -> None:
        super().__init__(fault)
        self.noise = Noise(seed)
        self.noise.start(fault.rate)


class Wire:
    """Both directions of one line."""

    def __init__(self, seed: str, baud: int, faults: tuple[Fault, ...]) -> None:
        self.cut_bytes = 0  # that were under way while the line was down
        self._bytes_a_ms = baud / _BITS_A_BYTE / 1000
        self._free_ms = 0.0  # when the line to the board falls idle
        self._cuts = [_Span(fault) for fault in faults if fault.kind == "link_down"]
        noisy = [fault for fault in faults if fault.kind == "link_corrupt"]
        self._in = [_Corruption(each, f"{seed} in {i}") for i, each in enumerate(noisy)]
        self._out = [_Corruption(each, f"{seed} out {i}") for i, each in enumerate(noisy)]

    @property
    def corrupted_bytes(self) -> int:
        """Return how many bytes were damaged, both ways."""
        return sum(each.noise.hits for each in (*self._in, *self._out))

    def to_board(self, at_ms: int, data: bytes) -> Arrivals:
        """Return what the board gets of what the host writes, and when."""
        arrivals: Arrivals = []
        free_ms = max(self._free_ms, at_ms)
        for start in range(0, len(data), _CHUNK_BYTES):
            chunk = data[start : start + _CHUNK_BYTES]
            free_ms += len(chunk) / self._bytes_a_ms
            arrived = self._carry(at_ms, chunk, self._in)
            if arrived:
                arrivals.append((int(free_ms) + 1, arrived))
        self._free_ms = free_ms
        return arrivals

    def to_host(self, at_ms: int, data: bytes, heard_ms: int) -> Arrivals:
        """Return what the host gets of what the board wrote, heard of at `heard_ms`, and when."""
        arrived = self._carry(at_ms, data, self._out)
        return [(heard_ms, arrived)] if arrived else []

    def _carry(self, at_ms: int, data: bytes, noisy: list[_Corruption]) -> bytes:
        if any(cut.lasts(at_ms) for cut in self._cuts):
            self.cut_bytes += len(data)
            return b""
        for each in noisy:
            if each.lasts(at_ms):
                data = each.noise.pass_through(data)
        return data

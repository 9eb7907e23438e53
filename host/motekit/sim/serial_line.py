"""The serial line between a host's pty and a board: its pace, its ring, and its faults."""

import random

RING_BYTES = 260  # ports/esp32: what the UART's interrupt handler can keep
_BURST_S = 0.01
_BITS_A_BYTE = 10


class Noise:
    """Flips bits of bytes at a rate; the same seed and the same bytes give the same errors."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)
        self.rate = 0.0
        self.hits = 0
        self._clean = 0  # bytes until the next hit

    def start(self, rate: float) -> None:
        """Corrupt bytes with this probability from now on; 0 stops it."""
        self.rate = rate
        if rate:
            self._clean = self._gap()

    def _gap(self) -> int:
        return int(self._random.expovariate(1) / self.rate) if self.rate < 1 else 0

    def pass_through(self, data: bytes) -> bytes:
        """Return the bytes as they arrive."""
        if not self.rate:
            return data
        at = self._clean
        if at >= len(data):
            self._clean -= len(data)
            return data
        noisy = bytearray(data)
        while at < len(noisy):
            noisy[at] ^= self._random.randrange(1, 256)
            self.hits += 1
            at += 1 + self._gap()
        self._clean = at - len(noisy)
        return bytes(noisy)


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

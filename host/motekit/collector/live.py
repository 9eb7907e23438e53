"""What a collector knows of each board at this moment, for who watches it.

The threads of a collector write here, under one lock; `rows` hands out a copy.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from motefw import packet
from motefw.errors import PacketError
from motekit.clock import SYSTEM, Clock
from motekit.hello import Hello
from motekit.store import Head, Received, gap_of


@dataclass
class LiveStream:
    """One sensor's stream."""

    stream: int
    name: str = ""
    announced: int = 0  # schema, as the board's greeting tells
    samples: int = 0
    packets: int = 0
    newest: tuple[Head, bytes] | None = None
    before: Head | None = None  # that `newest` took the place of

    @property
    def schema(self) -> int:
        """Return the number of the schema of the newest packet."""
        return self.newest[0].schema if self.newest else self.announced

    @property
    def epoch(self) -> int:
        """Return the epoch of the newest packet."""
        return self.newest[0].epoch if self.newest else 0

    @property
    def last(self) -> bytes:
        """Return the newest packet, empty before there is one."""
        return self.newest[1] if self.newest else b""

    @property
    def rate_hz(self) -> float | None:
        """Return the rate by the board's clock, from the last two packets."""
        if self.newest is None or self.before is None or self.epoch != self.before.epoch:
            return None
        samples = self.newest[0].first_index - self.before.first_index
        elapsed_us = self.newest[0].time_us - self.before.time_us
        return samples * 1e6 / elapsed_us if elapsed_us > 0 else None


@dataclass
class LiveBoard:
    """One board; counters are since this collector started."""

    device: str
    board: str = ""
    name: str | None = None
    port: str = ""
    state: str = "connecting"
    gaps: int = 0  # holes in a stream that the board told of
    lost_samples: int = 0
    lost_packets: int = 0  # that the board had let go of before they were collected
    refused: int = 0
    quarantined: int = 0
    frames_bad: int = 0
    errors: tuple[str, ...] = ()  # sensors that are not well, as the board tells
    streams: dict[int, LiveStream] = field(default_factory=dict[int, LiveStream])

    @property
    def packets(self) -> int:
        """Return how many packets of samples came."""
        return sum(stream.packets for stream in self.streams.values())

    @property
    def samples(self) -> int:
        """Return how many samples came, of all streams."""
        return sum(stream.samples for stream in self.streams.values())


class Live:
    """All boards of a collector."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._now = clock.monotonic
        self._lock = threading.Lock()
        self._boards: dict[str, LiveBoard] = {}
        self.stored_at = self._now()  # when something new was last stored
        self.new = 0

    def rows(self) -> list[LiveBoard]:
        """Return a copy of all boards, in the order in which they were met."""
        with self._lock:
            return [
                replace(b, streams={n: replace(s) for n, s in sorted(b.streams.items())})
                for b in self._boards.values()
            ]

    def met(self, hello: Hello, port: str) -> None:
        """Note a greeting."""
        with self._lock:
            board = self._board(hello.device)
            board.board, board.name, board.port, board.state = (
                hello.board,
                hello.name,
                port,
                "live",
            )
            for row in hello.streams:
                stream = _stream(board, row.stream)
                stream.name, stream.announced = row.name, row.schema

    def set(self, device: str, **fields: Any) -> None:
        """Set fields of a board."""
        with self._lock:
            board = self._board(device)
            for name, value in fields.items():
                setattr(board, name, value)

    def count(self, device: str, **fields: int) -> None:
        """Add to counters of a board."""
        with self._lock:
            board = self._board(device)
            for name, value in fields.items():
                setattr(board, name, getattr(board, name) + value)

    def stored(self, packets: Sequence[Received]) -> None:
        """Note packets that were new and are durable now."""
        if not packets:
            return
        with self._lock:
            self.new += len(packets)
            self.stored_at = self._now()
            boards = self._boards
            for device, data, _, header in packets:
                board = boards.get(device) or self._board(device)
                if header is None:
                    continue
                kind, _, number, _, epoch, _, index, _, samples, _, _ = header
                if kind != packet.SAMPLES:
                    lost = gap_of(header, data)
                    board.gaps += lost is not None
                    board.lost_samples += lost or 0
                    continue
                stream = board.streams.get(number) or _stream(board, number)
                stream.packets += 1
                stream.samples += samples
                newest = stream.newest
                if newest is None or newest[0].first_index < index or newest[0].epoch != epoch:
                    stream.newest = header, data
                    stream.before = newest and newest[0]

    def _board(self, device: str) -> LiveBoard:
        board = self._boards.get(device)
        if board is None:
            board = self._boards[device] = LiveBoard(device)
        return board


def _stream(board: LiveBoard, number: int) -> LiveStream:
    stream = board.streams.get(number)
    if stream is None:
        stream = board.streams[number] = LiveStream(number)
    return stream


def last_values(data: bytes) -> list[int | None]:
    """Return the newest raw value of each channel of a packet; empty if it cannot be decoded."""
    if not data:
        return []
    try:
        decoded: Any = packet.decode(data)
    except PacketError:
        return []
    return [column[-1] for column in decoded.columns]

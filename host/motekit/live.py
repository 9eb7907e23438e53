"""What a collector knows of each board at this moment, for who watches it.

The threads of a collector write here, under one lock; `rows` hands out a copy.
"""

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from motefw import packet
from motefw.errors import PacketError
from motefw.keys import TAG_BYTES

from .clock import SYSTEM, Clock
from .hello import Hello
from .store import Head, Received


@dataclass
class LiveStream:
    """One sensor's stream."""

    stream: int
    name: str = ""
    schema: int = 0
    epoch: int = 0
    samples: int = 0
    packets: int = 0
    rate_hz: float | None = None  # by the board's clock, from the last two packets
    last: bytes = b""  # the newest packet
    index: int = -1
    time_us: int = 0


@dataclass
class LiveBoard:
    """One board; counters are since this collector started."""

    device: str
    board: str = ""
    name: str | None = None
    port: str = ""
    state: str = "connecting"
    samples: int = 0
    packets: int = 0
    bytes: int = 0
    gaps: int = 0  # holes in a stream that the board told of
    lost_samples: int = 0
    lost_packets: int = 0  # that the board had let go of before they were collected
    refused: int = 0
    quarantined: int = 0
    frames_bad: int = 0
    errors: tuple[str, ...] = ()  # sensors that are not well, as the board tells
    heard_at: float = 0.0  # by the collector's clock
    streams: dict[int, LiveStream] = field(default_factory=dict[int, LiveStream])
    told: tuple[int, int] = (-1, -1)  # (epoch, seq) of the last note that was counted


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
                stream.name, stream.schema = row.name, row.schema

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

    def stored(self, new: int, by_stream: dict[tuple[str, int], tuple[int, int]]) -> None:
        """Note what a commit brought: packets and samples by (device, stream)."""
        with self._lock:
            self.new += new
            if new:
                self.stored_at = self._now()
            for (device, number), (packets, samples) in by_stream.items():
                board = self._board(device)
                board.packets += packets
                board.samples += samples
                if number >= 0:
                    stream = _stream(board, number)
                    stream.packets += packets
                    stream.samples += samples

    def arrived(self, group: Iterable[Received]) -> None:
        """Note packets that are durable now."""
        with self._lock:
            now = self._now()
            for device, data, _, header in group:
                board = self._board(device)
                board.heard_at = now
                board.bytes += len(data)
                if header is not None:
                    _heed(board, header, data)

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


def _heed(board: LiveBoard, header: Head, data: bytes) -> None:
    if header.kind == packet.SAMPLES:
        _advance(_stream(board, header.stream), header, data)
    elif header.kind == packet.NOTE and (header.epoch, header.seq) > board.told:
        board.told = (header.epoch, header.seq)
        _count_gap(board, data[header.body : -TAG_BYTES])


def _advance(stream: LiveStream, header: Head, data: bytes) -> None:
    """Move a stream on to a newer packet."""
    if header.epoch == stream.epoch and header.first_index <= stream.index:
        return
    elapsed_us = header.time_us - stream.time_us
    if header.epoch == stream.epoch and stream.index >= 0 and elapsed_us > 0:
        stream.rate_hz = (header.first_index - stream.index) * 1e6 / elapsed_us
    stream.epoch, stream.index, stream.time_us = header.epoch, header.first_index, header.time_us
    stream.schema, stream.last = header.schema, data


def _count_gap(board: LiveBoard, body: bytes) -> None:
    """Count a note of the board that says samples were lost."""
    try:
        note: Any = json.loads(body)
    except (ValueError, RecursionError):
        return
    gap: Any = cast("dict[str, Any]", note).get("gap") if isinstance(note, dict) else None
    if isinstance(gap, dict):
        lost = cast("dict[str, Any]", gap).get("lost")
        board.gaps += 1
        board.lost_samples += lost if isinstance(lost, int) and lost > 0 else 0


def last_values(data: bytes) -> list[int | None]:
    """Return the newest raw value of each channel of a packet; empty if it cannot be decoded."""
    if not data:
        return []
    try:
        decoded: Any = packet.decode(data)
    except PacketError:
        return []
    return [column[-1] for column in decoded.columns]

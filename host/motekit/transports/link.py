"""The host's end of a serial line, without the line: bytes and a clock in, events and bytes out.

Nothing is read, written or waited for here. `receive` takes bytes as they come and returns what
they complete; `poll` does what time makes due (a piece not credited, pieces missing, a log line
nobody ended); `take` hands over the bytes to write. What arrives damaged is counted in `stats` and
dropped: the pieces are asked for again.

    board -> host   'P' id index last data   piece of a packet (id = seq & 0xFF)
                    'M' id index last data   piece of a message
                    'C' id index             credit for the host's piece
    host -> board   'M' id index last data   one in flight until it is credited
                    'R' what id mask         send these pieces of 'P' or 'M' again

Ref: SPEC.md, section "Link".
"""

import struct
from collections import deque
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import NamedTuple

from motefw import frame_host, message
from motefw.errors import FrameError
from motekit.errors import LinkError

from .pieces import Assembler

PIECE_TO_BOARD_BYTES = 84
CREDIT_TIMEOUT_S = 0.3
TRIES_MAX = 10
ASK_INTERVAL_S = 0.02  # the board's input buffer has 260 bytes: requests do not go in bursts
OUTBOX_MAX = 16
QUIET_S = 0.1
PENDING_MAX_BYTES = 4096
LINE_MAX_CHARS = 500
_PACKET, _MESSAGE, _CREDIT, _RESEND = b"PMCR"
_HEAD_BYTES = 4


class Packet(NamedTuple):
    """A packet as the board made it, tag not checked; `number` is its seq's low byte."""

    number: int
    data: bytes


class Message(NamedTuple):
    """A message, tag not checked."""

    data: bytes


class Log(NamedTuple):
    """A line of text that the board printed."""

    text: str


class Undelivered(NamedTuple):
    """A message that the board did not take in `TRIES_MAX` tries."""

    data: bytes


Event = Packet | Message | Log | Undelivered


@dataclass
class Stats:
    """What a line has carried and lost, since it was opened."""

    bytes_in: int = 0
    frames: int = 0
    frames_bad: int = 0
    pieces_bad: int = 0
    sent_again: int = 0
    asked_again: int = 0
    undelivered: int = 0


@dataclass
class _Outgoing:
    """A message on its way, one piece at a time."""

    data: bytes
    key: str | None
    number: int = 0
    index: int = 0
    tries: int = 0
    sent_at: float = 0.0

    @property
    def last(self) -> int:
        return (len(self.data) - 1) // PIECE_TO_BOARD_BYTES

    def piece(self) -> bytes:
        at = self.index * PIECE_TO_BOARD_BYTES
        head = bytes((_MESSAGE, self.number, self.index, self.last))
        return frame_host.encode_to_board(head + self.data[at : at + PIECE_TO_BOARD_BYTES])


class Link:
    """One session with one board; `first_number` (0..255) is random, so that sessions differ."""

    def __init__(self, first_number: int) -> None:
        self.stats = Stats()
        self.packets = Assembler()
        self._messages = Assembler()
        self._pending = bytearray()
        self._heard_at = 0.0
        self._out = bytearray()
        self._queue: deque[_Outgoing] = deque()
        self._current: _Outgoing | None = None
        self._number = first_number & 0xFF
        self._asked_at = 0.0

    @property
    def tail(self) -> str:
        """The text since the last line end that nothing has followed yet: a prompt, perhaps."""
        return self._pending.decode("utf-8", "replace")

    @property
    def busy(self) -> bool:
        """Tell whether time alone can make something due."""
        waits = self._current or self._queue or self._pending
        return bool(waits) or self.packets.busy or self._messages.busy

    def due_at(self) -> float:
        """Return when time alone makes something due, if no byte comes; infinity if nothing."""
        if self._queue and not self._current:
            return 0.0
        due = inf
        if self.packets.busy or self._messages.busy:
            due = min(self.packets.due_at(), self._messages.due_at())
            due = max(due, self._asked_at + ASK_INTERVAL_S)
        if self._current:
            due = min(due, self._current.sent_at + CREDIT_TIMEOUT_S)
        return min(due, self._heard_at + QUIET_S) if self._pending else due

    def awaited(self) -> tuple[bytes, float] | None:
        """Return the credit after which there is nothing due, and when what it is for was sent.

        None: there is none under way, or something else is.
        """
        current = self._current
        if (
            current is None
            or current.index < current.last
            or self._queue
            or self._pending
            or self.packets.busy
            or self._messages.busy
        ):
            return None
        return _credit_frame(current.number, current.index), current.sent_at

    def send(self, data: bytes, key: str | None = None) -> None:
        """Queue a message; one of the same key that still waits is replaced.

        Raises LinkError if it is too long for a board or the queue is full.
        """
        if not 0 < len(data) <= message.MAX_TO_BOARD_BYTES:
            raise LinkError(f"message of {len(data)} bytes, a board takes 1 to 1024")
        for waiting in self._queue:
            if key is not None and waiting.key == key:
                waiting.data = data
                return
        if len(self._queue) >= OUTBOX_MAX:
            raise LinkError(f"{OUTBOX_MAX} messages wait for the board already: it takes none")
        self._queue.append(_Outgoing(data, key))

    def write_raw(self, data: bytes) -> None:
        """Queue keystrokes for a prompt; messages that wait go, it would take them for typing."""
        self._queue.clear()
        self._current = None
        self._out += data

    def take(self) -> bytes:
        """Return the bytes to write now, once."""
        if not self._out:
            return b""
        data = bytes(self._out)
        self._out.clear()
        return data

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take bytes from the line; return what they complete."""
        if not data:
            return []
        self.stats.bytes_in += len(data)
        self._heard_at = now
        events: list[Event] = []
        *chunks, rest = data.split(b"\0")
        for chunk in chunks:
            self._pending += chunk
            if self._pending:
                self._chunk(bytes(self._pending), events, now)
                self._pending.clear()
        self._pending += rest
        if len(self._pending) > PENDING_MAX_BYTES:
            self._lines(events)
            self._overflow()
        return events

    def _overflow(self) -> None:
        if len(self._pending) > PENDING_MAX_BYTES:
            self.stats.frames_bad += 1
            self._pending.clear()

    def _chunk(self, chunk: bytes, events: list[Event], now: float) -> None:
        """Handle what lay between two zeros."""
        try:
            payload = frame_host.decode(chunk)
        except FrameError:
            text = _text(chunk)
            if text is None:
                self.stats.frames_bad += 1
            else:
                events.extend(Log(line[:LINE_MAX_CHARS]) for line in text.splitlines() if line)
            return
        self.stats.frames += 1
        if not self._payload(payload, events, now):
            self.stats.pieces_bad += 1

    def _payload(self, payload: bytes, events: list[Event], now: float) -> bool:
        """Handle an intact frame; tell whether it made sense."""
        kind = payload[0]
        if kind == _CREDIT and len(payload) == 3:
            self._credit(payload[1], payload[2], now)
            return True
        if kind not in (_PACKET, _MESSAGE) or len(payload) <= _HEAD_BYTES:
            return False
        number, index, last = payload[1:_HEAD_BYTES]
        assembler = self.packets if kind == _PACKET else self._messages
        try:
            whole = assembler.take(number, index, last, payload[_HEAD_BYTES:], now)
        except ValueError:
            return False
        if whole is not None:
            events.append(Packet(number, whole) if kind == _PACKET else Message(whole))
        return True

    def _credit(self, number: int, index: int, now: float) -> None:
        current = self._current
        if current is None or (current.number, current.index) != (number, index):
            return  # the credit of a piece that was sent twice
        if current.index == current.last:
            self._current = None
        else:
            current.index += 1
            current.tries = 0
            self._transmit(current, now)

    def _transmit(self, outgoing: _Outgoing, now: float) -> None:
        outgoing.tries += 1
        outgoing.sent_at = now
        self._out += outgoing.piece()

    def poll(self, now: float) -> list[Event]:
        """Do what is due at `now`; return what came of it."""
        events: list[Event] = []
        if self._current or self._queue:
            self._poll_outbox(events, now)
        if (self.packets.busy or self._messages.busy) and now - self._asked_at >= ASK_INTERVAL_S:
            self._ask(now)
        if self._pending and now - self._heard_at >= QUIET_S:
            self._lines(events)
        return events

    def _poll_outbox(self, events: list[Event], now: float) -> None:
        current = self._current
        if current is not None and now - current.sent_at >= CREDIT_TIMEOUT_S:
            if current.tries >= TRIES_MAX:
                self.stats.undelivered += 1
                events.append(Undelivered(current.data))
                self._current = None
            else:
                self.stats.sent_again += 1
                self._transmit(current, now)
        if self._current is None and self._queue:
            self._current = self._queue.popleft()
            self._current.number = self._number
            self._number = (self._number + 1) & 0xFF
            self._transmit(self._current, now)

    def _ask(self, now: float) -> None:
        """Ask for the pieces of one thing."""
        for what, assembler in ((_MESSAGE, self._messages), (_PACKET, self.packets)):
            wanted = assembler.wanted(now)
            if wanted is not None:
                request = struct.pack("<BBBI", _RESEND, what, wanted.number, wanted.mask)
                self._out += frame_host.encode_to_board(request)
                self._asked_at = now
                self.stats.asked_again += 1
                return

    def _lines(self, events: list[Event]) -> None:
        """Give out the complete lines of a text that no frame has followed yet."""
        end = self._pending.rfind(b"\n") + 1
        text = _text(bytes(self._pending[:end])) if end else None
        if text is not None:
            events.extend(Log(line[:LINE_MAX_CHARS]) for line in text.splitlines() if line)
            del self._pending[:end]


@cache
def _credit_frame(number: int, index: int) -> bytes:
    return frame_host.encode(bytes((_CREDIT, number, index)))


def _text(data: bytes) -> str | None:
    """Return the text that the bytes are, None if they are noise."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c in "\r\n\t\x1b" for c in text) else None

"""How a running collector looks: a table on a terminal, plain lines in a pipe, or JSON lines."""

from typing import Any

from rich.markup import escape
from rich.table import Table

from motekit.collector.live import LiveBoard, LiveStream, last_values
from motekit.plain import plain
from motekit.query.devices import retired
from motekit.query.digits import decimals, rounded, shown
from motekit.store import Channel, Schema, Store

_TITLES = ("board", "device", "stream", "rate", "last value", "samples", "gaps", "errors")
_RIGHT = ("rate", "samples", "gaps")


class LiveTable:
    """Shows the boards of a collector; the store knows what their channels mean."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._schemas: dict[tuple[str, int, int], Schema] = {}
        self._former: dict[str, str | None] = {}  # roles of devices that are retired

    def table(self, boards: list[LiveBoard]) -> Table:
        """Return a table with one row a stream, a line each: last values go as far as fits."""
        table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
        for title in _TITLES:
            table.add_column(
                title,
                justify="right" if title in _RIGHT else "left",
                no_wrap=title != "errors",
                ratio=1 if title == "last value" else None,
            )
        for board in boards:
            head = (self._called(board), board.device)
            for stream in board.streams.values():
                row = (*head, *self._cells(board, stream))
                style = "dim" if board.state == "gone" else None
                table.add_row(*(escape(plain(cell)) for cell in row), style=style)
                head = ("", "")
            if not board.streams:
                table.add_row(*(escape(plain(cell)) for cell in head), "", "", plain(board.state))
        return table

    def lines(self, boards: list[LiveBoard]) -> list[str]:
        """Return one plain line a stream."""
        return [
            "  ".join((self._called(board), board.device, *self._named(board, stream)))
            for board in boards
            for stream in board.streams.values()
        ]

    def _called(self, board: LiveBoard) -> str:
        """Return a board's name, and of one that was replaced that it is retired."""
        if board.device not in self._former:
            self._former[board.device] = retired(self._store).get(board.device)
        role = self._former[board.device]
        return (board.name or board.board) if role is None else f"{role} (retired)"

    def record(self, board: LiveBoard) -> dict[str, Any]:
        """Return a board as an object for JSON."""
        return {
            "device": board.device,
            "board": board.board,
            "port": board.port,
            "state": board.state,
            "packets": board.packets,
            "samples": board.samples,
            "gaps": board.gaps,
            "lost_samples": board.lost_samples,
            "lost_packets": board.lost_packets,
            "refused": board.refused,
            "quarantined": board.quarantined,
            "frames_bad": board.frames_bad,
            "errors": list(board.errors),
            "streams": [
                {
                    "stream": stream.name,
                    "samples": stream.samples,
                    "rate_hz": stream.rate_hz,
                    "last": self._physical(board.device, stream),
                }
                for stream in board.streams.values()
            ],
        }

    def _cells(self, board: LiveBoard, stream: LiveStream) -> tuple[str, ...]:
        return (
            stream.name,
            "" if stream.rate_hz is None else f"{stream.rate_hz:.4g} Hz",
            self._last(board.device, stream),
            f"{stream.samples:,}",
            str(board.gaps + board.lost_packets),
            _errors(board),
        )

    def _named(self, board: LiveBoard, stream: LiveStream) -> tuple[str, ...]:
        name, rate, last, samples, gaps, errors = self._cells(board, stream)
        cells = (name, rate, f"{samples} samples", f"gaps {gaps}", last, errors)
        return tuple(cell for cell in cells if cell)

    def _last(self, device: str, stream: LiveStream) -> str:
        return "  ".join(
            f"{channel.name} {shown(value, decimals(channel))} {channel.unit}".rstrip()
            for channel, value in self._values(device, stream)
            if value is not None
        )

    def _physical(self, device: str, stream: LiveStream) -> dict[str, float | None]:
        return {
            channel.name: None if value is None else rounded(value, decimals(channel))
            for channel, value in self._values(device, stream)
        }

    def _values(self, device: str, stream: LiveStream) -> list[tuple[Channel, float | None]]:
        schema = self._schema(device, stream)
        values = last_values(stream.last) if schema is not None else []
        if schema is None or len(values) != len(schema.channels):
            return []
        return [
            (channel, None if raw is None else raw * channel.scale + channel.offset)
            for channel, raw in zip(schema.channels, values, strict=True)
        ]

    def _schema(self, device: str, stream: LiveStream) -> Schema | None:
        key = device, stream.epoch, stream.schema
        if key not in self._schemas and stream.last:
            found = self._store.schemas(device, stream.epoch).get(stream.schema)
            if found is not None:
                self._schemas[key] = found
        return self._schemas.get(key)


def _errors(board: LiveBoard) -> str:
    told = list(board.errors)
    if board.state == "gone":
        told.append("unplugged")
    if board.refused or board.quarantined:
        told.append(f"{board.quarantined} packets set aside")
    return ", ".join(told)

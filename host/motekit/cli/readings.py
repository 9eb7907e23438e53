"""How a terminal shows readings: a table a stream, a line a row, the channels that fit."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from rich.cells import cell_len

from motekit.cli import say
from motekit.query import Part
from motekit.query.batch import NO_TIME, Batch, Column, Layout
from motekit.query.digits import shown
from motekit.query.resample import STATISTICS

from . import show

NS = 1_000_000_000
FRACTIONS = (0, 3, 6)  # digits of a second; the first that loses nothing that tells rows apart
NAME_MIN = 8  # a name is not broken to be narrower
ELSEWHERE = "--json and `export`"


class Row(NamedTuple):
    """A row: its times as numbers, its values as texts."""

    utc_ns: int  # or NO_TIME
    monotonic_us: int
    texts: tuple[str, ...]


def show_parts(parts: Sequence[Part], limit: int) -> tuple[int, list[str]]:
    """Print the first rows of each stream; return how many, and what was left out of the rest."""
    notes: list[str] = []
    count = 0
    for at, part in enumerate(parts):
        rows = _first(part, limit + 1)
        count += len(rows)
        notes += part.result.notes.lines()
        say.out(("\n" if at else "") + _heading(part, rows))
        if rows:
            _table(part.result.layout, rows[:limit])
        if len(rows) > limit:
            say.out(f"... the first {limit} rows; --limit shows more, `export` writes all")
    return count, notes


def _first(part: Part, count: int) -> list[Row]:
    rows: list[Row] = []
    for batch in part.result.batches:
        rows += _rows(batch, part.result.layout, count - len(rows))
        if len(rows) >= count:
            break
    return rows


def _rows(batch: Batch, layout: Layout, count: int) -> list[Row]:
    columns = [_texts(batch, column, count) for column in layout.columns]
    times = batch.time_ns[:count].tolist(), batch.monotonic_us[:count].tolist()
    texts = zip(*columns, strict=True) if columns else [()] * len(times[0])
    return [Row(*row) for row in zip(*times, texts, strict=True)]


def _texts(batch: Batch, column: Column, count: int) -> list[str]:
    values = batch.values.get(column.name)
    if values is None:
        return [""] * min(len(batch), count)
    floats = column.dtype.kind == "f"
    numbers = values[:count].tolist()
    texts = [shown(n, column.decimals) if floats else str(n) for n in numbers]
    valid = batch.valid.get(column.name)
    if valid is None:
        return texts
    return [text if ok else "-" for text, ok in zip(texts, valid.tolist(), strict=False)]


def _heading(part: Part, rows: Sequence[Row]) -> str:
    who = f"{part.label} ({part.device})" if part.label else part.device
    days = _days(rows)
    if not rows:
        return f"{who}  {part.stream}  nothing in this range"
    when = f"{days[0]}, UTC" if len(days) == 1 else "UTC" if days else "seconds since its start"
    return f"{who}  {part.stream}  {when}"


def _days(rows: Sequence[Row]) -> list[str]:
    """Return the dates of rows; none where no row has a time."""
    known = {row.utc_ns // NS // 86_400 for row in rows if row.utc_ns != NO_TIME}
    return [f"{datetime.fromtimestamp(day * 86_400, UTC):%Y-%m-%d}" for day in sorted(known)]


def _table(layout: Layout, rows: Sequence[Row]) -> None:
    times = _times(rows)
    cells = [[time, *row.texts] for time, row in zip(times, rows, strict=True)]
    widths = [max(cell_len(row[at]) for row in cells) for at in range(len(cells[0]))]
    columns = [show.Column[list[str]]("time", lambda row: row[0], right=True)]
    for at, column in enumerate(layout.columns, 1):
        columns.append(
            show.Column(
                column.name,
                lambda row, at=at: row[at],
                right=True,
                spare=_spare(column.name) if at > 1 else 0,
                heading=_folded(column, widths[at]),
            )
        )
    if layout.monotonic:
        cells = [[*row, str(held.monotonic_us)] for row, held in zip(cells, rows, strict=True)]
        columns.append(show.Column("monotonic_us", lambda row: row[-1], right=True, spare=9))
    show.rows(tuple(columns), cells, elsewhere=ELSEWHERE)


def _spare(name: str) -> int:
    """Return which of several columns goes first where room is short: counts before means."""
    statistic = name.rpartition("_")[2]
    return 1 + STATISTICS.index(statistic) if statistic in STATISTICS else 1


def _folded(column: Column, width: int) -> str:
    """Return a name above its unit, broken at underscores to be about as wide as the numbers."""
    lines = [""]
    words = column.name.split("_")
    width = max(width, NAME_MIN, *(len(word) + 1 for word in words))
    for at, word in enumerate(words):
        piece = word if at == len(words) - 1 else word + "_"
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join([*lines, column.unit or ""]).rstrip("\n")


def _times(rows: Sequence[Row]) -> list[str]:
    """Return the times of rows, with the date where there are several, all equally fine."""
    dated = len(_days(rows)) > 1
    stamps = [row.utc_ns if row.utc_ns != NO_TIME else row.monotonic_us * 1000 for row in rows]
    for digits in FRACTIONS:
        step = 10 ** (9 - digits)
        exact = not any(stamp % step for stamp in stamps)
        if exact or (digits and len({s // step for s in stamps}) == len(set(stamps))):
            break
    else:
        digits = FRACTIONS[-1]
    return [_time(row, digits, dated) for row in rows]


def _time(row: Row, digits: int, dated: bool) -> str:
    if row.utc_ns == NO_TIME:
        return f"{row.monotonic_us / 1e6:.{digits}f}"
    moment = datetime.fromtimestamp(row.utc_ns // NS, UTC)
    text = f"{moment:%Y-%m-%d %H:%M:%S}" if dated else f"{moment:%H:%M:%S}"
    return text + (f".{row.utc_ns % NS:09d}"[: digits + 1] if digits else "")

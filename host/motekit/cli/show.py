"""How commands print a list: a table on a terminal, lines in a pipe, JSON lines if asked for.

A row is one line. Where a terminal is too narrow, columns that can be done without are left out,
which is said; only texts that are meant to be read are folded.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from motekit.cli import say
from motekit.plain import plain

Item = TypeVar("Item")

GAP = 2
FOLD_MIN = 12  # to this a folded column may shrink


@dataclass(frozen=True)
class Column(Generic[Item]):
    """A column: its title, what to say of an item, and how it takes its place."""

    title: str
    say: Callable[[Item], str]
    right: bool = False  # numbers
    fold: bool = False  # a text that may go on in the next line
    spare: int = 0  # where room is short the highest goes first; 0 always stays
    heading: str = ""  # what stands above the column, if not the title


Columns: TypeAlias = tuple[Column[Item], ...]


def rows(
    columns: Columns[Item],
    items: Iterable[Item],
    *,
    as_json: Callable[[Item], Mapping[str, object]] | None = None,
    elsewhere: str = "--json",
) -> None:
    """Print one line an item; with `as_json`, what it makes of each, one JSON object a line.

    `elsewhere` is where a user finds the columns that a narrow terminal has no room for.
    """
    if as_json is not None:
        for item in items:
            say.json_line(as_json(item))
        return
    console = Console()
    cells = [[plain(column.say(item)) for column in columns] for item in items]
    if not console.is_terminal:
        _lines(columns, cells)
        return
    shown = fitting(columns, cells, console.width)
    titled = any(column.title for column in columns)
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=titled)
    for at in shown:
        column = columns[at]
        table.add_column(
            escape(column.heading or column.title),
            justify="right" if column.right else "left",
            overflow="fold",
            no_wrap=not column.fold,
        )
    for row in cells:
        table.add_row(*(escape(row[at]) for at in shown))
    console.print(table)
    tell_left_out([columns[at].title for at in range(len(columns)) if at not in shown], elsewhere)


def _lines(columns: Columns[Item], cells: Sequence[Sequence[str]]) -> None:
    """Print a line a row, words below each other; texts are as long as they are."""
    titles = [column.title for column in columns]
    lines = [titles, *cells] if any(titles) else cells
    rooms = [
        0 if column.fold else max((cell_len(line[at]) for line in lines), default=0)
        for at, column in enumerate(columns)
    ]
    for line in lines:
        fields: list[str] = []
        for column, text, room in zip(columns, line, rooms, strict=True):
            padding = " " * (room - cell_len(text))
            fields.append(padding + text if column.right else text + padding)
        say.out((" " * GAP).join(fields).rstrip())


def fitting(
    columns: Sequence[Column[Item]], cells: Sequence[Sequence[str]], room: int
) -> list[int]:
    """Return which columns fit, in their order: the spare ones go until the others do."""
    widths: list[int] = []
    for at, column in enumerate(columns):
        lines = [*(column.heading or column.title).split("\n"), *(row[at] for row in cells)]
        width = max(map(cell_len, lines))
        widths.append(GAP + (min(width, FOLD_MIN) if column.fold else width))
    shown = list(range(len(columns)))
    for at in sorted(shown, key=lambda at: (columns[at].spare, at), reverse=True):
        if not columns[at].spare or sum(widths[i] for i in shown) - GAP <= room:
            break
        shown.remove(at)
    return shown


def tell_left_out(titles: Sequence[str], elsewhere: str) -> None:
    """Say which columns there was no room for."""
    if titles:
        say.err(f"no room for: {', '.join(titles)}; see {elsewhere}, or widen the terminal")


def near(path: Path) -> str:
    """Return a path as it is shortest: from the current folder, where it lies in that."""
    absolute = path.absolute()
    return os.path.relpath(absolute) if absolute.is_relative_to(Path.cwd()) else str(absolute)


def program() -> str:
    """Return how this program was called, to be pasted into a shell."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m motekit"
    found = shutil.which(called.name)
    if found is not None and Path(found).absolute() == called.absolute():
        return called.name
    text = near(called)
    return shlex.quote(text if os.sep in text else f".{os.sep}{text}")

"""How commands print a list: a table on a terminal, lines in a pipe, JSON lines if asked for."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Item = TypeVar("Item")
Columns: TypeAlias = tuple[tuple[str, Callable[[Item], str]], ...]  # title, what to say of an item

PIPE_COLUMNS = 10_000  # a pipe has no width: nothing is cut or folded


def rows(
    columns: Columns[Item],
    items: Iterable[Item],
    *,
    as_json: Callable[[Item], Mapping[str, object]] | None = None,
) -> None:
    """Print one line an item; with `as_json`, what it makes of each, one JSON object a line."""
    if as_json is not None:
        for item in items:
            print(json.dumps(as_json(item), ensure_ascii=False), flush=True)
        return
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=PIPE_COLUMNS)
    titled = any(title for title, _ in columns)
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=titled)
    for title, _ in columns:
        table.add_column(title, overflow="fold")
    for item in items:
        table.add_row(*(escape(say(item)) for _, say in columns))
    console.print(table)

"""Collects figures, prints them as tables, and writes them as JSON."""

import importlib.util
import json
import re
import shutil
from dataclasses import dataclass, field

from rich import box
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")


@dataclass(frozen=True)
class Figure:
    """One measured figure; `beside` maps a peer to its figure from the same run."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    better: str = "lower"
    beside: dict[str, float] = field(default_factory=dict)

    @property
    def met(self):
        """Whether the goal is met; None where there is no goal."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal

    def verdict(self):
        """Goal and whether it is met, as text for a table cell."""
        if self.goal is None:
            return ""
        sign = "<=" if self.better == "lower" else ">="
        state = "[green]met[/green]" if self.met else "[red]MISSED[/red]"
        return f"{sign} {self.goal:g} {state}"


class Report:
    """What a run of the benches measured, in the order in which it was measured."""

    def __init__(self, console):
        self._console = console
        self.figures = []
        self.left_out = []

    def add(self, name, value, unit, *, goal=None, better="lower", beside=None):
        """Keep one figure and return it; `name` is dotted, stable and used once in a run."""
        if not NAME.fullmatch(name):
            raise ValueError(f"figure name {name!r}: lower-case words joined by dots expected")
        if better not in ("lower", "higher"):
            raise ValueError(f"{name}: better is {better!r}, not lower or higher")
        if any(name == figure.name for figure in self.figures):
            raise ValueError(f"{name}: measured twice in one run")
        peers = {peer: float(figure) for peer, figure in (beside or {}).items()}
        self.figures.append(Figure(name, float(value), unit, goal, better, peers))
        return self.figures[-1]

    def table(self, title, columns, rows, caption=None):
        """Print rows of cells (str, float or None) under the column names."""
        table = Table(
            title=title,
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            title_justify="left",
        )
        for i, column in enumerate(columns):
            table.add_column(column, justify="right" if i else "left", overflow="fold")
        for row in rows:
            table.add_row(*(cell(value) for value in row))
        self._console.print(table)
        if caption:
            self._console.print(Padding(f"[italic]{escape(caption)}[/italic]", (0, 0, 0, 2)))
        self._console.print()

    def figures_table(self, title, figures, caption=None, beside=True):
        """Print figures one a row, each with its goal; then what stands `beside` them."""
        rows = [
            (figure.name, f"{cell(figure.value)} {figure.unit}", figure.verdict())
            for figure in figures
        ]
        told = {figure.name: cell(figure.value) for figure in figures}
        said = {}
        for figure in figures if beside else ():
            peers = [f"{peer} {cell(value)}" for peer, value in figure.beside.items()]
            if not {cell(value) for value in figure.beside.values()} <= set(told.values()):
                said.setdefault(", ".join(peers), []).append(figure.name)
        notes = [f"Beside {', '.join(names)}: {peers}." for peers, names in said.items()]
        notes += [caption] if caption else []
        self.table(title, ("figure", "value", "goal"), rows, "\n".join(notes))

    def talk(self, text):
        """Print a line that is no figure."""
        self._console.print(text)

    def missing(self, what, rows):
        """Say once that a tool or package is not there, and which rows are left out for it."""
        if (what, rows) not in self.left_out:
            self.left_out.append((what, rows))
            self._console.print(f"[yellow]left out:[/yellow] {escape(rows)}: {escape(what)}")

    def summary(self):
        """How many figures, goals met and missed, and things left out."""
        goals = [figure for figure in self.figures if figure.goal is not None]
        missed = [figure.name for figure in goals if not figure.met]
        text = f"{len(self.figures)} figures, {len(goals) - len(missed)} of {len(goals)} goals met"
        if missed:
            text += f", missed: {', '.join(missed)}"
        if self.left_out:
            out = ", ".join(f"{rows} ({what})" for what, rows in self.left_out)
            text += f"; left out: {escape(out)}"
        return text

    def write(self, path):
        """Write the figures as a JSON list, in the order in which they were measured."""
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [
            {
                "name": figure.name,
                "value": figure.value,
                "unit": figure.unit,
                "goal": figure.goal,
                "better": figure.better,
                "beside": figure.beside,
            }
            for figure in self.figures
        ]
        path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def cell(value):
    """Format one table cell: numbers to three significant digits or more, None as a dash."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.4g}"
    return str(value)


def has_package(name):
    """Whether a Python package can be imported."""
    return importlib.util.find_spec(name) is not None


def has_program(name):
    """Whether a program is on the search path."""
    return shutil.which(name) is not None

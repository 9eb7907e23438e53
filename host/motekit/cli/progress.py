"""How far boards are: a bar for each on a terminal, a line for each step in a pipe."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from motekit.cli import say
from motekit.flasher.job import Progress as OnStep
from motekit.flasher.job import Step


@contextmanager
def view(count: int, *, as_json: bool) -> Generator[OnStep]:
    """Show steps of boards until the block ends; nothing for machines."""
    if as_json or not count:
        yield lambda _: None
        return
    try:
        with _Bars() if Console(stderr=True).is_terminal else Lines() as shown:
            yield shown.step
    except KeyboardInterrupt:
        say.err("motekit: interrupted; the same again goes on from there")
        raise


class Lines:
    """What boards are doing, a line each time that changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def step(self, step: Step) -> None:
        """Say it, unless it was said last of that port."""
        with self._lock:
            if self._last.get(step.port) != step.what:
                self._last[step.port] = step.what
                say.err(f"{step.port}: {step.what}")


class _Bars:
    """A bar for each board."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.fields[port]}"),
            TextColumn("{task.description:8}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._lock = threading.Lock()
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, step: Step) -> None:
        with self._lock:
            if step.port not in self._tasks:
                self._tasks[step.port] = self._progress.add_task("", port=step.port, total=None)
            total = step.total or None
            task = self._tasks[step.port]
            self._progress.update(task, description=step.what, completed=step.done, total=total)

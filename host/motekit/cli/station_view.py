"""What a station shows: tiles on a terminal, plain lines in a pipe, or JSON lines."""

import threading
from collections.abc import Callable, Mapping
from typing import Self

from rich.console import Console
from rich.live import Live

from motekit.cli import say
from motekit.cli.station_screen import Counts, Grid
from motekit.station import tally
from motekit.station.desk import ENDS, Desk, Slot
from motekit.station.journal import Journal
from motekit.station.reasons import headline
from motekit.station.run import Event

SAID = {"passed": "PASS", "already": "DONE", "failed": "FAIL", "pulled": "PULLED"}
ENDING = "ending: {} in the middle; Ctrl-C again ends at once"


class View:
    """Plain lines: verdicts to stdout, talk to stderr. The others do more, or differently."""

    def __init__(self, journal: Journal, title: str) -> None:
        self._journal = journal
        self._title = title
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End what is shown."""

    def event(self, event: Event) -> None:
        """Tell of something that has happened; called from any thread."""
        slot = event.slot
        if event.what in ENDS:
            self._print(_verdict(slot))
        else:
            what = slot.step if event.what == "step" else event.what
            self._print(f"{slot.place}: {what}", say.err)

    def tick(self, desk: Desk) -> None:
        """Show how things are, now and then."""

    def note(self, text: str) -> None:
        """Say something to whoever is there."""
        self._print(text, say.err)

    def end(self) -> None:
        """Say how it ended."""
        self._print(self._summary(), say.err)

    def _summary(self) -> str:
        found = tally.of(self._journal.entries)
        share = "" if found.share is None else f", yield {100 * found.share:.0f} %"
        each = "" if found.seconds is None else f", {found.seconds:.0f} s a board"
        return f"{found.said()}{share}{each}; journal: {self._journal.path}"

    def _print(self, text: str, tell: Callable[[str], None] = say.out) -> None:
        with self._lock:
            tell(text)


class JsonView(View):
    """One object a line."""

    def event(self, event: Event) -> None:
        """Print an event as an object."""
        slot = event.slot
        said: dict[str, object] = {
            "event": event.what,
            "port": slot.port,
            "place": slot.place,
            "device": slot.device,
            "name": slot.name,
            "step": slot.step,
        }
        if event.what in ENDS:
            said |= {"seconds": slot.seconds, "error": slot.why}
        if event.what == "failed":
            said["headline"] = headline(slot.step, slot.why)
        self._record(said)

    def end(self) -> None:
        """Print the counts as an object."""
        counts = tally.of(self._journal.entries).record()
        self._record({"event": "end", **counts})

    def _record(self, said: Mapping[str, object]) -> None:
        with self._lock:
            say.json_line(said)


class TileView(View):
    """Large coloured tiles over all of the terminal."""

    def __init__(self, journal: Journal, title: str, console: Console) -> None:
        super().__init__(journal, title)
        self._console = console
        self._grid = Grid()
        self._note = ""
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._bad: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def event(self, event: Event) -> None:
        """Keep what is worth being said when the tiles are gone."""
        slot = event.slot
        if event.what in ("failed", "pulled"):
            self._bad[slot.device or slot.port] = _verdict(slot)
        elif event.what in ("passed", "already"):
            self._bad.pop(slot.device, None)

    def tick(self, desk: Desk) -> None:
        """Draw all tiles."""
        note = ENDING.format(len(desk.busy())) if desk.closing else f"Ctrl-C ends  {self._note}"
        counts = Counts(tally.of(list(self._journal.entries)), self._title, note)
        size = self._console.size
        slots = list(desk.slots.values())
        drawn = self._grid.draw(slots, counts, size.width, size.height)
        self._live.update(drawn, refresh=True)

    def note(self, text: str) -> None:
        """Show a word above the tiles."""
        self._note = text

    def end(self) -> None:
        """Leave the counts, and what was wrong, on the terminal."""
        self._live.stop()
        for line in self._bad.values():
            self._print(line)
        super().end()


def _verdict(slot: Slot) -> str:
    said = SAID[slot.state]
    who = " ".join(each for each in (slot.device, slot.name) if each)
    why = f"  {headline(slot.step, slot.why)}: {slot.why}" if slot.why else ""
    return f"{said:6}  {slot.place}  {who}  {slot.seconds:.1f} s{why}"


def view(journal: Journal, title: str, *, as_json: bool) -> View:
    """Return what fits where the output goes."""
    console = Console()
    if as_json:
        return JsonView(journal, title)
    return TileView(journal, title, console) if console.is_terminal else View(journal, title)


class Interrupts:
    """Ctrl-C: the first one ends when no board is in the middle, a second one at once.

    A signal may come in the midst of anything, locks held: its handler counts, no more. What that
    means is for `act`, which the station's own loop calls.
    """

    def __init__(self, view_: View, stop: Callable[[bool], None]) -> None:
        self._view = view_
        self._stop = stop
        self._came = self._heeded = 0

    def handle(self, _number: int, _frame: object) -> None:
        """Take note of a signal."""
        self._came += 1

    def act(self) -> None:
        """Do what the signals that came meanwhile ask for."""
        while self._heeded < self._came:
            self._heeded += 1
            self._stop(self._heeded > 1)
            if self._heeded == 1:
                self._view.note("ending when no board is in the middle; Ctrl-C again ends at once")

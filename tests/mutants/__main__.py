"""`python -m tests.mutants`: plant each bug in a scratch copy, and see whether a test notices.

Prints a line a mutant and the kill rate; a run of all writes build/mutants.json, a list of
{"name", "killed"}.
The tests named in the table pass without any bug, or nothing is said about a kill. The exit code
is 0 where every mutant was killed, 1 where one survived, 2 where something could not be run.
"""

import json
import queue
import tempfile
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .mutant import Mutant, StaleError
from .table import MUTANTS
from .trial import ROOT, Outcome, Scratch

RESULTS = Path("build/mutants.json")
BASELINE_TIMEOUT_S = 900
WORDS = {True: "killed", False: "[red]SURVIVED[/red]", None: "[red]not run[/red]"}
CONSOLE = Console(highlight=False, soft_wrap=True)


class Workshop:
    """As many scratch copies as bugs are tried at a time."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self._copies = [Scratch(folder / str(number)) for number in range(jobs)]
        self._free: queue.SimpleQueue[Scratch] = queue.SimpleQueue()
        for scratch in self._copies:
            self._free.put(scratch)

    @contextmanager
    def _workers(self) -> Generator[ThreadPoolExecutor]:
        pool = ThreadPoolExecutor(len(self._copies))
        try:
            yield pool
        except BaseException:  # Ctrl-C, mostly: tests have sessions of their own
            pool.shutdown(wait=False, cancel_futures=True)
            for scratch in self._copies:
                scratch.end()
            raise
        finally:
            pool.shutdown()

    def _on_a_copy(self, action: Callable[[Scratch], Outcome]) -> Outcome:
        scratch = self._free.get()
        try:
            return action(scratch)
        finally:
            self._free.put(scratch)

    def baseline(self, mutants: list[Mutant]) -> Outcome:
        """Run each test once without a bug; return what went wrong, if anything did."""
        nodes = sorted({node for mutant in mutants for node in mutant.nodes})
        jobs = len(self._copies)
        shares = [share for n in range(jobs) if (share := nodes[n::jobs])]
        with self._workers() as pool:
            actions = [partial(_run_unplanted, share) for share in shares]
            outcomes = list(pool.map(self._on_a_copy, actions))
        return next((each for each in outcomes if each.killed is not False), outcomes[0])

    def try_all(self, mutants: list[Mutant]) -> dict[str, Outcome]:
        """Plant each, run its tests, and say what came of it as soon as it is known."""
        outcomes: dict[str, Outcome] = {}
        with self._workers() as pool:
            futures = {
                pool.submit(self._on_a_copy, partial(_run_planted, mutant)): mutant
                for mutant in mutants
            }
            for number, future in enumerate(as_completed(futures), 1):
                mutant = futures[future]
                outcomes[mutant.name] = future.result()
                _tell(f"{number:3}/{len(mutants)}", mutant, outcomes[mutant.name])
        return outcomes


def _run_unplanted(nodes: list[str], scratch: Scratch) -> Outcome:
    return scratch.run(nodes, BASELINE_TIMEOUT_S)


def _run_planted(mutant: Mutant, scratch: Scratch) -> Outcome:
    return scratch.run_with(mutant)


def _tell(place: str, mutant: Mutant, outcome: Outcome) -> None:
    CONSOLE.print(f"{place} {outcome.took_s:5.1f} s  {WORDS[outcome.killed]}", end="  ")
    CONSOLE.print(f"{mutant.name}: {outcome.why}", markup=False)


def chosen(names: list[str]) -> list[Mutant]:
    """Return the mutants of which a name has one of the texts in it; all where none is given."""
    for name in names:
        if not any(name in mutant.name for mutant in MUTANTS):
            known = "\n  ".join(mutant.name for mutant in MUTANTS)
            raise typer.BadParameter(f"no mutant {name!r}; there are:\n  {known}")
    return [m for m in MUTANTS if not names or any(name in m.name for name in names)]


def report(mutants: list[Mutant], outcomes: dict[str, Outcome]) -> int:
    """Print the rate; write the results, if they are of all; return the exit code."""
    rows = [{"name": m.name, "killed": outcomes[m.name].killed is True} for m in mutants]
    killed = sum(row["killed"] for row in rows)
    CONSOLE.print(f"{killed} of {len(rows)} killed: {100 * killed / len(rows):.1f} % (goal 100 %)")
    if len(mutants) == len(MUTANTS):
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
        CONSOLE.print(f"{RESULTS} written")
    if any(outcome.killed is None for outcome in outcomes.values()):
        return 2
    return 0 if killed == len(rows) else 1


def trials(mutants: list[Mutant], jobs: int) -> int:
    """Run all there is to run; return the exit code."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="motekit-mutants-") as folder:
        workshop = Workshop(Path(folder), jobs)
        baseline = workshop.baseline(mutants)
        if baseline.killed is not False:
            CONSOLE.print("[red]error:[/red] a test fails without any bug:", end=" ")
            CONSOLE.print(baseline.why, markup=False)
            return 2
        CONSOLE.print(f"all tests pass without a bug, after {time.monotonic() - began:.0f} s")
        code = report(mutants, workshop.try_all(mutants))
    CONSOLE.print(f"{time.monotonic() - began:.0f} s in all")
    return code


def main(
    only: Annotated[list[str] | None, typer.Option(help="those with this in their name")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="how many at a time")] = 2,
) -> None:
    """Plant each bug in a scratch copy, and see whether a test notices."""
    mutants = chosen(only or [])
    if len(mutants) == len(MUTANTS):
        RESULTS.unlink(missing_ok=True)  # nobody is to take an old one for this run's
    try:
        for mutant in mutants:
            mutant.planted(ROOT)
    except StaleError as error:
        CONSOLE.print(f"error: {error}", style="red", markup=False)
        raise typer.Exit(2) from None
    raise typer.Exit(trials(mutants, jobs))


if __name__ == "__main__":
    typer.run(main)

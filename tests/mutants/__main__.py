"""`python -m tests.mutants`: plant each bug in a scratch copy, and see whether a test notices.

Prints a line a mutant and the kill rate; writes build/mutants.json, a list of {"name", "killed"}.
The tests named in the table pass without any bug, or nothing is said about a kill. The exit code
is 0 where every mutant was killed, 1 where one survived, 2 where something could not be run.
"""

import json
import queue
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
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
        self._free: queue.SimpleQueue[Scratch] = queue.SimpleQueue()
        self._jobs = jobs
        for number in range(jobs):
            self._free.put(Scratch(folder / str(number)))

    def baseline(self, mutants: list[Mutant]) -> Outcome:
        """Run each test once without a bug."""
        nodes = sorted({node for mutant in mutants for node in mutant.nodes})
        shares = [share for n in range(self._jobs) if (share := nodes[n :: self._jobs])]
        with ThreadPoolExecutor(self._jobs) as pool:
            outcomes = list(pool.map(self._run, shares))
        return next((each for each in outcomes if each.killed is not False), outcomes[0])

    def _run(self, nodes: list[str]) -> Outcome:
        scratch = self._free.get()
        try:
            return scratch.run(nodes, BASELINE_TIMEOUT_S)
        finally:
            self._free.put(scratch)

    def try_one(self, mutant: Mutant) -> Outcome:
        """Plant a bug and run its tests."""
        scratch = self._free.get()
        try:
            return scratch.run_with(mutant)
        finally:
            self._free.put(scratch)

    def try_all(self, mutants: list[Mutant]) -> dict[str, Outcome]:
        """Try each, and say what came of it as soon as it is known."""
        outcomes: dict[str, Outcome] = {}
        told = threading.Lock()
        with ThreadPoolExecutor(self._jobs) as pool:
            futures = {pool.submit(self.try_one, mutant): mutant for mutant in mutants}
            for number, future in enumerate(as_completed(futures), 1):
                outcome = outcomes[futures[future].name] = future.result()
                with told:
                    _tell(number, len(mutants), futures[future], outcome)
        return outcomes


def _tell(number: int, count: int, mutant: Mutant, outcome: Outcome) -> None:
    CONSOLE.print(
        f"{number:3}/{count} {outcome.took_s:5.1f} s  {WORDS[outcome.killed]}  {mutant.name}: ",
        end="",
    )
    CONSOLE.print(outcome.why, markup=False)


def chosen(names: list[str]) -> list[Mutant]:
    """Return the mutants of which a name has one of the texts in it; all where none is given."""
    for name in names:
        if not any(name in mutant.name for mutant in MUTANTS):
            known = "\n  ".join(mutant.name for mutant in MUTANTS)
            raise typer.BadParameter(f"no mutant {name!r}; there are:\n  {known}")
    return [m for m in MUTANTS if not names or any(name in m.name for name in names)]


def report(mutants: list[Mutant], outcomes: dict[str, Outcome]) -> int:
    """Write the results, print the rate; return the exit code."""
    rows = [{"name": m.name, "killed": outcomes[m.name].killed is True} for m in mutants]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    killed = sum(row["killed"] for row in rows)
    CONSOLE.print(f"{killed} of {len(rows)} killed: {100 * killed / len(rows):.0f} % (goal 100 %)")
    CONSOLE.print(f"{RESULTS} written")
    if any(outcome.killed is None for outcome in outcomes.values()):
        return 2
    return 0 if killed == len(rows) else 1


def main(
    only: Annotated[list[str] | None, typer.Option(help="mutants with this in their name")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="how many at a time")] = 2,
) -> None:
    """Plant each bug in a scratch copy, and see whether a test notices."""
    mutants = chosen(only or [])
    began = time.monotonic()
    try:
        for mutant in mutants:
            mutant.planted(ROOT)
    except StaleError as error:
        CONSOLE.print(f"error: {error}", style="red", markup=False)
        raise typer.Exit(2) from None
    with tempfile.TemporaryDirectory(prefix="motekit-mutants-") as folder:
        workshop = Workshop(Path(folder), jobs)
        baseline = workshop.baseline(mutants)
        if baseline.killed is not False:
            CONSOLE.print("error: a test fails without any bug:", style="red")
            CONSOLE.print(baseline.why, markup=False)
            raise typer.Exit(2)
        CONSOLE.print(f"all tests pass without a bug, after {time.monotonic() - began:.0f} s")
        outcomes = workshop.try_all(mutants)
    code = report(mutants, outcomes)
    CONSOLE.print(f"{time.monotonic() - began:.0f} s in all")
    raise typer.Exit(code)


if __name__ == "__main__":
    typer.run(main)

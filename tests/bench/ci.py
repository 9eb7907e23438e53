"""How long a user's CI takes: the workflow of the example project, on an empty Python.

Packages come over the network, and the MicroPython VM out of this system's package archive, as on
a machine of a CI service; where either cannot be reached this bench is left out.
"""

import tempfile
import time
from pathlib import Path

from rich.markup import escape

from tests import ci_run

GOAL_S = 60
CAPTION = (
    "From a clean checkout to green: what the workflow file of the README runs, line by line."
)


def run(report, _traces):
    """Time each line of the workflow."""
    with tempfile.TemporaryDirectory(prefix="motekit-") as folder:
        home = Path(folder)
        wheels = ci_run.build_wheel(home / "dist")
        began = time.monotonic()
        machine = ci_run.Machine(home, wheels, supplied=False)
        project = machine.checkout()
        rows = []
        for line in ci_run.commands(ci_run.GITHUB):
            at = time.monotonic()
            done = machine.run(line, project)
            if done.returncode:
                said = done.stdout.strip().splitlines() or ["nothing"]
                report.missing(f"`{line}` fails: {said[-1]}", "ci.*")
                return
            rows.append((escape(line), time.monotonic() - at))
        total = report.add("ci.clean_checkout", time.monotonic() - began, "s", goal=GOAL_S)
    report.table("Workflow", ("line", "s"), rows)
    report.figures_table("CI", [total], CAPTION)

"""A label for each board that has passed: files in a folder, and out of a printer."""

import shlex
import subprocess
from pathlib import Path

from motekit.errors import MotekitError, UsageError
from motekit.plan import Plan
from motekit.provision import Outcome
from motekit.provision.labels import LabelFiles

PRINT_S = 30.0


class Labels:
    """Writes labels as SVG and PNG; `command` prints one: the PNG's path is added to it."""

    def __init__(self, plan: Plan, folder: Path, font: Path | None, command: str = "") -> None:
        """Raise MotekitError now for what no label could be made of, or printed with."""
        try:
            self._command = shlex.split(command)
        except ValueError as e:
            raise UsageError(f"--print {command!r}: {e}") from None
        self._files = LabelFiles(folder, font)
        self._files.check(plan)

    def __call__(self, outcome: Outcome) -> None:
        """Make a board's label; MotekitError if it cannot be written or printed."""
        for png in self._files.write([outcome]):
            if self._command:
                self._print(png)

    def _print(self, png: Path) -> None:
        argv = [*self._command, str(png)]
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PRINT_S,
                check=False,
                start_new_session=True,  # Ctrl-C at a terminal is for the station
            )
        except (OSError, subprocess.TimeoutExpired) as e:
            raise MotekitError(f"label: {shlex.join(argv)} does not print it: {e}") from e
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-200:]
            raise MotekitError(f"label: {shlex.join(argv)} ends with {done.returncode}: {said}")

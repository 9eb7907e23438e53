"""A scratch copy of the checkout, in which tests run with a bug planted or without."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from .mutant import Mutant

ROOT = Path(__file__).parents[2]
COPIED = ("boards", "firmware", "host", "tests", "README.md", "pyproject.toml")
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*", "build")
TEST_TIMEOUT_S = 60  # one test; a hang that a bug causes fails the test by itself
RUN_TIMEOUT_S = 180  # all tests of one mutant: never reached but on a machine that stands still
WHY_CHARS = 60  # of what a test says when it fails
PASSED, FAILED = 0, 1  # of pytest's exit codes; any other says that it could not run the tests


class Outcome(NamedTuple):
    """What the tests said: `killed` None where they could not be run, `why` in a line."""

    killed: bool | None
    why: str
    took_s: float


class Scratch:
    """A copy of what tests need; nothing is ever changed in the checkout itself."""

    def __init__(self, folder: Path, checkout: Path = ROOT) -> None:
        self.root = folder / "checkout"
        self.root.mkdir(parents=True)
        for name in COPIED:
            source = checkout / name
            if source.is_dir():
                shutil.copytree(source, self.root / name, ignore=LEFT_OUT)
            elif source.exists():
                shutil.copy2(source, self.root / name)
        self._share_vm(checkout / "build" / "vm")
        self._running: subprocess.Popen[str] | None = None

    def _share_vm(self, vm: Path) -> None:
        """Have the VMs found that `motekit setup` has brought; what is compiled is made anew."""
        if vm.is_dir():
            (self.root / "build").mkdir()
            (self.root / "build" / "vm").symlink_to(vm)

    def run(self, nodes: list[str], timeout_s: float = RUN_TIMEOUT_S) -> Outcome:
        """Run tests until one fails."""
        began = time.monotonic()
        # A session of its own, so that a VM that hangs ends with its tests.
        self._running = pytest = subprocess.Popen(
            self._command(nodes),
            cwd=self.root,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            said, _ = pytest.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            _end(pytest)
            return Outcome(None, f"no end after {timeout_s:g} s", time.monotonic() - began)
        return _outcome(pytest.returncode, said, time.monotonic() - began)

    def end(self) -> None:
        """End the tests that run, if any; may be called from another thread."""
        if self._running is not None and self._running.poll() is None:
            os.killpg(self._running.pid, signal.SIGKILL)

    def _command(self, nodes: list[str]) -> list[str]:
        # The same examples at each run, and no time spent on making a failing one small.
        options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", "-rfE"]
        options += [f"--timeout={TEST_TIMEOUT_S}", "--hypothesis-seed=0"]
        options += ["-p", "tests.mutants.unshrunk"]
        return [sys.executable, "-m", "pytest", *options, *nodes]

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join(str(self.root / name) for name in ("host", "firmware"))
        wide = {"COLUMNS": "400"}  # pytest cuts what it says of a failure at the terminal's width
        return {**os.environ, **wide, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}

    def run_with(self, mutant: Mutant) -> Outcome:
        """Plant a bug, run the tests that must notice, and put things right again."""
        file = self.root / mutant.file
        planted = mutant.planted(self.root)
        before = file.read_bytes()
        file.write_text(planted, "utf-8")
        try:
            return self.run(mutant.nodes)
        finally:
            file.write_bytes(before)


def _end(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _outcome(code: int, said: str, took_s: float) -> Outcome:
    lines = [line for line in said.splitlines() if line.strip()] or ["nothing"]
    if code == PASSED:
        return Outcome(False, lines[-1], took_s)
    failed = [line for line in lines if line.startswith("FAILED ")]
    if code == FAILED and failed:
        test, _, reason = failed[0].removeprefix("FAILED tests/").partition(" - ")
        reason = "hung until its time was up" if "Timeout (>" in reason else reason[:WHY_CHARS]
        return Outcome(True, f"{test}: {reason}", took_s)
    return Outcome(None, f"pytest ended with {code}: {lines[-1]}", took_s)

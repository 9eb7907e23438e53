"""Runs what a CI service would run of a project: the commands of its YAML file, in a copy."""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import yaml

from motekit.errors import VmError
from motekit.sim import vm

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "tests" / "example_project"
GITHUB, GITLAB = ".github/workflows/test.yml", ".gitlab-ci.yml"


def commands(name):
    """Return the command lines of the example's CI file, in order."""
    table = yaml.safe_load((EXAMPLE / name).read_text())
    (job,) = table["jobs"].values() if name == GITHUB else table.values()
    if name == GITLAB:
        return job["script"]
    return [step["run"] for step in job["steps"] if "run" in step]


def kept(name):
    """Return the folder that the CI file keeps of a failed run."""
    table = yaml.safe_load((EXAMPLE / name).read_text())
    if name == GITLAB:
        assert table["test"]["artifacts"]["when"] == "on_failure"
        return table["test"]["artifacts"]["paths"][0]
    (step,) = [s for s in table["jobs"]["test"]["steps"] if s.get("if") == "failure()"]
    return step["with"]["path"]


def build_wheel(folder):
    """Build the wheel; return the folder that holds it."""
    argv = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "-o",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120)
    return folder


class Machine:
    """A machine of a CI service: an empty Python, and nothing of this checkout in sight."""

    def __init__(self, home, wheels, *, supplied):
        """`supplied`: packages and VM are there already, so that nothing comes over a network."""
        self.home = home
        programs = home / "venv" / "bin"
        venv.create(home / "venv", with_pip=False, symlinks=True)
        self._shim(programs / "pip", f"{sys.executable} -m pip --python {programs / 'python'}")
        if supplied:
            self._lend(programs / "python")
            self._shim(programs / "pytest", f"{programs / 'python'} -m pytest")
        constraint = home / "constraints.txt"
        (wheel,) = wheels.glob("*.whl")
        constraint.write_text(f"motekit @ {wheel.as_uri()}\n")
        foreign = ("PYTHON", "MOTEKIT", "MICROPYTHON", "XDG_", "PYTEST")
        self._env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(foreign)},
            **(_machines() if supplied else {}),
            "HOME": str(home),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PIP_CONSTRAINT": str(constraint),
            **({"PIP_NO_INDEX": "1"} if supplied else {}),
        }

    def _shim(self, path, command):
        path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        path.chmod(0o755)

    def _lend(self, python):
        """Let it see this environment's packages, but not what points back to the checkout."""
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = subprocess.check_output([python, "-c", code], text=True).strip()
        others = self.home / "packages"
        others.mkdir()
        for path in Path(sysconfig.get_path("purelib")).iterdir():
            if path.suffix != ".pth" and not path.name.startswith(
                ("motekit", "motefw", "_motekit")
            ):
                (others / path.name).symlink_to(path)
        (Path(site) / "packages.pth").write_text(f"{others}\n")

    def checkout(self):
        """Return a copy of the example project."""
        project = self.home / "project"
        shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__"))
        return project

    def run(self, line, project):
        """Run a command line as a shell of the service would."""
        return subprocess.run(
            ["/bin/sh", "-e", "-c", line],
            cwd=project,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )


def _machines():
    """Name the VMs that are known here: what is installed does not look into a checkout."""
    found = {}
    for bits, variable in ((32, "MICROPYTHON32"), (64, "MICROPYTHON")):
        try:
            found[variable] = shlex.join(vm.find(bits).argv)
        except VmError:
            continue
    return found

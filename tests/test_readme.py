"""README against the code: nothing is missing from it, and what it shows is what happens.

Blocks marked `console` claim an output: each `$ command` is run, all in one folder and in order,
and must print the lines below it. `...` stands for anything within a line, and on a line of its
own for any lines.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from motekit import board, drivers, plan
from motekit.cli import COMMANDS, app
from motekit.gateway import config as gateway_config
from motekit.plan import rows as plan_rows
from motekit.sim import scenario
from motekit.testing import plugin

FixtureDefinition = type(plugin.scenario)
ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


FILE = re.compile(
    r"^`([\w/-]*\.[\w./-]+)` [^\n]*:\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
FILES = dict(FILE.findall(README))  # of the example project


def _blocks(kind):
    for indent, found, text in BLOCK.findall(FILE.sub("", README)):
        if found == kind:
            yield "\n".join(line.removeprefix(indent) for line in text.splitlines())


def _file(name):
    """Return the TOML block that says in its first line that it is this file."""
    (found,) = [text for text in _blocks("toml") if text.startswith(f"# {name}\n")]
    return found


def _claims():
    """Return (command, expected lines) of all console blocks."""
    claims = []
    for block in _blocks("console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                claims.append((line[2:], []))
            else:
                claims[-1][1].append(line)
    return claims


def _matches(expected, said):
    """Tell whether the output is as claimed; whitespace at line ends does not count."""
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            parts = [re.sub(r"(\\ )+", r" +", re.escape(part)) for part in line.split("...")]
            pattern += ".*".join(parts) + r" *\n"
    return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in said.splitlines()))


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Return a function that runs a command line in one folder, with this checkout's motekit."""
    home = tmp_path_factory.mktemp("readme")
    programs = home / "bin"
    programs.mkdir()
    motekit = programs / "motekit"
    motekit.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m motekit "$@"\n')
    motekit.chmod(0o755)
    paths = os.pathsep.join((str(ROOT / "host"), str(ROOT / "firmware")))
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": paths,
    }

    def run(line):
        return subprocess.run(
            line,
            shell=True,
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    run.home = home
    return run


def test_what_the_readme_shows_is_what_happens(shell):
    """One test for all blocks, since each begins where the one before has ended."""
    claims = _claims()
    assert len(claims) >= 4
    for command, expected in claims:
        done = shell(command)
        assert done.returncode == 0, f"$ {command}\n{done.stderr}"
        assert _matches(expected, done.stdout), f"$ {command}\n{done.stdout}"
    for block in _blocks("python"):
        (shell.home / "block.py").write_text(block)
        done = shell(f"'{sys.executable}' block.py")
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


def test_the_scenario_in_it_is_one(tmp_path):
    block = _file("fan.toml")
    assert tomllib.loads(block)["board"]
    (tmp_path / "fan.csv").write_text("x,y,z\n1,2,3\n")
    (tmp_path / "fan.toml").write_text(block)
    plan = scenario.load(tmp_path / "fan.toml")
    assert len(plan.boards) == 2


def test_the_plan_in_it_is_one(tmp_path, monkeypatch):
    monkeypatch.setenv("SITE_WIFI", "right horse")
    (tmp_path / "fleet.toml").write_text(_file("fleet.toml"))
    found = plan.load(tmp_path / "fleet.toml")
    assert [role.name for role in found.roles] == ["roof-1", "roof-2"]
    assert all(f"`{column}`" in README for column in plan_rows.COLUMNS)


def test_the_gateway_in_it_is_one(tmp_path):
    block = _file("bench.toml")
    (tmp_path / "bench.toml").write_text(block)
    plan = gateway_config.load(tmp_path / "bench.toml")
    assert [sensor.driver for sensor in plan.sensors] == ["sht4x", "pms5003"]


def test_every_command_is_in_it():
    missing = [name for name, _ in COMMANDS if f"`motekit {name}" not in README]
    assert not missing


def test_every_command_in_it_is_one():
    known = {name for name, _ in COMMANDS}
    used = set(re.findall(r"(?:^|`|\$ )motekit ([a-z]+)", README, re.MULTILINE))
    assert used <= known


def test_the_project_in_it_is_the_example():
    project = ROOT / "tests" / "example_project"
    there = {path.relative_to(project).as_posix(): path for path in project.rglob("*")}
    shown = {name: path.read_text() for name, path in there.items() if _is_shown(path)}
    assert shown == FILES


def _is_shown(path):
    made = {"__pycache__", ".pytest_cache", "board-artefacts"}  # by who runs it in place
    return path.is_file() and not made & set(path.parts)


class _Plugin:
    """Takes note of what the pytest plugin adds."""

    def __init__(self):
        self.options, self.keys = [], []
        plugin.pytest_addoption(self)

    def getgroup(self, *_):
        return self

    def addoption(self, name, **_):
        self.options.append(name)

    def addini(self, name, *_, **__):
        self.keys.append(name)


def test_every_option_key_and_fixture_of_the_plugin_is_in_it():
    added = _Plugin()
    fixtures = [name for name in vars(plugin) if isinstance(vars(plugin)[name], FixtureDefinition)]
    assert len(fixtures) > 4
    names = [*added.options, *added.keys, *(name for name in fixtures if name[0] != "_")]
    assert not [name for name in names if not re.search(rf"`{name}[` (]", README)]


def _options():
    """Yield (command, its option strings) for every option there is."""
    group = typer.main.get_command(app)
    context = group.make_context("motekit", [], resilient_parsing=True)
    for name, _ in COMMANDS:
        found = group.get_command(context, name)
        for command in getattr(found, "commands", {name: found}).values():
            for each in command.params:
                if each.param_type_name == "option":
                    yield name, each.secondary_opts or each.opts  # what is not the default


def test_every_option_is_in_it():
    missing = [
        (name, form)
        for name, forms in _options()
        for form in forms
        if not re.search(rf"`{form}[ `]", README)
    ]
    assert not missing


def test_every_option_in_it_is_one():
    known = {"--help", *_Plugin().options, *(form for _, forms in _options() for form in forms)}
    used = set(re.findall(r"`(--[a-z-]+)", README))
    used |= set(re.findall(r"^\s*(?:\$ )?motekit .*?(--[a-z-]+)", README, re.MULTILINE))
    assert used <= known


def test_every_driver_and_board_is_in_it():
    missing = [name for name in (*drivers.NAMES, *board.names()) if name not in README]
    assert not missing


def test_every_fault_is_in_it():
    assert not [kind for kind in scenario.FAULTS if f"`{kind}`" not in README]


def test_every_make_target_in_it_is_one():
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE)) <= targets
    assert shutil.which("make")


def test_every_section_that_it_leads_to_is_there():
    titles = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    led_to = set(re.findall(r"\]\(#([\w-]+)\)", README))
    assert len(led_to) > 10
    assert led_to <= anchors


def test_every_file_named_in_it_is_there():
    named = re.findall(r"`((?:firmware|host|boards|tests)/[\w./-]*)`", README)
    named += re.findall(r"\]\(([\w/.]+)\)", README)
    assert named
    assert not [name for name in named if "<" not in name and not (ROOT / name).exists()]

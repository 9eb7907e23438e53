"""What holds for the repository as a whole."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP = {
    *(".ci", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "pyproject.toml"),
    *("boards", "firmware", "host", "tests"),
}
TEXT = {"", ".py", ".md", ".toml", ".json", ".jsonl", ".csv", ".yml"}
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(work|home|root|tmp|Users)/\w")
LINE_MAX = 450  # of a module; ~300 is what fits a head
FUNCTION_MAX = 47  # lines without its docstring; ~40 is what fits a screen
TEST_MAX = 52  # a story may be longer
LONGER = {f"firmware/motefw/packet_{kernel}.py" for kernel in ("plain", "viper")}  # loops unrolled


def _tracked():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = [name for name in listed.stdout.split("\0") if name]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def _texts():
    for path in _tracked():
        if path.suffix in TEXT:
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")


def test_the_top_level_stays_small():
    assert {path.relative_to(ROOT).parts[0] for path in _tracked()} <= TOP


def test_no_path_of_one_machine():
    me = Path(__file__).name
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in _texts()
        if not name.endswith(me)
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert not found


def test_nothing_is_silenced_in_place():
    """Exceptions from lint and types stand in pyproject.toml, each with its reason."""
    marks = re.compile(r"#\s*(noqa|type:\s*ignore|pyright:\s*ignore|pragma)", re.IGNORECASE)
    found = [
        f"{name}:{number}"
        for name, text in _texts()
        if name.endswith(".py")
        for number, line in enumerate(text.splitlines(), 1)
        if marks.search(line)
    ]
    assert not found


def test_a_module_fits_a_head():
    long = {
        name: text.count("\n")
        for name, text in _texts()
        if name.endswith(".py") and not name.startswith("tests/") and text.count("\n") > LINE_MAX
    }
    assert set(long) <= LONGER, long


def _functions(text):
    """Return (name, lines without its docstring) of all functions of a module."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            said = node.body[0] if ast.get_docstring(node) else None
            doc = said.end_lineno - said.lineno + 1 if said else 0
            yield node.name, node.end_lineno - node.lineno + 1 - doc


def test_a_function_fits_a_screen():
    long = [
        f"{name}: {function}: {size} lines"
        for name, text in _texts()
        if name.endswith(".py") and name not in LONGER
        for function, size in _functions(text)
        if size > (TEST_MAX if name.startswith("tests/") else FUNCTION_MAX)
    ]
    assert not long


def test_every_module_says_what_it_is():
    silent = [
        name
        for name, text in _texts()
        if name.endswith(".py") and text.strip() and not text.startswith(('"""', "# ", "#!"))
    ]
    assert not silent


def test_the_version_has_an_entry_in_the_changelog():
    version = re.search(
        r'__version__ = "(.+)"', (ROOT / "firmware/motefw/__init__.py").read_text()
    )
    assert f"## [{version[1]}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")

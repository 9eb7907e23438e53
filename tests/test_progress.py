"""How far boards are, in a pipe."""

from motekit.cli import progress
from motekit.flasher.job import Step


def test_a_pipe_gets_a_line_when_what_is_done_changes_and_none_for_each_byte(capsys):
    said = progress.Lines()
    for what in ("looking", *["writing"] * 100, "looking"):
        for port in ("a", "b"):
            said.step(Step(port, what))
    steps = ("looking", "writing", "looking")
    assert capsys.readouterr().err.splitlines() == [f"{p}: {w}" for w in steps for p in "ab"]

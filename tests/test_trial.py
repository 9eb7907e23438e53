"""A board's files on trial: whole whatever the power does, on the real VM and its littlefs."""

import pytest

from tests.coprocess import CoProcess

OLD = {"config.json": "old config.json", "keys.json": "old keys.json"}
NEW = {name: f"new {name}" for name in ("wifi.json", "config.json", "keys.json")}
BEFORE, MARK = {"provision.json": {"plan": "old"}}, {"provision.json": {"plan": "new"}}


@pytest.fixture(scope="module")
def process():
    with CoProcess(32, "trial_bed") as process:
        yield process


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("apply", {**NEW, **BEFORE, **{f"{name}.old": text for name, text in OLD.items()}}),
        ("keep", {**NEW, **MARK}),
        ("undo", {**OLD, **BEFORE}),
    ],
)
def test_a_step_that_is_cut_off_anywhere_comes_to_the_same(process, step, expected):
    """At each write and erase of the flash, and at each again in the boot after that."""
    total, tried, outcomes = process.call("cut_everywhere", step, 1)
    assert total >= 4
    assert tried > 3 * total
    for outcome in outcomes:
        trial = outcome.pop("trial.json", None)
        assert (trial is not None) == (step == "apply")
        assert outcome == expected


def test_without_a_trial_nothing_is_touched(process):
    assert process.call("untouched") == {"config.json": "mine"}

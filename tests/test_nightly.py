"""Random schedules of faults: a few short ones, and what is said of one that fails."""

import pytest

from motekit.errors import ScenarioError
from motekit.fields import Fields
from motekit.sim import scenario
from motekit.sim.faults import CHIP, KINDS, WIFI
from tests import content
from tests.nightly import __main__ as nightly
from tests.nightly import ride, schedule


@pytest.mark.parametrize("seed", [6, 12, schedule.LONG + 4])
def test_a_schedule_is_ridden_out(seed):
    outcome = ride.ride(seed, 0.3 if seed < schedule.LONG else 2.5)
    assert outcome.episodes >= 1
    assert outcome.samples > 1000


def test_a_day_of_which_the_heap_does_not_come_back_is_told(monkeypatch, capsys):
    free = tuple(range(30_000, 30_000 - 100 * 24, -100))
    monkeypatch.setattr(nightly.day, "live", lambda *_args, **_more: nightly.day.Day(free, {}))
    argv = ["--count", "0", "--long", "0"]
    assert nightly.main(argv) == 1
    assert "24 hours at 200 Hz in 0 s: heap grown by 800 bytes" in capsys.readouterr().out
    monkeypatch.setattr(nightly.day, "GROWTH_BYTES", 800)
    assert nightly.main(argv) == 0


def test_a_ctrl_c_ends_it_with_what_was_ridden_so_far(monkeypatch, capsys):
    def ridden(seeds, _options):
        yield seeds[0], 2.0, ride.Outcome(seeds[0], 7200.0, 1.0, 3, 9.0, 0, 0, 1000)
        raise KeyboardInterrupt

    monkeypatch.setattr(nightly, "_rides", ridden)
    assert nightly.main(["--count", "3", "--long", "0"]) == 130
    said = capsys.readouterr().out
    assert "1 ridden out, 0 failed; 2 simulated hours" in said
    assert said.endswith("ended by Ctrl-C, 2 not ridden\n")


def test_schedules_are_of_their_seed_and_have_all_that_can_go_wrong(tmp_path):
    content.write_count(tmp_path / "count.csv", 10)
    kinds = set()
    for seed in range(1, 60):
        made = schedule.make(seed, 2.0)
        assert made == schedule.make(seed, 2.0)
        table = {key: value for key, value in made.table().items() if value is not None}
        scenario.parse(Fields("seed", table, ScenarioError), tmp_path)
        kinds |= {fault["kind"] for episode in made.episodes for fault in episode.faults}
        ends = [episode.end_s for episode in made.episodes]
        assert all(
            later.at_s - end >= ride.RECOVERY_S
            for end, later in zip(ends, made.episodes[1:], strict=False)
        )
    elsewhere = {kind for kind in KINDS if KINDS[kind].of in (CHIP, WIFI)}  # all on serial lines
    assert kinds == set(KINDS) - {"onewire_shorted"} - elsewhere


def test_a_failure_names_its_seed_and_how_to_repeat_it(monkeypatch, capsys):
    monkeypatch.setattr(ride, "RECOVERY_S", -10)
    argv = [
        "--count",
        "1",
        "--first",
        "6",
        "--long",
        "0",
        "--hours",
        "0.4",
        "--jobs",
        "1",
        "--day",
        "0",
    ]
    assert nightly.main(argv) == 1
    said = capsys.readouterr()
    assert "seed 6 FAILED: RideError: at " in said.out
    assert "not well -10 s after {'kind': " in said.out
    assert "repeat: make nightly ARGS='--seed 6 --hours 0.4'\n" in said.out
    assert "0 ridden out, 1 failed" in said.out
    assert said.err == "failed seeds: 6\n"

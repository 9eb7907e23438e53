"""A recording replayed by the real firmware comes out of the store as it went in.

Virtual boards replay generated recordings as register counts over ptys; `motekit collect` collects
them, is killed, and lines are damaged; what is read back raw must be the recording's integers, in
order, none missing, none twice.
"""

import contextlib
import csv
import os
import random
import subprocess
import sys
import time

import pytest

from motekit.errors import MotekitError
from motekit.sim import scenario
from motekit.sim.fleet import running
from motekit.store import Store

ROWS = 6000  # 30 s of a sensor at 200 Hz
ROWS_TO_KILL = 30_000  # so that ten kills fall into it
KILLS = 10
CORRUPT = '[[fault]]\nkind = "link_corrupt"\nrate = 0.001\n'
DEADLINE_S = 150


def recording(path, seed, rows):
    """Write a random walk of three axes, now and then a jump; return its columns."""
    dice = random.Random(seed)
    columns = []
    for _ in range(3):
        at, column = 0, []
        for _ in range(rows):
            at += dice.randrange(-9, 10)
            if dice.random() < 0.002:
                at = dice.randrange(-4096, 4096)
            at = max(-4096, min(4095, at))
            column.append(at)
        columns.append(column)
    rows_of_text = (",".join(map(str, row)) for row in zip(*columns, strict=True))
    path.write_text("x,y,z\n" + "\n".join(rows_of_text) + "\n")
    return columns


def plan(folder, boards, rows, fault):
    """Write a scenario of boards that each replay a recording of their own."""
    columns, tables = [], []
    for n in range(boards):
        columns.append(recording(folder / f"walk{n}.csv", n, rows))
        tables.append(
            '[[board]]\nboard = "esp32-c3-devkitm-1"\n[[board.sensor]]\ndriver = "adxl345"\n'
            "options = { rate_hz = 200 }\n"
            f'replay = {{ file = "walk{n}.csv", columns = ["x", "y", "z"], raw = true }}\n'
        )
    path = folder / "plan.toml"
    head = f'seed = 5\nduration_s = {rows // 200 + 5}\nclock = "virtual"\n'
    path.write_text(head + "".join(tables) + fault)
    return scenario.load(path), columns


class Collecting:
    """A `motekit collect` in a process of its own."""

    def __init__(self, folder, ports):
        self.store = folder / "fleet.motekit"
        self.log = folder / "collect.log"
        self._env = {**os.environ, "MOTEKIT_KEYS": "", "XDG_CONFIG_HOME": str(folder)}
        self._argv = [sys.executable, "-m", "motekit", "collect", *ports]
        self._argv += ["--store", str(self.store), "--json", "--until-idle", "20"]
        self._process = None

    def start(self):
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, stdout=log, stderr=log, env=self._env, start_new_session=True
            )

    def kill(self):
        self._process.kill()
        self._process.wait(90)

    def stop(self):
        """End it as a service manager would."""
        self._process.terminate()
        assert self._process.wait(90) == 0, self.log.read_text()

    def check(self):
        """Hold that it still runs."""
        assert self._process.poll() is None, self.log.read_text()

    def samples(self):
        """Return how many samples are in the store by now."""
        with contextlib.suppress(MotekitError), Store.open(self.store, readonly=True) as store:
            return sum(stream.samples for stream in store.streams())
        return 0


def collect(folder, fleet, rows, kills):
    """Collect until every board has ended, killing the collector on the way; return how often."""
    collecting = Collecting(folder, [board.serial for board in fleet.boards])
    total = rows * len(fleet.boards)
    killed = 0
    end = time.monotonic() + DEADLINE_S
    collecting.start()
    try:
        while not all(board.done.is_set() for board in fleet.boards):
            assert time.monotonic() < end, collecting.log.read_text()
            collecting.check()
            if killed < kills and collecting.samples() > total * (killed + 1) / (kills + 2):
                collecting.kill()
                killed += 1
                collecting.start()
            time.sleep(0.01)
        collecting.stop()
    finally:
        collecting.kill()
    assert [board.unacked for board in fleet.boards] == [0] * len(fleet.boards)
    return killed


def read_back(folder, device):
    """Return the columns of a device as `motekit export --raw` writes them."""
    path = folder / f"{device}.csv"
    subprocess.run(
        [
            *(sys.executable, "-m", "motekit", "export", str(path), "--raw"),
            *("--where", f"device={device}", "--store", str(folder / "fleet.motekit")),
        ],
        check=True,
    )
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [[int(row[f"accel_{axis}"]) for row in rows] for axis in "xyz"]


def check(folder, fleet, columns):
    with Store.open(folder / "fleet.motekit", readonly=True) as store:
        summary = store.summary()
    assert [(d.missing, d.lost, d.cut_off) for d in summary.devices] == [(0, 0, 0)] * len(columns)
    for board, expected in zip(fleet.boards, columns, strict=True):
        assert read_back(folder, board.device) == expected


@pytest.mark.parametrize("kills", [0, KILLS], ids=["left alone", "killed ten times"])
@pytest.mark.parametrize("fault", ["", CORRUPT], ids=["clean line", "damaged line"])
def test_a_recording_comes_back_exactly(tmp_path, fault, kills):
    rows = ROWS_TO_KILL if kills else ROWS
    loaded, columns = plan(tmp_path, 3 if fault and kills else 1, rows, fault)
    with running(loaded) as fleet:
        assert collect(tmp_path, fleet, rows, kills) == kills
        check(tmp_path, fleet, columns)
        hits = sum(b.corrupted_bytes for b in fleet.boards)
        assert hits > 10 if fault else hits == 0

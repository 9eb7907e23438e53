"""Flashing virtual chips with real esptool: many at once over one, and what a small change costs.

Lines carry as many bytes a second as at 460,800 baud; the image is as long and as compressible as
MicroPython's. Each board needs three runs of esptool and, at the end, a VM: with few processors
these take turns, which a host with real boards has to do, too (but for the VM).
"""

import tempfile
from pathlib import Path

from motekit import board as boards
from motekit.flash import merged
from motekit.flasher import flash, history
from motekit.flasher.job import Job
from motekit.prompt.raw import RawPrompt
from motekit.sim import scenario
from motekit.sim.fleet import running
from motekit.sim.loader import synthetic

from .report import has_package

BOARD = "esp32-c3-devkitm-1"
MANY = 16
SCENARIO = f"""
seed = 16
loader_speed = 1
[[board]]
count = {MANY + 1}
board = "{BOARD}"
flash = "blank"
"""


def run(report, _traces):
    """Measure and report."""
    if not (has_package("esptool") and has_package("littlefs")):
        report.missing("esptool, littlefs-python (motekit[flash])", "flash")
        return
    board = boards.load(BOARD)
    job = Job(board, merged.read(synthetic.release(board.chip), board.chip))
    with tempfile.TemporaryDirectory(prefix="motekit-") as folder:
        path = Path(folder) / "scenario.toml"
        path.write_text(SCENARIO)
        kept, history.HOME = history.HOME, Path(folder) / "flashed"
        try:
            with running(scenario.load(path)) as fleet:
                _measure(report, job, [each.serial for each in fleet.boards])
        finally:
            history.HOME = kept


def _measure(report, job, ports):
    (one,) = _flashed(ports[:1], job)
    many = _flashed(ports[1:], job)
    longest_s = max(each.seconds for each in many)
    full = sum(len(each.data) for each in job.regions)
    figures = [
        report.add(
            "flash.16_over_1",
            longest_s / one.seconds,
            "x",
            goal=2,
            beside={"one, s": one.seconds, "16, s": longest_s},
        )
    ]
    name, data = max(job.files.items(), key=lambda item: len(item[1]))
    with RawPrompt.open(ports[0], 60) as prompt:
        prompt.put({name: data[:-1]})
        prompt.restart()
    (change,) = _flashed(ports[:1], job)
    figures.append(
        report.add(
            "flash.one_file_change_share",
            change.sent_bytes / one.sent_bytes,
            "of a full flash",
            goal=0.03,
            beside={"changed, bytes": change.sent_bytes, "full, bytes sent": one.sent_bytes},
        )
    )
    caption = f"{full:,} bytes a board before compression; changed: the largest file, {name}"
    report.figures_table("flash", figures, caption)


def _flashed(ports, job):
    """Flash boards and return what came of each; RuntimeError if one failed."""
    done = flash.flash(ports, job)
    wrong = [each for each in done if each.error]
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {len(done)} failed: {wrong[0].error}")
    return done

"""Provisioning virtual boards: many at once over one, from a board without identity to its proof.

Each board restarts into its new identity, has its sensors measure and sends a first packet; with
few processors the VMs take turns, which real boards do not have to.
"""

import tempfile
from pathlib import Path

from motekit import plan as plans
from motekit import provision
from motekit.keys import KeyStore
from motekit.sim import scenario
from motekit.sim.fleet import running

BOARD = "esp32-c3-devkitm-1"
MANY = 16
SENSOR = '[[{}sensor]]\ndriver = "sht4x"\n'
SCENARIO = f"""
seed = 17
[[board]]
count = {MANY + 1}
board = "{BOARD}"
""" + SENSOR.format("board.")
PLAN = f'fleet = "bench"\nboard = "{BOARD}"\n[packet]\nlatency_ms = 200\n' + SENSOR.format("")


def run(report, _traces):
    """Measure and report."""
    with tempfile.TemporaryDirectory(prefix="motekit-") as name:
        folder = Path(name)
        (folder / "scenario.toml").write_text(SCENARIO)
        (folder / "plan.toml").write_text(PLAN)
        with running(scenario.load(folder / "scenario.toml")) as fleet:
            ports = [each.serial for each in fleet.boards]
            one_s = _provisioned(ports[:1], folder)
            many_s = _provisioned(ports[1:], folder)
    figure = report.add(
        "provision.16_over_1",
        many_s / one_s,
        "x",
        goal=2,
        beside={"one, s": one_s, "16, s": many_s},
    )
    report.figures_table("provision", [figure], "identity, settings, restart, proof; one sensor")


def _provisioned(ports, folder):
    """Provision boards and return the longest that one took; RuntimeError if one failed."""
    done = provision.many(
        ports,
        plans.load(folder / "plan.toml"),
        keys=KeyStore.from_root(bytes(range(32))),
        records=provision.Records(folder / "records.jsonl"),
    )
    wrong = [each for each in done if each.error]
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {len(done)} failed: {wrong[0].error}")
    return max(each.seconds for each in done)

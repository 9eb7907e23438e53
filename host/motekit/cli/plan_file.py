"""Plans that commands are given."""

import sys
from pathlib import Path

from motekit import plan as plans
from motekit.plan import Plan


def load(path: Path) -> Plan:
    """Return a plan, and say on stderr what its author should know; PlanError: what is wrong."""
    loaded = plans.load(path)
    for warning in loaded.warnings:
        print(warning, file=sys.stderr)
    return loaded

"""Plans that commands are given."""

from pathlib import Path

from motekit import plan as plans
from motekit.cli import say
from motekit.plan import Plan


def load(path: Path) -> Plan:
    """Return a plan, and say on stderr what its author should know; PlanError: what is wrong."""
    loaded = plans.load(path)
    for warning in loaded.warnings:
        say.err(warning)
    return loaded

"""Plans: what the boards of a fleet shall be; `reader` says how they are written."""

from motekit.networks import Network

from .reader import PlanError, load, parse
from .roles import Plan, Role

__all__ = ["Network", "Plan", "PlanError", "Role", "load", "parse"]

"""Boards become members of a fleet: identity, keys, configuration, Wi-Fi, proof, label.

plan = motekit.plan.load("fleet.toml")
outcome = provision.one("/dev/ttyUSB0", plan, keys=KeyStore.load(), records=Records())
"""

from motekit.provision.outcome import Options, Outcome
from motekit.provision.records import Records
from motekit.provision.work import check, many, one

__all__ = ["Options", "Outcome", "Records", "check", "many", "one"]

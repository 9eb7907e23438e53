"""Which board gets which role: by its id, by what it was before, else the next that is free."""

import threading
from collections.abc import Mapping

from motekit.errors import MotekitError
from motekit.plan import Plan, Role
from motekit.provision.look import Found
from motekit.provision.records import Unit


class RoleError(MotekitError):
    """A board for which a plan has no role, or two boards that want the same one."""


def choose(plan: Plan, found: Found, units: Mapping[str, Unit]) -> Role:
    """Return a board's role, given what the records say of all devices of the fleet."""
    device = found.device
    taken = {
        name: other
        for other, unit in units.items()
        for name in (unit.name, unit.pending)
        if name and other != device
    }
    named = next((role for role in plan.roles if role.device == device), None)
    if named is not None:
        if named.name in taken:
            raise RoleError(
                f"{device} is to be {named.name}, which is {taken[named.name]} by the records; "
                f"`motekit replace {taken[named.name]} {device}` moves it"
            )
        return named
    for name in (units.get(device, Unit()).role, *_own(found)):
        role = _free_role(plan, device, name)
        if role is not None and name not in taken:
            return role
    role = plan.role_of(device, taken)
    if role is None:
        left = "none of its roles is free" if plan.roles else "its name is another board's already"
        raise RoleError(
            f"the plan has nothing for this board: {left}; add a [[device]], or a row, with"
            f" id {device}"
        )
    return role


def _own(found: Found) -> tuple[str, ...]:
    """Return what a board says that it is, which counts under this fleet's keys."""
    if not found.generation:
        return ()
    units = (found.trial.get("unit"), found.mark.get("unit"))
    return tuple(unit for unit in units if isinstance(unit, str))


def _free_role(plan: Plan, device: str, name: str) -> Role | None:
    """Return the role of a name, if it is for any board."""
    if not name:
        return None
    if plan.template is not None:
        role = plan.role_of(device, ())
        return role if role is not None and role.name == name else None
    return next((role for role in plan.roles if role.name == name and not role.device), None)


class Claims:
    """Which device is at which port in this run: none is at two."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ports: dict[str, str] = {}

    def take(self, device: str, port: str) -> None:
        """Claim a device for a port; RoleError if another port has it."""
        with self._lock:
            owner = self._ports.setdefault(device, port)
        if owner != port:
            raise RoleError(
                f"{port}: {device} is at {owner} already: two cables to one board, or two boards "
                f"with one id; this one was left alone"
            )

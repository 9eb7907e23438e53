"""What a board's configuration shall become: settings typed by a user, or a board's role."""

from collections.abc import Mapping, Sequence

from motekit import board as boards
from motekit.errors import BoardError, LinkError, UsageError
from motekit.hello import Hello
from motekit.networks import Network
from motekit.plan import Plan, Role
from motekit.provision import Records
from motekit.provision.records import RELEASED, fold

from . import paths
from .outcome import Target, Wanted
from .paths import Config, Path, Setting


class NoRoleError(UsageError):
    """A board that has no role in a plan."""


def of_settings(settings: Sequence[Setting], unset: Sequence[Path]) -> Target:
    """Return what changes some values of whatever a board has."""

    def target(hello: Hello, config: Config) -> Wanted:
        if not config:
            raise LinkError(f"{hello.device}: its configuration is broken; apply a plan's instead")
        return Wanted(paths.changed(config, settings, unset))

    return target


def of_plan(plan: Plan, records: Mapping[str, str]) -> Target:
    """Return what makes each board as its role says; `records`: see `noted`."""

    def target(hello: Hello, config: Config) -> Wanted:
        role = role_of(plan, hello.device, records, str(config.get("name") or hello.name or ""))
        _check_chip(role, str(config.get("board") or hello.board))
        networks = tuple(Network(each.ssid, each.password) for each in role.networks)
        return Wanted(role.config(), networks)

    return target


def noted(records: Records, fleet: str) -> dict[str, str]:
    """Return the roles of the fleet's devices by records, "" of one that was released."""
    rows = [row for row in records.rows() if row["fleet"] == fleet]
    last = {row["device"]: row["event"] for row in rows}
    roles = {device: unit.role for device, unit in fold(rows, fleet).items()}
    return {device: role for device, role in roles.items() if role or last[device] == RELEASED}


def role_of(plan: Plan, device: str, records: Mapping[str, str], called: str) -> Role:
    """Return the role that a board has: none is given out here.

    It is that of the row with its id, else the one that it was given when it was provisioned,
    else the one that it calls itself by. NoRoleError if there is no such role.
    """
    if role := plan.role_of(device, {role.name for role in plan.roles}):
        return role
    if records.get(device) == "":
        raise NoRoleError(f"{device}: was taken out of service (motekit replace)")
    name = records.get(device, called)
    for role in plan.roles:
        if role.name == name and not role.device:
            return role
        if role.name == name:
            raise NoRoleError(f"{device}: calls itself {name}, in the plan that is {role.device}")
    what = f"calls itself {name}, which the plan does not have" if name else "has no name"
    raise NoRoleError(f"{device}: {what}; `motekit provision` gives boards their roles")


def _check_chip(role: Role, board: str) -> None:
    """Refuse to make a board another one than its chip can be."""
    try:
        there = boards.load(board)
    except BoardError:
        return  # one of the user's own, whose file is not here
    if there.chip.name != role.board.chip.name:
        raise NoRoleError(
            f"it is an {there.name} ({there.chip.name}); {role.name} is to be an"
            f" {role.board.name} ({role.board.chip.name})"
        )

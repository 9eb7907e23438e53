"""What a board's configuration shall become: settings typed by a user, or a board's role."""

from collections.abc import Mapping, Sequence

from motekit import board as boards
from motekit.errors import BoardError, LinkError, UsageError
from motekit.hello import Hello
from motekit.networks import Network
from motekit.plan import Plan, Role

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


def of_plan(plan: Plan, noted: Mapping[str, str]) -> Target:
    """Return what makes each board as its role says; `noted`: roles by device, from records."""

    def target(hello: Hello, config: Config) -> Wanted:
        role = role_of(plan, hello.device, noted, str(config.get("name") or hello.name or ""))
        _check_chip(role, str(config.get("board") or hello.board))
        networks = tuple(Network(each.ssid, each.password) for each in role.networks)
        return Wanted(role.config(), networks)

    return target


def role_of(plan: Plan, device: str, noted: Mapping[str, str], called: str) -> Role:
    """Return the role that a board has: none is given out here.

    It is that of the row with its id, else the one that it was given when it was provisioned,
    else the one that it calls itself by. NoRoleError if there is no such role.
    """
    if role := plan.role_of(device, {role.name for role in plan.roles}):
        return role
    if noted.get(device) == "":
        raise NoRoleError(f"{device}: was taken out of service (motekit replace)")
    name = noted.get(device, called)
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

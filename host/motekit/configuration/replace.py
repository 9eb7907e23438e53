"""A role goes from one unit to another: name, site, sensors, Wi-Fi, and its line in the store.

    old is released (records) -> new is provisioned under the role -> succession (store) -> plan

The new unit keeps its own id and gets keys of its own: nothing of the old one's identity is
copied, and the old one's packets stay what they are. Whatever is cut off, doing it again goes on.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from motekit import plan as plans
from motekit import provision
from motekit.errors import LinkError, UsageError
from motekit.fields import nearest
from motekit.flasher.job import Progress
from motekit.keys import Host, KeyStore
from motekit.plan import Plan, Role
from motekit.probe import Port, attached, probe
from motekit.provision import Options, Outcome, Records
from motekit.provision.records import PROVISIONED, RELEASED, Unit, fold
from motekit.store import Store, succeed

from .plan_edit import PlanEditError, put_id


class ReplaceError(UsageError):
    """A replacement that cannot be meant."""


@dataclass(frozen=True)
class Job:
    """What a replacement needs; without a store no history is linked."""

    path: Path  # the plan's
    keys: KeyStore
    records: Records
    store: Path | None = None
    options: Options | None = None


@dataclass(frozen=True)
class Replaced:
    """What became of it: `state` is "replaced", "unchanged" or "failed"."""

    role: str
    old: str
    new: str
    state: str
    linked: bool = False  # the store's history goes on under the role
    plan_file: str = ""  # that was changed
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str = ""


def replace_unit(
    old: str, port: str, job: Job, utc_us: int, on_step: Progress = lambda _: None
) -> Replaced:
    """Have the board at a port take the role of another; `old` is that one's id, or the role.

    Raises MotekitError before anything was changed.
    """
    plan = plans.load(job.path)
    if job.store is not None:
        Store.open(job.store, readonly=True).close()  # a wrong one is told now
    new = _device_at(port, job.keys)
    rows = [row for row in job.records.rows() if row["fleet"] == plan.fleet]
    units = fold(rows, plan.fleet)
    role, device = _meant(old, new, plan, rows)
    _check(role, new, plan, units)
    wanted = replace(plan, roles=tuple(_for(each, role, new) for each in plan.roles))
    unit = units.get(device, Unit())
    if unit.role == role.name:
        _record(job.records, RELEASED, plan.fleet, device, role, unit, new)
    outcome = provision.one(
        port, wanted, keys=job.keys, records=job.records, options=job.options, on_step=on_step
    )
    if outcome.state == "failed":
        if unit.name == role.name:
            _record(job.records, PROVISIONED, plan.fleet, device, role, unit)
        return Replaced(
            role.name, device, new, "failed", seconds=outcome.seconds, error=outcome.error
        )
    return _settle(job, wanted, role, (device, new), outcome, utc_us)


def _settle(
    job: Job, wanted: Plan, role: Role, pair: tuple[str, str], outcome: Outcome, utc_us: int
) -> Replaced:
    """Link the history and change the plan, once the new unit has proven itself."""
    device, new = pair
    notes: list[str] = []
    linked = False
    if job.store is not None:
        linked = succeed(job.store, role.name, device, new, utc_us)
    else:
        notes.append("no store was named: the same once more with --store links its history")
    changed = ""
    if role.device == device:
        try:
            changed = str(put_id(job.path, device, new, wanted))
        except PlanEditError as e:
            notes.append(str(e))
    notes.append(f"{device} is retired; {_unsent(device, job)}")
    state = "replaced" if outcome.state == "provisioned" or linked or changed else "unchanged"
    return Replaced(role.name, device, new, state, linked, changed, tuple(notes), outcome.seconds)


def _unsent(device: str, job: Job) -> str:
    """Return what there is to say of what the old unit has not sent."""
    for port in probe(attached(), job.keys, Host()):
        hello = port.hello
        if hello is not None and hello.device == device and hello.next_seq > hello.tail_seq:
            count = hello.next_seq - hello.tail_seq
            return f"it holds {count} packets unsent: motekit collect {port.name} takes them"
    return "what it has not sent is in it as long as it has power: a collector still takes it"


def _meant(old: str, new: str, plan: Plan, rows: list[dict[str, Any]]) -> tuple[Role, str]:
    """Return the role that is meant, and who has it or, of one that moves, had it."""
    if plan.template is not None:
        raise ReplaceError(
            "the plan names boards by their ids, so there is no role to move; give this one a row:"
            ' [[device]] with name = "..." and id = "..."'
        )
    roles = {role.name: role for role in plan.roles}
    units = fold(rows, plan.fleet)
    holders = {role.name: role.device for role in plan.roles if role.device}
    holders |= {unit.name: device for device, unit in units.items() if unit.name}
    given_up = {row["name"]: row for row in rows if row["event"] == RELEASED}
    device = re.sub("[:-]", "", old).lower()
    names = {who: name for name, who in holders.items()}
    names = {row["device"]: name for name, row in given_up.items()} | names
    name = old if old in roles else names.get(device, "")
    if name not in roles:
        known = (*roles, *names)
        raise ReplaceError(f"{old}: neither a role nor a board of the plan; {nearest(old, known)}")
    holder = holders.get(name, new)
    if holder == new and given_up.get(name, {}).get("to") == new:
        holder = str(given_up[name]["device"])  # it was begun before, or done
    if name in holders and holder == new:
        raise ReplaceError(f"{new} is the board that has {name}: attach the new one")
    if holder == new or (old not in roles and holder != device):
        now = "no board has this role" if holder == new else f"{holder} has it"
        raise ReplaceError(f"{old}: {now}; `motekit provision` gives roles to boards")
    return roles[name], holder


def _device_at(port: str, key_store: KeyStore) -> str:
    """Return the id of the board at a port; nothing there is disturbed."""
    (found,) = probe([Port(port, "", None, "")], key_store, Host())
    if found.hello is None:
        raise LinkError(
            f"{port}: {found.note or 'no board answers'}; the new unit has to run the firmware:"
            " `motekit flash` brings it"
        )
    return found.hello.device


def _check(role: Role, new: str, plan: Plan, units: dict[str, Unit]) -> None:
    """Refuse a unit that has another role."""
    other = units.get(new, Unit()).name
    if other and other != role.name:
        raise ReplaceError(f"{new} is {other} already; take a spare one")
    for each in plan.roles:
        if each.device == new and each.name != role.name:
            raise ReplaceError(f"{new} is to be {each.name} by the plan; take a spare one")


def _for(each: Role, role: Role, new: str) -> Role:
    return replace(each, device=new) if each.name == role.name else each


def _record(
    records: Records, event: str, fleet: str, device: str, role: Role, unit: Unit, to: str = ""
) -> None:
    """Write down what became of the old unit's role."""
    fields: dict[str, object] = {
        "fleet": fleet,
        "device": device,
        "name": role.name,
        "site": role.site,
        "board": role.board.name,
        "generation": unit.generation,
        "keys": unit.keys,
    }
    records.add(event, {**fields, "to": to} if to else fields)

"""The command `motekit provision`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from motekit import provision as provisioning
from motekit.cli import ask, options, outcomes, plan_file, progress, show
from motekit.errors import UsageError
from motekit.flasher import ports
from motekit.keys import KeyStore
from motekit.plan import Plan, Role
from motekit.provision import Options, Outcome, Records
from motekit.provision.labels import LabelFiles

_PLANS = (".toml", ".csv")
_PlanAndPorts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PLAN] [PORT]...",
        help="A plan, NAME.toml or NAME.csv (none: you are asked), and where the boards are.",
    ),
]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check the plan and what is needed; touch no board.")
]
_Sheet = Annotated[Path | None, typer.Option("--sheet", help="A PDF file for all labels.")]
_Rekey = Annotated[
    bool, typer.Option("--rekey", help="New keys, a generation on, whatever a board has.")
]


def provision(
    names: _PlanAndPorts = None,
    all_: options.All = False,
    dry_run: _DryRun = False,
    labels: options.Labels = None,
    sheet: _Sheet = None,
    font: options.Font = None,
    records: options.Records = None,
    keys: options.Keys = None,
    rekey: _Rekey = False,
    store: options.StoreOfUnsent = None,
    discard: options.Discard = False,
    as_json: options.Json = False,
) -> None:
    """Make boards members of a fleet: identity, keys, Wi-Fi, sensors, proof, label.

    All or nothing, for many boards at once: each proves that its sensors measure, that it joins
    its network, and that its packets are its own; one that fails is what it was before. Repeated,
    nothing that is right is touched. Without a plan you are asked for what is needed.

    Example: motekit provision fleet.toml --all --labels labels
    """
    file, named = _told(names or [], all_=all_, dry_run=dry_run)
    job = _job(file, named, all_, KeyStore.load(keys), Records(records))
    label_files = LabelFiles(labels, font, sheet)
    label_files.check(job.plan)
    if dry_run:
        show.rows(_ROLE_COLUMNS, job.plan.each_role, as_json=_role_record if as_json else None)
        return
    done = _run(job, Options(rekey=rekey, discard=discard, store=store), as_json=as_json)
    show.rows(_COLUMNS, done, as_json=_record if as_json else None)
    label_files.write([each for each in done if each.state != "failed"])
    failed = [each for each in done if each.state == "failed"]
    outcomes.fail_naming([(each.port, each.device, each.error) for each in failed], len(done))


class _Job(NamedTuple):
    """What boards are provisioned with, and where they are."""

    plan: Plan
    wanted: list[str]
    keys: KeyStore
    records: Records


def _told(names: Sequence[str], *, all_: bool, dry_run: bool) -> tuple[Path | None, list[str]]:
    """Return the plan's file, None to be asked, and the ports that are named."""
    files = [name for name in names if name.lower().endswith(_PLANS)]
    named = [name for name in names if name not in files]
    if len(files) > 1:
        raise UsageError(f"{', '.join(files)}: one plan expected")
    if not files and dry_run:
        raise UsageError("--dry-run checks a plan; name one")
    if not (files or sys.stdin.isatty()):
        raise UsageError("no plan, and nobody to be asked: name one, as in fleet.toml --all")
    nowhere = not (named or all_ or dry_run)
    if (named and all_) or (files and nowhere):
        raise UsageError("name ports, or say --all for every attached USB serial port")
    return (Path(files[0]) if files else None), named


def _job(
    file: Path | None, named: list[str], all_: bool, keys: KeyStore, records: Records
) -> _Job:
    """Return what is to be done, asked for where there is no plan; nothing is touched by then."""
    plan = plan_file.load(file) if file else None
    wanted = ports.attached() if all_ else ports.named(named)
    if plan is None:
        keys = ask.key_store(keys)
        plan, wanted = ask.plan_and_ports(wanted, keys, records)
    provisioning.check(keys, records)
    return _Job(plan, wanted, keys, records)


def _run(job: _Job, allowed: Options, *, as_json: bool) -> list[Outcome]:
    with progress.view(len(job.wanted), as_json=as_json) as on_step:
        return provisioning.many(
            job.wanted,
            job.plan,
            keys=job.keys,
            records=job.records,
            options=allowed,
            on_step=on_step,
        )


def _readings(outcome: Outcome) -> str:
    """Return a value or two of each sensor, as a sign of life."""
    if outcome.proof is None:
        return ""
    rows = outcome.proof.readings.items()
    return "; ".join(
        f"{name} "
        + " ".join("-" if value is None else f"{value:g}" for value in list(row.values())[:3])
        for name, row in rows
    )


_COLUMNS: show.Columns[Outcome] = (
    show.Column("port", lambda each: each.port),
    show.Column("device", lambda each: each.device),
    show.Column("name", lambda each: each.name),
    show.Column("site", lambda each: each.site, spare=3),
    show.Column("state", lambda each: each.state),
    show.Column("wifi", lambda each: each.proof.network if each.proof else "", spare=2),
    show.Column("reads", _readings, spare=1),
    show.Column("s", lambda each: f"{each.seconds:.1f}", right=True),
)


def _record(outcome: Outcome) -> Mapping[str, Any]:
    proof = outcome.proof
    return {
        "port": outcome.port,
        "device": outcome.device,
        "name": outcome.name,
        "site": outcome.site,
        "board": outcome.board,
        "state": outcome.state,
        "generation": outcome.generation or None,
        "firmware": proof.firmware if proof else None,
        "packet": {"epoch": proof.epoch, "seq": proof.seq} if proof else None,
        "readings": proof.readings if proof else {},
        "wifi": proof.network or None if proof else None,
        "seconds": outcome.seconds,
        "error": outcome.error,
    }


_ROLE_COLUMNS: show.Columns[Role] = (
    show.Column("name", lambda role: role.name),
    show.Column("device", lambda role: role.device or "any"),
    show.Column("site", lambda role: role.site, spare=2),
    show.Column("board", lambda role: role.board.name),
    show.Column("sensors", lambda role: ", ".join(each.name for each in role.sensors), fold=True),
    show.Column("wifi", lambda role: ", ".join(each.ssid for each in role.networks), spare=1),
)


def _role_record(role: Role) -> Mapping[str, Any]:
    return {
        "name": role.name,
        "device": role.device or None,
        "site": role.site,
        "board": role.board.name,
        "sensors": [each.name for each in role.sensors],
        "wifi": [each.ssid for each in role.networks],
        "broker": role.broker or None,
    }

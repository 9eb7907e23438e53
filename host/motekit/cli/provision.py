"""The command `motekit provision`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from motekit import plan as plans
from motekit import provision as provisioning
from motekit.cli import ask, progress, show
from motekit.cli.keys import KeysOption
from motekit.errors import LinkError, MotekitError, UsageError
from motekit.flasher import ports
from motekit.keys import KeyStore
from motekit.plan import Plan, Role
from motekit.provision import Options, Outcome, Records

_PLANS = (".toml", ".csv")


def provision(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PLAN] [PORT]...",
            help="A plan, NAME.toml or NAME.csv (none: you are asked), and where the boards are.",
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every attached USB serial port.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the plan and what is needed; touch no board.")
    ] = False,
    labels: Annotated[
        Path | None, typer.Option(help="A folder for each board's label, as SVG and PNG.")
    ] = None,
    sheet: Annotated[Path | None, typer.Option(help="A PDF file for all labels.")] = None,
    font: Annotated[
        Path | None, typer.Option(help="A TrueType font, for labels beyond Latin letters.")
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option(
            help="What was made of which board.",
            show_default="provisioned.jsonl in your data folder",
        ),
    ] = None,
    keys: KeysOption = None,
    rekey: Annotated[
        bool, typer.Option("--rekey", help="New keys, a generation on, whatever a board has.")
    ] = False,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            "-s",
            envvar="MOTEKIT_STORE",
            help="Collect what boards hold into this store, before they start anew and lose it.",
        ),
    ] = None,
    discard: Annotated[
        bool, typer.Option("--discard", help="Give up packets that no collector has taken.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Make boards members of a fleet: identity, keys, Wi-Fi, sensors, proof, label.

    All or nothing, for many boards at once: each proves that its sensors measure, that it joins
    its network, and that its packets are its own; one that fails is what it was before. Repeated,
    nothing that is right is touched. Without a plan you are asked for what is needed.

    Example: motekit provision fleet.toml --all --labels labels
    """
    files = [name for name in names or () if name.lower().endswith(_PLANS)]
    named = [name for name in names or () if name not in files]
    if len(files) > 1:
        raise UsageError(f"{', '.join(files)}: one plan expected")
    if not files and dry_run:
        raise UsageError("--dry-run checks a plan; name one")
    if not (files or sys.stdin.isatty()):
        raise UsageError("no plan, and nobody to be asked: name one, as in fleet.toml --all")
    if files and bool(named) == all_ and not (dry_run and not all_):
        raise UsageError("name ports, or say --all for every attached USB serial port")
    key_store, book = KeyStore.load(keys), Records(records)
    chosen = plans.load(Path(files[0])) if files else None
    wanted = _ports(named, all_) if named or all_ else []
    if chosen is None:
        key_store = ask.key_store(key_store)
        chosen, wanted = ask.plan_and_ports(wanted, key_store, book)
    provisioning.check(key_store, book)
    for warning in chosen.warnings:
        print(warning, file=sys.stderr)
    _check_labels(chosen, labels, sheet, font)
    if dry_run:
        _show_plan(chosen, as_json=as_json)
        return
    options = Options(rekey=rekey, discard=discard, store=store)
    with progress.view(len(wanted), as_json=as_json) as on_step:
        done = provisioning.many(
            wanted,
            chosen,
            keys=key_store,
            records=book,
            options=options,
            on_step=on_step,
        )
    show.rows(_COLUMNS, done, as_json=_record if as_json else None)
    _label(done, labels, sheet, font)
    _fail(done)


def _ports(names: Sequence[str], all_: bool) -> list[str]:
    if names and all_:
        raise UsageError("name ports, or say --all, not both")
    return ports.attached() if all_ else ports.named(names)


def _check_labels(plan: Plan, folder: Path | None, sheet: Path | None, font: Path | None) -> None:
    """Say now what would keep labels from being made."""
    if folder is None and sheet is None:
        return
    try:
        from motekit.provision import label
    except ModuleNotFoundError as e:
        raise MotekitError(
            f"labels need the Python package {e.name!r}; try: pip install 'motekit[labels]'"
        ) from None
    texts = [text for role in _roles(plan) for text in (role.name, role.site)]
    places = [folder] if folder else []
    label.check(texts, font, *places, *([sheet.absolute().parent] if sheet else []))


def _label(
    done: Sequence[Outcome], folder: Path | None, sheet: Path | None, font: Path | None
) -> None:
    if folder is None and sheet is None:
        return
    from motekit.provision import label

    made = [
        label.Label(each.device, each.name, each.site, each.board)
        for each in done
        if each.state != "failed"
    ]
    if folder is not None:
        for each in made:
            label.write(each, folder, font)
    if sheet is not None and made:
        label.sheet(made, sheet, font)


def _fail(done: Sequence[Outcome]) -> None:
    failed = [each for each in done if each.state == "failed"]
    if failed:
        lines = (f"{each.port}{_of(each)}: {each.error}" for each in failed)
        raise LinkError(f"{len(failed)} of {len(done)} boards failed:\n  " + "\n  ".join(lines))


def _of(outcome: Outcome) -> str:
    return f" ({outcome.device})" if outcome.device else ""


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


def _roles(plan: Plan) -> list[Role]:
    return [*plan.roles, *([plan.template] if plan.template else [])]


def _show_plan(plan: Plan, *, as_json: bool) -> None:
    show.rows(_ROLE_COLUMNS, _roles(plan), as_json=_role_record if as_json else None)


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

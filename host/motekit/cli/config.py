"""The command `motekit config`."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from motekit.cli import options, outcomes, plan_file, say
from motekit.configuration import apply as applying
from motekit.configuration import paths, saved, target
from motekit.configuration.lines import DirectLine
from motekit.configuration.outcome import Target
from motekit.configuration.rotation import WIFI
from motekit.errors import UsageError
from motekit.flasher import ports
from motekit.keys import Host, KeyStore
from motekit.provision import Records

DIFFERS = 3  # exit code of `plan --exit-code`

config = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Configuration as code: what boards have, what a file says, and from here to there.\n\n"
    "Example: motekit config plan fleet.toml --all",
)


@config.command("get")
def get(
    port: Annotated[str, typer.Argument(help="Where the board is.")],
    key: Annotated[
        str, typer.Argument(help="A part of it: name, sensors.adxl345.options.rate_hz.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="In one line.")] = False,
) -> None:
    """Print a board's configuration, or what stands at a key path of it.

    Example: motekit config get /dev/ttyUSB0 packet.samples
    """
    path = paths.parse(key) if key else ()
    with closing(DirectLine(ports.one(port), KeyStore.load(), Host())) as line:
        value = paths.get(line.ask("config.get", {}), path)
    indent = None if as_json else 2
    say.json_line(value, indent=indent, sort_keys=True)


@config.command("set")
def set_(
    port: Annotated[str, typer.Argument(help="Where the board is, or a pattern of ports.")],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="As name=roof.")
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", metavar="KEY", help="Remove this one.")
    ] = None,
    store: options.StoreOfUnsent = None,
    discard: options.Discard = False,
    as_json: options.Json = False,
) -> None:
    """Change a board's configuration: all of it or nothing, tried, and kept if the board is well.

    Example: motekit config set /dev/ttyUSB0 name=roof sensors.adxl345.options.rate_hz=100
    """
    chosen = [paths.setting(each) for each in settings or ()]
    removed = [paths.parse(each) for each in unset or ()]
    if not chosen and not removed:
        raise UsageError("nothing to change: name=roof or --unset site, for example")
    _apply(
        ports.named([port]),
        target.of_settings(chosen, removed),
        store,
        discard=discard,
        as_json=as_json,
    )


@config.command("plan")
def plan(
    file: options.Plan,
    names: options.Ports = None,
    all_: options.All = False,
    records: options.Records = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help=f"Exit with {DIFFERS} if anything would change.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.plan", help="Keep it, for `motekit config apply`."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show what would change on boards to be as their plan says; nothing is changed.

    With --out, what is shown is kept, without Wi-Fi, whose passwords would lie in the file; each
    board that has changed since refuses to be made so.

    Exit code 0, whether or not anything would change, unless --exit-code says otherwise; 1 if a
    board could not be read.

    Example: motekit config plan fleet.toml --all
    """
    if out is not None and out.suffix != saved.SUFFIX:
        raise UsageError(f"--out {out}: a name that ends in {saved.SUFFIX} expected")
    chosen = _role(file, records)
    done = applying.plan(ports.chosen(names, all_), chosen, KeyStore.load())
    outcomes.show(done, as_json=as_json)
    outcomes.fail(done)
    if out is not None:
        saved.save(out, done)
        if any(change.path[:1] == (WIFI,) for each in done for change in each.changes):
            say.err(f"Wi-Fi is not in {out}: apply {file} for that")
    if exit_code and any(each.state == "differs" for each in done):
        raise typer.Exit(DIFFERS)


@config.command("apply")
def apply(
    file: Annotated[
        Path, typer.Argument(help="What boards shall be: TOML, CSV, or a plan that was kept.")
    ],
    names: options.Ports = None,
    all_: options.All = False,
    records: options.Records = None,
    store: options.StoreOfUnsent = None,
    discard: options.Discard = False,
    as_json: options.Json = False,
) -> None:
    """Make boards as their plan says, all at once; each keeps it only if it is well with it.

    FILE.plan, which `motekit config plan --out` has kept, makes them as was shown then.

    Example: motekit config apply fleet.toml --all --store fleet.motekit
    """
    if file.suffix == saved.SUFFIX:
        chosen = saved.target(saved.load(file))
    else:
        chosen = _role(file, records)
    _apply(ports.chosen(names, all_), chosen, store, discard=discard, as_json=as_json)


def _role(file: Path, records: Path | None) -> Target:
    found = plan_file.load(file)
    return target.of_plan(found, target.noted(Records(records), found.fleet))


def _apply(
    wanted: list[str], chosen: Target, store: Path | None, *, discard: bool, as_json: bool
) -> None:
    step = outcomes.silent if as_json else outcomes.tell
    done = applying.apply(wanted, chosen, KeyStore.load(), store, step, discard=discard)
    outcomes.show(done, as_json=as_json)
    outcomes.fail(done)

"""The command `motekit backup`."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from motekit.cli import options, outcomes, show
from motekit.configuration import backup as taking
from motekit.configuration.backup import Taken, What
from motekit.configuration.lines import each
from motekit.errors import UsageError
from motekit.flasher import ports
from motekit.keys import KeyStore

SUFFIX = ".backup.json"
_PortsAndFile = Annotated[
    list[str],
    typer.Argument(
        metavar="[PORT..] FILE", help="Where the boards are; the file, or a folder for many."
    ),
]
_Files = Annotated[
    bool, typer.Option("--files", help="Also files that you have put there; it restarts.")
]
_Secrets = Annotated[
    bool, typer.Option("--secrets", help="Also keys and Wi-Fi passwords; it restarts.")
]


def backup(
    names: _PortsAndFile,
    all_: options.All = False,
    files: _Files = False,
    secrets: _Secrets = False,
    store: options.StoreOfUnsent = None,
    discard: options.Discard = False,
    as_json: options.Json = False,
) -> None:
    """Save what boards are configured to be, in a file with a checksum that `restore` takes.

    The configuration is asked for and nothing interrupted. With --files or --secrets the board's
    prompt is used and the board restarts; a file with secrets is for its owner alone (0600). A
    folder gets a file a board, named by its id.

    Example: motekit backup --all backups/
    """
    *listed, last = names
    if bool(listed) == all_:
        raise UsageError("name ports and then the file, or --all and a folder")
    wanted = ports.chosen(listed, all_)
    what = What(files, secrets, discard, store)
    place = _place(Path(last), last, wanted)
    key_store = KeyStore.load()
    done = each(wanted, lambda port: taking.one(port, place, what, key_store))
    show.rows(_COLUMNS, done, as_json=asdict if as_json else None)
    outcomes.fail_naming([(one.port, "", one.error) for one in done if one.error], len(done))


def _place(path: Path, typed: str, wanted: Sequence[str]) -> Callable[[str], Path]:
    """Return what tells the file of a board."""
    if path.is_dir() or typed.endswith("/") or len(wanted) > 1:
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path}: is a file; {len(wanted)} boards need a folder")
        if path.suffix == ".json" and not (path.exists() or typed.endswith("/")):
            raise UsageError(f"{path}: named like a file; {len(wanted)} boards need a folder")
        return lambda device: path / f"{device}{SUFFIX}"
    return lambda _device: path


_COLUMNS: show.Columns[Taken] = (
    show.Column("port", lambda one: one.port),
    show.Column("device", lambda one: one.device),
    show.Column("name", lambda one: one.name, spare=1),
    show.Column("state", lambda one: one.state),
    show.Column("file", lambda one: one.file, fold=True),
    show.Column("has", lambda one: ", ".join(one.files), fold=True),
    show.Column("", lambda one: "SECRET" if one.secrets else ""),
    show.Column("left out", lambda one: "; ".join(one.notes), fold=True, spare=2),
)

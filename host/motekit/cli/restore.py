"""The command `motekit restore`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from motekit.cli import outcomes
from motekit.configuration import backup_file
from motekit.configuration import restore as restoring
from motekit.configuration.restore import Options
from motekit.errors import LinkError
from motekit.flasher import ports
from motekit.keys import KeyStore


def restore(
    file: Annotated[Path, typer.Argument(help="What `motekit backup` has saved.")],
    port: Annotated[str, typer.Argument(help="Where the board is.")],
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            "-s",
            envvar="MOTEKIT_STORE",
            help="Collect what the board holds into this store, before it restarts and loses it.",
        ),
    ] = None,
    discard: Annotated[
        bool, typer.Option("--discard", help="Restart it even if packets of it are lost by that.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Bring a backup back onto a board, all of it or nothing, proven before it is kept.

    Onto another board than its own no keys are brought: that one keeps its identity. Nor do older
    keys come in the place of newer ones. A file that is damaged is refused as a whole.

    Example: motekit restore backups/a0b1c2d3e4f5.backup.json /dev/ttyUSB0
    """
    backup = backup_file.load(file)
    (name, *more) = ports.named([port])
    if more:
        raise LinkError(f"{port}: fits {1 + len(more)} ports; name one")
    step = outcomes.silent if as_json else outcomes.tell
    done = restoring.one(name, backup, KeyStore.load(), Options(discard, store), step)
    outcomes.show([done], as_json=as_json)
    if not as_json and done.device and done.device != backup.device:
        print(
            f"{backup.device} had this name, too: where it is out of service, `motekit replace`"
            " moves its role and its history",
            file=sys.stderr,
        )
    outcomes.fail([done])

"""The command `motekit restore`."""

from pathlib import Path
from typing import Annotated

import typer

from motekit.cli import options, outcomes, say
from motekit.configuration import backup_file
from motekit.configuration import restore as restoring
from motekit.configuration.restore import Options
from motekit.flasher import ports
from motekit.keys import KeyStore


def restore(
    file: Annotated[Path, typer.Argument(help="What `motekit backup` has saved.")],
    port: Annotated[str, typer.Argument(help="Where the board is.")],
    store: options.StoreOfUnsent = None,
    discard: options.Discard = False,
    as_json: options.Json = False,
) -> None:
    """Bring a backup back onto a board, all of it or nothing, proven before it is kept.

    Onto another board than its own no keys are brought: that one keeps its identity. Nor do older
    keys come in the place of newer ones. A file that is damaged is refused as a whole.

    Example: motekit restore backups/a0b1c2d3e4f5.backup.json /dev/ttyUSB0
    """
    backup = backup_file.load(file)
    name = ports.one(port)
    step = outcomes.silent if as_json else outcomes.tell
    done = restoring.one(name, backup, KeyStore.load(), Options(discard, store), step)
    outcomes.show([done], as_json=as_json)
    if not as_json and not done.failed and done.device != backup.device:
        say.err(
            f"{backup.device} had this name, too: where it is out of service, `motekit replace`"
            " moves its role and its history"
        )
    outcomes.fail([done])

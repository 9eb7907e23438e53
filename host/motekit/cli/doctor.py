"""The command `motekit doctor`."""

from dataclasses import asdict
from typing import Annotated

import typer

from motekit import board as boards
from motekit import doctor as doctors
from motekit.cli import options, say, show
from motekit.doctor import Finding
from motekit.flasher import ports
from motekit.rescue import states
from motekit.rescue.look import look
from motekit.rescue.states import Diagnosis


def doctor(
    port: Annotated[
        str | None, typer.Argument(metavar="PORT", help="The board at this port, in any state.")
    ] = None,
    board: options.BoardIfKnown = "",
    json: options.Json = False,
) -> None:
    """Tell what is missing on this machine, or wrong with a board, and the command that mends it.

    A firmware that answers goes on; where none does, the board is stopped to look at its files,
    and where that does not help, reset to look at its flash. Nothing is written. Exit code 1 if
    something needed is missing or wrong.

    Example: motekit doctor /dev/ttyUSB0
    """
    if port is None:
        findings = list(doctors.examine())
        show.rows(_COLUMNS, findings, as_json=asdict if json else None)
        if any(finding.state == doctors.MISSING for finding in findings):
            raise typer.Exit(1)
        return
    name = ports.one(port)
    chosen = boards.load(board) if board else None

    def step(what: str) -> None:
        if not json:
            say.err(f"{name}: {what}")

    rows = states.diagnose(look(name, chosen, on_step=step), chosen)
    show.rows(_DIAGNOSIS, rows, as_json=record if json else None)
    if not all(row.fine for row in rows):
        raise typer.Exit(1)


def record(row: Diagnosis) -> dict[str, object]:
    """Return a diagnosis for machines."""
    return {
        "port": row.port,
        "device": row.device or None,
        "board": row.board or None,
        "state": row.state,
        "found": row.found,
        "fix": row.fix or None,
        "mend": row.mend or None,
    }


_COLUMNS: show.Columns[Finding] = (
    show.Column("what", lambda finding: finding.what),
    show.Column("state", lambda finding: finding.state),
    show.Column("found", lambda finding: finding.found, fold=True),
    show.Column("fix", lambda finding: finding.fix, fold=True),
)
_DIAGNOSIS: show.Columns[Diagnosis] = (
    show.Column("port", lambda row: row.port, spare=1),
    show.Column("device", lambda row: row.device, spare=2),
    show.Column("state", lambda row: row.state),
    show.Column("found", lambda row: row.found, fold=True),
    show.Column("fix", lambda row: row.fix, fold=True),
)

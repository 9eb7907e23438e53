"""The command `motekit doctor`."""

from dataclasses import asdict
from typing import Annotated

import typer

from motekit import doctor as doctors
from motekit.cli import show
from motekit.doctor import Finding


def doctor(
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Tell what is missing on this machine, and the fix; exit code 1 if something needed is.

    Example: motekit doctor
    """
    findings = list(doctors.examine())
    show.rows(_COLUMNS, findings, as_json=asdict if json else None)
    if any(finding.state == doctors.MISSING for finding in findings):
        raise typer.Exit(1)


_COLUMNS: show.Columns[Finding] = (
    show.Column("what", lambda finding: finding.what),
    show.Column("state", lambda finding: finding.state),
    show.Column("found", lambda finding: finding.found, fold=True),
    show.Column("fix", lambda finding: finding.fix, fold=True),
)

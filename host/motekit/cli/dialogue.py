"""Questions on a terminal, on stderr; Ctrl-C at one ends the command as it does anywhere else.

typer takes Ctrl-C and the end of what is typed for a "no", with exit code 1.
"""

from typing import Any

import typer


def answer(question: str, **how: Any) -> str:
    """Return what is typed; options are those of typer.prompt."""
    try:
        return str(typer.prompt(question, err=True, **how))
    except typer.Abort as e:
        raise KeyboardInterrupt from e


def agreed(question: str, *, default: bool = False) -> bool:
    """Return whether the answer is yes."""
    try:
        return typer.confirm(question, default=default, err=True)
    except typer.Abort as e:
        raise KeyboardInterrupt from e


def agree(question: str, *, default: bool = False) -> None:
    """Go on if the answer is yes; typer.Abort, exit code 1, if it is no."""
    if not agreed(question, default=default):
        raise typer.Abort

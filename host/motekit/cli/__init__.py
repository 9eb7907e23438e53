"""The command line: one table of commands, and the one place that catches errors.

A command is one file: `cli/<command>.py` with a function of that name (or a typer.Typer, a group
of several), whose signature is its arguments and whose docstring is its help, one example
included. It is imported when it is asked for, so that start-up is quick and a missing extra breaks
its own command alone.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 141 nobody reads the output any more.
"""

import importlib
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from motefw.errors import MoteError
from motekit import __version__
from motekit.cli import say

INTERRUPTED = 130  # the exit code of a command that Ctrl-C ends
UNREAD = 141  # and of one whose reader has gone, as a shell tells of what SIGPIPE ends
COMMANDS = (
    ("collect", "motekit.cli.collect"),
    ("status", "motekit.cli.status"),
    ("tail", "motekit.cli.tail"),
    ("query", "motekit.cli.query"),
    ("export", "motekit.cli.export"),
    ("ports", "motekit.cli.ports"),
    ("boards", "motekit.cli.boards"),
    ("sensors", "motekit.cli.sensors"),
    ("firmware", "motekit.cli.firmware"),
    ("flash", "motekit.cli.flash"),
    ("station", "motekit.cli.station"),
    ("wifi", "motekit.cli.wifi"),
    ("config", "motekit.cli.config"),
    ("provision", "motekit.cli.provision"),
    ("keys", "motekit.cli.keys"),
    ("replace", "motekit.cli.replace"),
    ("backup", "motekit.cli.backup"),
    ("restore", "motekit.cli.restore"),
    ("gateway", "motekit.cli.gateway"),
    ("record", "motekit.cli.record"),
    ("sim", "motekit.cli.sim"),
    ("demo", "motekit.cli.demo"),
    ("doctor", "motekit.cli.doctor"),
    ("rescue", "motekit.cli.rescue"),
    ("setup", "motekit.cli.setup"),
)


def _load(name: str, module: str) -> Any:
    """Return the command of one row, or the group; a missing extra makes one that says so."""
    one = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    try:
        function = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as e:
        missing = e.name

        def function() -> None:
            raise MoteError(
                f"{name} needs the Python package {missing!r}, which is not installed here; "
                f"try: pip install {missing}"
            )

        function.__doc__ = f"(needs the Python package {missing!r})"
    if isinstance(function, typer.Typer):
        group = typer.main.get_command(function)
        group.name = name
        return group
    one.command(name)(function)
    return typer.main.get_command(one)


class Commands(TyperGroup):
    """The commands of the table, in its order, imported when asked for."""

    def main(self, *args: Any, **how: Any) -> Any:
        """Run a command; where the reader of our output has gone, end as other tools do."""
        try:
            return super().main(*args, **how)
        except SystemExit as e:
            if isinstance(e.__context__, BrokenPipeError):  # click would have it a failure
                _fall_silent()
                sys.exit(UNREAD)
            raise

    def list_commands(self, ctx: Any) -> list[str]:
        """Return all names, for --help and for suggestions."""
        del ctx
        return [name for name, _ in COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one command; None if there is none of that name."""
        del ctx
        for name, module in COMMANDS:
            if name == cmd_name:
                if name not in self.commands:
                    self.commands[name] = _load(name, module)
                return self.commands[name]
        return None


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        say.out(f"motekit {__version__}")
        raise typer.Exit


@app.callback()
def motekit(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_version, is_eager=True
    ),
) -> None:
    """Collect from fleets of sensor boards that run motefw."""


def _fall_silent() -> None:
    """See that nothing is left to be flushed at exit to whom it cannot reach."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run the command line: every fault of a user, a file or a board ends here, in one line."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _fall_silent()
        sys.exit(UNREAD)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except MoteError as e:
        say.err(f"motekit: {e}")
        sys.exit(getattr(e, "exit_code", 1))
    except OSError as e:
        where = f"{e.filename}: " if e.filename else ""
        say.err(f"motekit: {where}{e.strerror or e}")
        sys.exit(1)

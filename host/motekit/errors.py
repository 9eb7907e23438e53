"""Errors of the host; the command line catches the root, prints it and exits with its code."""

from motefw.errors import MoteError


class MotekitError(MoteError):
    """What went wrong, where, what was expected and what to try; exit code 1."""

    exit_code = 1


class UsageError(MotekitError):
    """What the user asked cannot be meant: a wrong argument, file or time range; exit code 2."""

    exit_code = 2


class ScenarioError(UsageError):
    """A scenario file that names something unknown or impossible."""


class BoardError(UsageError):
    """A board file, or a board name, that is wrong."""


class StoreError(MotekitError):
    """A store that is no store, is from a newer version, or cannot be written."""


class SchemaError(StoreError):
    """A channel table that a board announced and that cannot be believed."""


class LinkError(MotekitError):
    """A port or a board that cannot be talked to."""


class VmError(MotekitError):
    """No MicroPython VM that can run a virtual board."""

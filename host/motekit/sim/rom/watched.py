"""A chip model of the user's own, whose mistakes must not look like the sensor's."""

import io
import sys


class ModelError(Exception):
    """A model has raised what is no missing acknowledge: the mistake is in its file."""


class Watched:
    """Passes all on to a model; what that raises, but OSError, says that the model did it."""

    def __init__(self, model, file):
        self._model = model
        self._file = file

    def __getattr__(self, name):
        value = getattr(self._model, name)
        return _Call(value, self._file) if callable(value) else value


class _Call:
    def __init__(self, function, file):
        self._function = function
        self._file = file

    def __call__(self, *args):
        try:
            return self._function(*args)
        except (OSError, MemoryError):
            raise  # no acknowledge; or the board's own heap
        except Exception as error:
            told = _told(error, self._file)
        raise ModelError(told)


def _told(error, file):
    """Return where a model's mistake is, and what."""
    text = io.StringIO()
    sys.print_exception(error, text)
    lines = text.getvalue().strip().split("\n")
    where = [each.strip().split(", ", 1) for each in lines if each.startswith("  File ")]
    place = ", " + where[-1][-1] if where else ""
    return "the chip's model, {}{}: {}".format(file, place, lines[-1])

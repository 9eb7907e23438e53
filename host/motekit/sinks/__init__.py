"""Sinks: where an export goes. A new one is a file here and a row of SINKS in `export`.

A sink is made with (path, layout), takes `write(batch)` and puts the file in place at `close()`;
it is a context manager that leaves nothing behind when an error ends it.
"""

from .export import SINKS as SINKS
from .export import format_of as format_of
from .export import pour as pour

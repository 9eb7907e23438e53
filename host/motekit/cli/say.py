"""The one place where commands print: what others have written is shown there, and not obeyed.

Boards, networks and files of others may hold what a terminal takes for a command. So nothing here
prints but through these, and rich's tables and screens take texts that are `plain`.
"""

import json
import os
import sys
from typing import Any

from motekit.plain import escaped, plain


def out(text: str, end: str = "\n") -> None:
    """Print a result."""
    print(plain(text), end=end, flush=True)


def err(text: str) -> None:
    """Say something that is no result."""
    print(plain(text), file=sys.stderr, flush=True)


def no_more() -> None:
    """Let all results from here on go nowhere: who reads them has gone, or cannot take them."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def json_line(value: object, **how: Any) -> None:
    """Print a result for machines: JSON, in letters that do nothing to a terminal."""
    print(escaped(json.dumps(value, ensure_ascii=False, **how)), flush=True)

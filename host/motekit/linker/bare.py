"""Assignments of several values without brackets, which `ast.unparse` puts around each side.

`a, b = b, a` swaps two values on the VM's stack; of `(a, b) = (b, a)`, which means the same,
mpy-cross makes a tuple on the heap each time. Ref: MicroPython, py/compile.c, compile_expr_stmt.
"""

import ast
from collections.abc import Iterator


def bare(source: str) -> str:
    """Return a module, as `ast.unparse` wrote it, with no brackets around what is assigned."""
    data = source.encode()
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    brackets: set[int] = set()
    for side in _sides(ast.parse(source)):
        first = starts[side.lineno - 1] + side.col_offset
        if data[first] == ord("(") and side.elts[0].col_offset > side.col_offset:
            brackets |= {first, starts[_last(side.end_lineno)] + _last(side.end_col_offset)}
    return bytes(each for at, each in enumerate(data) if at not in brackets).decode()


def _sides(tree: ast.Module) -> Iterator[ast.Tuple]:
    """Yield what is on either side of assignments, where that is several values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for side in (*node.targets, node.value):
                if isinstance(side, ast.Tuple) and len(side.elts) > 1:
                    yield side


def _last(end: int | None) -> int:
    """Return the index before an end, which every node of a parsed module has."""
    return (end or 1) - 1

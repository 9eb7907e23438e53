"""Drivers in two halves for a board: what samples, and what only starts it.

A driver's class has tables and methods that nobody asks for while it samples: what options there
are, what channels, how to begin. Here the module of a driver becomes two: a new one has the class
with what sampling and `stop` reach, that of before a class of the same name derived from it, with
all the rest. A board that is short of heap lets go of the second once the sensor has started, and
loads it again for another start (see the firmware's `start`).

A driver that does not part so, since it derives from another's class or what samples needs what
starts, stays in one piece.
"""

import ast
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import cast

from motekit.linker import shorten

_FOLDER = "motefw/drivers/"
_TAKEN = 26  # names that the package of the drivers may have for its own
_HALF = "HALF"
_BASE = "Driver"
_SAMPLING_BASE = "Sampling"  # that of a driver's base
_START = {"__init__", "start", "configure", "identify", "channels"} | {
    *("ADDRESSES", "CHANNELS", "ID", "OPTIONS"),
}  # what only a start or a configuration asks for: see the firmware's `driver`
_SAMPLING = {"measure", "read", "pending", "drain", "stop"}
_TRAITS = {"BUS", "CODE", "FIFO", "STREAMING", "TIMED"}  # asked for all the time
_Member = ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign | ast.AnnAssign


class _WholeError(Exception):
    """A driver that does not part."""


def halve(sources: Mapping[str, str], own: Iterable[str]) -> dict[str, str]:
    """Return the sources of a board with each driver in two files that parts, but for `own`."""
    made: dict[str, str] = {}
    free = islice(shorten.private_names(), _TAKEN, None)
    for name, source in sources.items():
        made[name] = source
        if name.startswith(_FOLDER) and not name.endswith("__init__.py") and name not in own:
            file = f"{_FOLDER}{next(free)}.py"
            try:
                half, whole = _parted(ast.parse(source), file)
            except _WholeError:
                continue
            made[name] = ast.unparse(whole) + "\n"
            made[file] = ast.unparse(half) + "\n"
    return made


def _parted(tree: ast.Module, file: str) -> tuple[ast.Module, ast.Module]:
    """Return (what samples, to be in `file`, what starts) of a driver's module.

    Raises _WholeError if it does not part.
    """
    body = [node for node in tree.body if not _is_text(node)]
    driver = _driver(body)
    members = {member: node for node in driver.body for member in _names(node)}
    kept = _reached(members)
    rest = [node for node in body if node is not driver and "DRIVER" not in shorten.bound_in(node)]
    if any(isinstance(n, ast.Global) for node in body for n in ast.walk(node)):
        raise _WholeError
    half = _class(driver, [_SAMPLING_BASE], kept, keeps=True)
    whole = _class(driver, [driver.name, _BASE], kept, keeps=False)
    below = [*ast.parse(f"from motefw import {_SAMPLING_BASE}").body, *_needed(rest, half)]
    above = _needed(rest, whole)
    offered = [node for node in rest if _is_offered(node)]
    above = [node for node in rest if node in above or node in offered]
    shared = [each for node in below for each in _names(node) if node in above]
    module = file.removesuffix(".py").replace("/", ".")
    inherited = ast.ImportFrom(module, [ast.alias(each) for each in [driver.name, *shared]], 0)
    again = [node for node in above if node not in below]
    after = ast.parse(f"DRIVER = {driver.name}").body
    return (
        ast.fix_missing_locations(ast.Module([*below, half], [])),
        ast.fix_missing_locations(ast.Module([inherited, *again, whole, *after], [])),
    )


def _is_offered(node: ast.stmt) -> bool:
    """Tell whether other drivers may import what a statement makes."""
    made = not isinstance(node, ast.Import | ast.ImportFrom)
    return made and any(name[0] != "_" for name in _names(node))


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _driver(body: list[ast.stmt]) -> ast.ClassDef:
    """Return a module's only class, if that is a driver which derives from no other."""
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    simple = ast.Import | ast.ImportFrom | ast.Assign | ast.FunctionDef | ast.ClassDef
    match classes:
        case [ast.ClassDef(bases=[ast.Name(id=base)], decorator_list=[]) as driver]:
            if base == _BASE and all(isinstance(node, simple) for node in body):
                return driver
        case _:
            pass
    raise _WholeError


def _names(node: ast.stmt) -> list[str]:
    """Return what a statement of a module or class binds."""
    match node:
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [alias.asname or alias.name for alias in aliases]
        case ast.Assign(targets=targets):
            return [name for target in targets for name in shorten.names_in(target)]
        case ast.AnnAssign(target=target):
            return shorten.names_in(target)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case _ if _is_text(node):
            return []
        case _:
            raise _WholeError


def _reached(members: dict[str, ast.stmt]) -> set[str]:
    """Return the members that what samples needs, by whatever object it asks for such a name."""
    kept = {name for name in members if name in _TRAITS}
    waiting = [name for name in members if name in _SAMPLING]
    while waiting:
        name = waiting.pop()
        kept.add(name)
        asked = {n.attr for n in ast.walk(members[name]) if isinstance(n, ast.Attribute)}
        asked |= {n.id for n in ast.walk(members[name]) if isinstance(n, ast.Name)}
        if asked & _START:
            raise _WholeError
        waiting += [each for each in asked if each in members and each not in kept]
    bound = [n for m in members.values() for n in ast.walk(m) if isinstance(n, ast.Assign)]
    if any(
        isinstance(node.value, ast.Attribute) and _is_method(node.value, members) for node in bound
    ):
        raise _WholeError  # the object would hold a method of another
    return kept


def _is_method(node: ast.Attribute, members: dict[str, ast.stmt]) -> bool:
    own = isinstance(node.value, ast.Name) and node.value.id == "self"
    return own and isinstance(members.get(node.attr), ast.FunctionDef)


def _class(driver: ast.ClassDef, bases: list[str], kept: set[str], *, keeps: bool) -> ast.ClassDef:
    """Return the class with the members that are kept, or the rest of it."""
    body = [node for node in driver.body if _names(node) and (set(_names(node)) <= kept) == keeps]
    body += ast.parse(f"{_HALF} = {keeps}").body
    made = ast.parse(f"class {driver.name}({', '.join(bases)}): pass").body[0]
    made = cast("ast.ClassDef", made)
    made.body = body
    return made


def _needed(body: list[ast.stmt], wanted: ast.stmt) -> list[ast.stmt]:
    """Return the statements of a module that a class needs, in their order."""
    needed: list[ast.stmt] = []
    used = {n.id for n in ast.walk(wanted) if isinstance(n, ast.Name)}
    for node in reversed(body):
        if used & set(_names(node)):
            needed.insert(0, node)
            used |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return needed

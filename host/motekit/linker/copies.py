"""Small modules copied into those that use them: a module of its own has a price on a board.

A module takes three names that the board's heap keeps for ever, its own, that of its file and that
in its package, and some 250 bytes while it is loaded. What several modules that are loaded when
needed have in common, and nobody else uses, is copied into each: of it, what is used there.
"""

import ast
import copy
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from motekit.errors import MotekitError
from motekit.linker import shorten


class CopyError(MotekitError):
    """A module that cannot take another in."""


def copied(
    package: str, sources: Mapping[str, str], shared: Collection[str], users: Collection[str]
) -> dict[str, str]:
    """Return the sources of a package with its modules `shared` copied into its modules `users`.

    A shared module that nobody else asks for is left out. Modules are named without the package;
    the shared ones use each other in the order in which they are given, the later the earlier.
    """
    trees = {name: ast.parse(source) for name, source in sources.items()}
    for name in shared:
        file = f"{package}/{name}.py"
        for user in [*users, *shared]:
            if user != name and (path := f"{package}/{user}.py") in trees:
                _Copy(name, trees[file]).into(trees[path])
    asked = {
        source
        for file, tree in trees.items()
        for node in ast.walk(tree)
        for source in _modules(node)
        if file not in {f"{package}/{name}.py" for name in shared}
    }
    gone = {f"{package}/{name}.py" for name in shared if name not in asked}
    return {
        file: ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        for file, tree in trees.items()
        if file not in gone
    }


def _modules(node: ast.AST) -> list[str]:
    """Return the modules of the package that a node may ask for, by import or by name."""
    match node:
        case ast.ImportFrom(module=module, names=names):
            last = (module or "").rsplit(".", 1)[-1]
            return [last, *(alias.name for alias in names)]
        case ast.Call(func=ast.Attribute(attr="call"), args=[ast.Constant(value=str(name)), *_]):
            return [name]
        case _:
            return []


@dataclass
class _Copy:
    """A shared module on its way into others."""

    name: str
    tree: ast.Module

    def into(self, user: ast.Module) -> None:
        """Put what a module uses of this one into it, in place of its imports."""
        held, taken = self._imports(user)
        for node in ast.walk(user):
            match node:
                case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in held:
                    taken.setdefault(attr, attr)
                case _:
                    pass
        if not taken:
            return
        own = {n: node for node in self.tree.body for n in _bound(node)}
        imports = ast.Import | ast.ImportFrom
        new = {
            name: name if isinstance(node, imports) else f"_{self.name}_{name}"
            for name, node in own.items()
        }
        nodes = self._needed(taken, own)
        there = {
            name: ast.dump(part)
            for node in user.body
            for part in _parts(node)
            for name in _bound(part)
        }
        body: list[ast.stmt] = []
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                body += [part for part in _parts(node) if self._is_new(part, there)]
            else:
                body.append(_Renamer(new).visit(copy.deepcopy(node)))
        here = {bound: new[name] for name, bound in taken.items()}
        if any(isinstance(node, ast.arg) and node.arg in here for node in ast.walk(user)):
            raise CopyError(f"{self.name}: a parameter is called like something of it")
        _Users(held, new, here).visit(user)
        at = 1 + max(
            (i for i, n in enumerate(user.body) if isinstance(n, ast.Import | ast.ImportFrom)),
            default=-1,
        )
        user.body[at:at] = body

    def _is_new(self, part: ast.stmt, there: Mapping[str, str]) -> bool:
        """Tell whether an import is not there yet; CopyError if something else has its name."""
        (name,) = _bound(part)
        if there.get(name, ast.dump(part)) != ast.dump(part):
            raise CopyError(f"{self.name}: {name} is something else where it is copied to")
        return name not in there

    def _imports(self, user: ast.Module) -> tuple[set[str], dict[str, str]]:
        """Take the imports of this module out of one; return (its names, {name: name there})."""
        held: set[str] = set()
        taken: dict[str, str] = {}
        for body in _bodies(user):
            for node in [n for n in body if isinstance(n, ast.ImportFrom) and n.level]:
                if node.module == self.name:
                    taken.update((a.name, a.asname or a.name) for a in node.names)
                    node.names = []
                elif not node.module:
                    held |= {a.asname or a.name for a in node.names if a.name == self.name}
                    node.names = [a for a in node.names if a.name != self.name]
            body[:] = [n for n in body if not isinstance(n, ast.ImportFrom) or n.names]
        return held, taken

    def _needed(self, wanted: Iterable[str], own: Mapping[str, ast.stmt]) -> list[ast.stmt]:
        """Return the statements that define names, and what those need, in their order."""
        waiting, needed = list(wanted), set[ast.stmt]()
        while waiting:
            node = own.get(waiting.pop())
            if node is not None and node not in needed:
                needed.add(node)
                waiting += [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
        return [node for node in self.tree.body if node in needed]


def _bodies(tree: ast.Module) -> list[list[ast.stmt]]:
    """Return the bodies of a module and of its functions."""
    nodes = ast.walk(tree)
    return [n.body for n in nodes if isinstance(n, ast.Module | ast.FunctionDef)]


def _bound(node: ast.stmt) -> list[str]:
    match node:
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [alias.asname or alias.name for alias in aliases]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case _:
            return []


def _parts(node: ast.stmt) -> list[ast.stmt]:
    """Return an import of several names as one of each; others as they are."""
    if isinstance(node, ast.Import):
        return [ast.Import([alias]) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [ast.ImportFrom(node.module, [alias], node.level) for alias in node.names]
    return [node]


class _Renamer(ast.NodeTransformer):
    """Gives a module's own names their names in the copy; those of functions stay."""

    def __init__(self, new: Mapping[str, str]) -> None:
        self._new = dict(new)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._new.get(node.id, node.id)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._new.get(node.name, node.name)
        local = {n for each in ast.walk(node) for n in _locals(each)} - {node.name}
        inner = _Renamer({name: new for name, new in self._new.items() if name not in local})
        node.body = [inner.visit(each) for each in node.body]
        node.args = self.visit(node.args)
        return node


def _locals(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(ctx=ast.Store()) | ast.arg():
            return shorten.names_in(node)
        case ast.ExceptHandler(name=str(name)):
            return [name]
        case _:
            return []


class _Users(ast.NodeTransformer):
    """Has a module use the copy."""

    def __init__(self, held: set[str], new: Mapping[str, str], here: Mapping[str, str]) -> None:
        self._held = held
        self._new = new
        self._here = here

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        match node.value:
            case ast.Name(id=name) if name in self._held:
                return ast.Name(self._new[node.attr], node.ctx)
            case _:
                return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._here.get(node.id, node.id)
        return node

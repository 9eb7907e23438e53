"""Shorter private names for the firmware on a board, where each name takes heap for ever.

MicroPython keeps every name of loaded code once, as text: some 25 bytes each. A name that begins
with one underscore stays in its file (a lint rule, SLF001, holds that), so here each file has its
own numbered from `_a` on, and all files have the same few. So have parameters, unless a call
anywhere names one, or a text is the same. What `const` declares stands where it is used, in other
files too, and its name is gone: mpy-cross would do so for private ones alone.

The sources are what people read: with MOTEKIT_DEBUG set, nothing is renamed.
"""

import ast
import itertools
import string
from collections.abc import Collection, Iterator, Mapping


def shorten(sources: Mapping[str, str], own: Collection[str] = ()) -> dict[str, str]:
    """Return the sources of a program, by the same names, with shorter names in them.

    Files of `own` are the user's, which may do with any name what they like: they keep theirs,
    and a name that stands in them stays in all others. Raises SyntaxError for one that is no
    Python.
    """
    trees = {name: ast.parse(source) for name, source in sources.items()}
    spoken = {word for tree in trees.values() for node in ast.walk(tree) for word in _said(node)}
    _place_constants(trees)
    kept = {word for name in own for node in ast.walk(trees[name]) for word in names_in(node)}
    board = {name: tree for name, tree in trees.items() if name not in own}
    for tree in board.values():
        _shorten_parameters(tree, spoken | kept)
    for family in _families(board):
        _shorten_private(family, kept)
    return {name: ast.unparse(tree) + "\n" for name, tree in trees.items()}


def _families(trees: Mapping[str, ast.Module]) -> list[list[ast.Module]]:
    """Return the files in groups within which classes derive from such with private names.

    Those of both meet in one object, so they must be told apart in all of a group.
    """
    classes = {
        node.name: (name, node)
        for name, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    family = {name: {name} for name in trees}
    for name, node in classes.values():
        for home, base in _bases(node, classes):
            if any(_is_private(n) for each in ast.walk(base) for n in bound_in(each)):
                joined = family[home] | family[name]
                family.update(dict.fromkeys(joined, joined))
    groups = {min(names): names for names in family.values()}
    return [[trees[name] for name in sorted(groups[first])] for first in sorted(groups)]


def _bases(
    node: ast.ClassDef, classes: Mapping[str, tuple[str, ast.ClassDef]]
) -> Iterator[tuple[str, ast.ClassDef]]:
    """Yield the classes of the program that a class derives from, and their files."""
    for base in node.bases:
        found = classes.get(ast.unparse(base).rpartition(".")[2])
        if found and found[1] is not node:
            yield found
            yield from _bases(found[1], classes)


def _said(node: ast.AST) -> list[str]:
    """Return what may name a parameter: the keyword of a call, or a text that becomes one."""
    match node:
        case ast.keyword(arg=str(name)) | ast.Constant(value=str(name)):
            return [name]
        case _:
            return []


def _shorten_private(family: list[ast.Module], kept: set[str]) -> None:
    nodes = [node for tree in family for node in ast.walk(tree)]
    used = kept | {name for node in nodes for name in names_in(node)}
    plain = kept | {name for tree in family for node in tree.body for name in folded(node)}
    bound = [name for node in nodes for name in bound_in(node)]
    private = dict.fromkeys(name for name in bound if _is_private(name) and name not in plain)
    free = (name for name in private_names() if name not in used)
    short = dict(zip(private, free, strict=False))
    for node in nodes:
        _rename(node, short)


def _shorten_parameters(tree: ast.Module, keep: set[str]) -> None:
    """Rename parameters in each function and in what is defined within, the outermost first."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            within = list(ast.walk(function))
            used = {name for node in within for name in names_in(node)}
            fixed = {n for node in within if isinstance(node, ast.alias) for n in names_in(node)}
            own = [a.arg for a in function.args.args if a.arg != "self" and a.arg[0] != "_"]
            free = (name for name in map("_{}".format, itertools.count()) if name not in used)
            long = (name for name in own if name not in keep | fixed)
            short = dict(zip(long, free, strict=False))
            for node in ast.walk(function):
                if isinstance(node, ast.Name | ast.arg):
                    _rename(node, short)


def _is_private(name: str) -> bool:
    """Tell whether a name is a file's own; `_0`, `_1`... are parameters."""
    return len(name) > 1 and name[0] == "_" and name[1] != "_" and not name[1:].isdigit()


def private_names(letters: int = 1) -> Iterator[str]:
    """Return `_a` to `_Z`, then `_aa`...; or begin with those of more letters."""
    for length in itertools.count(letters):
        for each in itertools.product(string.ascii_letters, repeat=length):
            yield "_" + "".join(each)


def names_in(node: ast.AST) -> list[str]:
    """Return the names that stand in a node itself."""
    match node:
        case (
            ast.Name(id=name)
            | ast.Attribute(attr=name)
            | ast.FunctionDef(name=name)
            | ast.AsyncFunctionDef(name=name)
            | ast.ClassDef(name=name)
            | ast.arg(arg=name)
            | ast.keyword(arg=str(name))
        ):
            return [name]
        case ast.alias(name=name, asname=other):
            return [other or name]
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return names
        case _:
            return []


def bound_in(node: ast.AST) -> list[str]:
    """Return the names that a node gives a meaning to; what is imported has one elsewhere."""
    match node:
        case ast.Name(ctx=ast.Store()) | ast.Attribute(ctx=ast.Store()):
            return names_in(node)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return names_in(node)
        case _:
            return []


def folded(node: ast.AST) -> set[str]:
    """Return the name that `NAME = const(...)` defines; of private ones mpy-cross leaves none."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="const"))):
            return {name}
        case _:
            return set()


def _rename(node: ast.AST, short: dict[str, str]) -> None:
    match node:
        case ast.Name():
            node.id = short.get(node.id, node.id)
        case ast.Attribute():
            node.attr = short.get(node.attr, node.attr)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            node.name = short.get(node.name, node.name)
        case ast.arg():
            node.arg = short.get(node.arg, node.arg)
        case ast.keyword():
            node.arg = short.get(node.arg, node.arg) if node.arg else None
        case ast.Global() | ast.Nonlocal():
            node.names = [short.get(name, name) for name in node.names]
        case _:
            pass


def _place_constants(trees: Mapping[str, ast.Module]) -> None:
    """Put what constants stand for in place of them, in the files that import them, too."""
    values = {_stem(name): _constants(tree) for name, tree in trees.items()}
    imports = {name: list(_imports(tree)) for name, tree in trees.items()}
    for _ in trees:  # a module may pass on what it has from another
        for name, imported in imports.items():
            for source, alias in imported:
                if alias.name in values.get(source, {}):
                    values[_stem(name)][alias.name] = values[source][alias.name]
    for name, tree in trees.items():
        modules = {alias.name: values.get(alias.name, {}) for _, alias in imports[name]}
        _Constants(values[_stem(name)], modules).visit(tree)


def _imports(tree: ast.Module) -> Iterator[tuple[str, ast.alias]]:
    """Yield what a module imports by `from`: the module's last name, and each name from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield (node.module or "").rsplit(".", 1)[-1], alias


def _stem(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").rsplit("/", 1)[-1]


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Return what a file declares as `NAME = const(...)`; mpy-cross folds what is reckoned."""
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Name(id="const"), args=[ast.Constant() as value]),
            ):
                found[name] = value
            case _:
                pass
    return found


class _Constants(ast.NodeTransformer):
    """Replaces constants of a module (`here`) and of `modules`, and what declares them."""

    def __init__(self, here: dict[str, ast.expr], modules: dict[str, dict[str, ast.expr]]) -> None:
        self._here = here
        self._modules = modules

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._here.get(node.id, node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name):
            value = self._modules.get(node.value.id, {}).get(node.attr)
            if value:
                return value
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id in self._here:
            return None
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom | None:
        compat = (node.module or "").endswith("compat")
        gone = {*self._here, "const"} if compat else self._here
        node.names = [alias for alias in node.names if alias.name not in gone]
        return node if node.names else None

"""How `link` rewrites a module: its imports, and its names where they mean what is linked."""

import ast
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from motekit.errors import MotekitError

FOLDED = "const"  # mpy-cross leaves none of its calls
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class LinkerError(MotekitError):
    """Modules that cannot become one."""


@dataclass
class ModuleNames:
    """The names in a module's scope: its own, what it imports, what stands for a module."""

    own: set[str] = field(default_factory=set[str])
    imported: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    modules: dict[str, str] = field(default_factory=dict[str, str])
    outside: set[str] = field(default_factory=set[str])
    folded: set[str] = field(default_factory=set[str])


class _Names(Protocol):
    """What the linker knows of the modules of a package; see there."""

    package: str
    core: tuple[str, ...]
    rare: set[str]
    modules: dict[str, ModuleNames]

    def source(self, node: ast.ImportFrom, importer: str) -> str | None: ...
    def symbol(self, module: str, name: str) -> str: ...
    def bound(self, importer: str, module: str, name: str) -> str: ...
    def called(self, module: str) -> str: ...
    def listed(self, text: str) -> str | None: ...
    def pairs(self, node: ast.AST) -> list[tuple[ast.Constant, ast.Constant]]: ...


def scope(body: Iterable[ast.AST]) -> list[ast.AST]:
    """Return the nodes of a scope, without what is inside of functions and classes in it."""
    found: list[ast.AST] = []
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        found.append(node)
        if not isinstance(node, Function | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)
    return found


def bound_by(node: ast.AST) -> list[str]:
    """Return the names that a node binds in its scope."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
            return [name]
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return [name]
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [alias.asname or alias.name for alias in aliases]
        case _:
            return []


def alias_of(name: str, bound: str) -> ast.alias:
    """Return a name of an import, with what it is called here."""
    return ast.alias(name, None if name == bound else bound)


def silence(tree: ast.Module, names: Collection[str]) -> None:
    """Leave out the texts of the exceptions `names` that a module raises."""
    _Silencer(names).visit(tree)


def rewritten(linker: _Names, name: str, tree: ast.Module) -> ast.Module:
    """Return a module with the names that it and what it asks for have on the board."""
    return _Rewriter(linker, name).visit(tree)


class _Silencer(ast.NodeTransformer):
    """Leaves out the texts of exceptions."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        match node.exc:
            case ast.Call(func=ast.Name(id=name)) if name in self._names:
                node.exc = ast.Name(name, ast.Load())
            case _:
                pass
        return node


class _Rewriter(ast.NodeTransformer):
    """Rewrites one module: its imports, and its names where they mean what is linked."""

    def __init__(self, linker: _Names, name: str) -> None:
        self._linker = linker
        self._name = name
        self._is_core = name in linker.core
        self._is_known = self._is_core or name in linker.rare
        self._module = linker.modules[name]
        self._functions: list[set[str]] = []  # names of the functions around
        self._class: set[str] | None = None  # those of a class, right within it

    def _is_global(self, name: str) -> bool:
        own = self._class is not None and name in self._class
        return not own and not any(name in names for names in self._functions)

    def _symbol(self, module: str, name: str) -> str:
        """Return what a name of a core module, or of this one, is called here."""
        known = self._is_core or module == self._name
        symbol = (
            self._linker.symbol(module, name)
            if known
            else self._linker.bound(self._name, module, name)
        )
        if not self._is_global(symbol):
            raise LinkerError(f"{self._name}: a local {symbol} hides that of {module}")
        return symbol

    def _renamed(self, name: str) -> str:
        """Return what a name is called now, seen from where we are."""
        if not self._is_global(name):
            return name
        if name in self._module.imported and not self._is_core:
            return self._symbol(*self._module.imported[name])
        if not self._is_known or name not in self._module.own | {*self._module.imported}:
            return name
        return self._symbol(self._name, name)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if self._is_core and node.id == "__name__":
            return ast.Constant(f"{self._linker.package}.{self._name}")
        if self._module.modules.get(node.id) in self._linker.core and self._is_global(node.id):
            raise LinkerError(f"{self._name}: uses module {node.id} as a value")
        node.id = self._renamed(node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        match node.value:
            case ast.Name(id=held) if self._is_global(held):
                module = self._module.modules.get(held)
                if module in self._linker.core:
                    if not isinstance(node.ctx, ast.Load):
                        raise LinkerError(f"{self._name}: sets {node.attr} of module {held}")
                    return ast.Name(self._symbol(module, node.attr), node.ctx)
                if module in self._linker.rare:
                    node.attr = self._linker.symbol(module, node.attr)
                    return node
            case _:
                pass
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        source = self._linker.source(node, self._name)
        if source is None:
            return node
        node.names = [alias for alias in node.names if self._stays(source, alias)]
        if source in self._linker.core and source:
            node.module, node.level = self._linker.package, 0
            node.names = [self._taken(source, alias) for alias in node.names]
            return node if node.names else None
        if source in self._linker.rare:
            node.names = [self._taken(source, alias) for alias in node.names]
            node.module, node.level = self._linker.called(source), 1
            return node if node.names else None
        if not source:
            node.names = [self._module_as(alias) for alias in node.names]
        if self._is_core:  # it stands in the package itself now
            node.module, node.level = source or None, 1
        return node if node.names else None

    def _module_as(self, alias: ast.alias) -> ast.alias:
        """Return the import of a module by the name that it has on the board."""
        return alias_of(self._linker.called(alias.name), alias.asname or alias.name)

    def _taken(self, source: str, alias: ast.alias) -> ast.alias:
        """Return what is imported by the names that it has there and shall have here."""
        bound = alias.asname or alias.name
        asked = self._linker.bound(self._name, source, alias.name)
        if not self._functions and not self._is_core:
            bound = asked
        return alias_of(self._linker.symbol(source, alias.name), bound)

    def _stays(self, source: str, alias: ast.alias) -> bool:
        """Tell whether a name is still to be imported."""
        core = self._linker.core
        inner = f"{source}.{alias.name}".lstrip(".")
        linked = inner in core or (source in core and source != "")
        if linked and self._functions:
            raise LinkerError(f"{self._name}: imports {inner} within a function")
        if linked and self._is_core:
            return False
        return inner not in core and alias.name != FOLDED

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return self._told(node)

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        return self._told(node)

    def _told(self, node: ast.Call | ast.Tuple) -> ast.AST:
        """Have a text that names a function of a rare module give its name there."""
        for module, text in self._linker.pairs(node):
            text.value = self._linker.symbol(str(module.value), str(text.value))
            module.value = self._linker.called(str(module.value))
        match node:
            case ast.Call(
                func=ast.Attribute(attr="call"), args=[ast.Constant(value=str(name)), *_]
            ):
                node.args[0] = ast.Constant(self._linker.called(name))
            case _:
                pass
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str):
            node.value = self._linker.listed(node.value) or node.value
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        node.names = [self._linker.symbol(self._name, name) for name in node.names]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self._renamed(node.name)
        node.bases = [self.visit(base) for base in node.bases]
        around, self._class = self._class, {n for each in scope(node.body) for n in bound_by(each)}
        node.body = self._visited(node.body)
        self._class = around
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        return self._define(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._define(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._enter(node.args, [node.body])
        node.body = self.visit(node.body)
        self._functions.pop()
        return node

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.name = self._renamed(node.name)
        around = self._class
        self._enter(node.args, node.body)
        self._class = None
        node.body = self._visited(node.body)
        self._class = around
        self._functions.pop()
        return node

    def _enter(self, arguments: ast.arguments, body: Iterable[ast.AST]) -> None:
        """Rewrite a function's defaults, which are outside of its scope, and begin that."""
        arguments.defaults = [self.visit(each) for each in arguments.defaults]
        arguments.kw_defaults = [each and self.visit(each) for each in arguments.kw_defaults]
        names = {each.arg for each in ast.walk(arguments) if isinstance(each, ast.arg)}
        shared: set[str] = set()
        for node in scope(body):
            names |= set(bound_by(node))
            if isinstance(node, ast.Global):
                shared |= set(node.names)
        self._functions.append(names - shared)

    def _visited(self, body: list[ast.stmt]) -> list[ast.stmt]:
        return [new for new in map(self.visit, body) if new is not None]

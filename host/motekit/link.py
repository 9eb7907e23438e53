"""Link the modules that a board always needs into one, for the sake of its heap.

A module of its own takes some 350 bytes of a board's 64 KiB: its object, its two tables, its two
names, what it imports from others. Here the modules named become the package's `__init__`: one
after the other as they import each other, each name that no other module asks for made private
with its module's name in front, so that `shorten` and mpy-cross make it short or fold it away.
Functions that nothing on the board uses are left out. Modules that are loaded when needed stay
apart and import from the package what they imported from its modules.

What cannot be linked is an error here, when the firmware is compiled: a module used as a value,
two names for others to import that are the same, a local variable that hides one of them.
"""

import ast
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from itertools import chain, islice, pairwise

from motekit import shorten
from motekit.errors import MotekitError

_BUILTIN = "from builtins import len, max, memoryview, min"
_ONE_BYTE = 120  # names that bytecode has one byte for; a few are taken by every module
_PARAMETERS = 9  # that functions have: `_0` to `_8` are known in any case
_LETTERS = 52  # private names of one letter, which all files share
_METHODS = (
    "append clear close copy count endswith extend find format from_bytes get index insert "
    "isalpha isdigit islower isspace isupper items join keys little lower lstrip pop popitem read "
    "readinto readline remove replace reverse rfind rindex rsplit rstrip send setdefault sort "
    "split start startswith step stop strip throw to_bytes update upper value values write"
)  # of the built-in types: in .mpy files they are numbers, the same for all
_LISTED = 2  # modules make a list
_LONG = 4  # letters: what is shorter is as short as what would take its place
_FOLDED = "const"  # mpy-cross leaves none of its calls
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class LinkerError(MotekitError):
    """Modules that cannot become one."""


def link(
    package: str,
    sources: Mapping[str, str],
    core: Iterable[str],
    public: Mapping[str, Iterable[str]],
    rare: Collection[str] = (),
    silent: Collection[str] = (),
) -> dict[str, str]:
    """Return the sources of a package by their files' names, those of `core` in `__init__.py`.

    `core` has dotted names of modules within the package, `public` names in modules that anyone
    may import, from those of `core` as if they were there. Functions of `rare` modules are known
    to the package alone: by import, or by two texts side by side, the module's name and the
    function's; a text of nothing but such modules' names lists them. Those of which nothing is
    public get shorter names. What the core raises of the exceptions `silent` nobody reads: it
    does without its text. Raises LinkerError, and SyntaxError for what is no Python.
    """
    files = {_dotted(package, file): file for file in sources}
    trees = {name: ast.parse(sources[file]) for name, file in files.items()}
    for name in core:
        _Silencer(silent).visit(trees[name])
    linker = _Linker(package, trees, ("", *core), public, rare)
    rest = [name for name in trees if name not in linker.core]
    apart = {linker.file(files[name], name): linker.apart(name) for name in rest}
    all_trees = {files[""]: linker.together(), **apart}
    return {file: ast.unparse(tree) + "\n" for file, tree in all_trees.items()}


def _dotted(package: str, file: str) -> str:
    """Return "links.serial" for "motefw/links/serial.py", "" for the package itself."""
    inner = file.removeprefix(package + "/").removesuffix(".py")
    return inner.removesuffix("__init__").rstrip("/").replace("/", ".")


@dataclass
class _Module:
    """The names in a module's scope: its own, what it imports, what stands for a module."""

    own: set[str] = field(default_factory=set[str])
    imported: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    modules: dict[str, str] = field(default_factory=dict[str, str])
    outside: set[str] = field(default_factory=set[str])
    folded: set[str] = field(default_factory=set[str])


class _Linker:
    """All modules of a package, and what they call each other's names."""

    def __init__(
        self,
        package: str,
        trees: dict[str, ast.Module],
        core: tuple[str, ...],
        public: Mapping[str, Iterable[str]],
        rare: Collection[str],
    ) -> None:
        self.package = package
        self.trees = trees
        self.core = core
        self.rare = {name for name in rare if name in trees}
        self._listed = {*rare, *trees}
        self._public = public
        known = self._known()
        hidden = [name for name in rare if name in trees and name not in public]
        called = chain(map("_{}".format, range(_PARAMETERS)), known, shorten.private_names(3))
        self._called = {name: next(called) for name in hidden}
        self.modules = {name: self._survey(name) for name in trees}
        while sum(self._spared(name) for name in self.rare):
            self.modules = {name: self._survey(name) for name in trees}
        self._exported = self._exports()
        self._short: dict[tuple[str, str], str] = {}
        self._asked: set[str] = set()  # what of the core others import
        self._taken: dict[tuple[str, str, str], str] = {}
        self._free = {name: self._free_names(name) for name in trees if name not in core}
        letters = islice(shorten.private_names(), _LETTERS)
        self._free.update(dict.fromkeys(core, chain(letters, known, shorten.private_names(2))))
        self._kept = self._said()

    def file(self, file: str, name: str) -> str:
        """Return what the file of a module is called on the board."""
        called = self._called.get(name)
        return f"{file.removesuffix(f'{name}.py')}{called}.py" if called else file

    def called(self, module: str) -> str:
        """Return what a module is called on the board."""
        return self._called.get(module, module)

    def listed(self, text: str) -> str | None:
        """Return a list of modules with the names that they have; None if it is no such list."""
        words = text.split()
        if len(words) < _LISTED or not {*words} <= self._listed:
            return None
        names = " ".join(self.called(word) for word in words if word in self.trees)
        return text.replace(text.strip(), names)

    def source(self, node: ast.ImportFrom, importer: str) -> str | None:
        """Return the module within the package that an import is from; None: from outside."""
        parts = node.module.split(".") if node.module else []
        if not node.level:
            return ".".join(parts[1:]) if parts[:1] == [self.package] else None
        inner = importer.split(".") if importer else []
        is_package = not importer or any(name.startswith(importer + ".") for name in self.trees)
        kept = len(inner) + is_package - node.level
        return ".".join([*inner[:kept], *parts])

    def _spared(self, name: str) -> bool:
        """Leave out of a rare module what nobody on the board asks for; tell if there was any."""
        asked = {*self._public.get(name, ())}
        nodes = [node for tree in self.trees.values() for node in ast.walk(tree)]
        pairs = [pair for node in nodes for pair in self.pairs(node)]
        asked |= {str(text.value) for module, text in pairs if module.value == name}
        beside = {id(part) for pair in pairs for part in pair}
        for other, tree in self.trees.items():
            held = {n for n, module in self.modules[other].modules.items() if module == name}
            for node in ast.walk(tree):
                if id(node) in beside:
                    continue
                match node:
                    case ast.Attribute(value=ast.Name(id=module), attr=each) if module in held:
                        asked.add(each)
                    case ast.ImportFrom() if self.source(node, other) == name:
                        asked |= {alias.name for alias in node.names}
                    case ast.Constant(value=str(each)):
                        asked.add(each)
                    case ast.Name(id=each, ctx=ast.Load()) if other == name:
                        asked.add(each)
                    case _:
                        pass
        tree = self.trees[name]
        body = [kept for node in tree.body if (kept := _asked(node, asked))]
        gone = ast.dump(ast.Module(body, [])) != ast.dump(tree)
        tree.body = body
        return gone

    def _survey(self, name: str) -> _Module:
        module = _Module()
        for node in _scope(self.trees[name].body):
            module.folded |= shorten.folded(node)
            if not isinstance(node, ast.ImportFrom):
                names = module.outside if isinstance(node, ast.Import) else module.own
                names |= set(_bound(node))
                continue
            source = self.source(node, name)
            for alias in node.names:
                bound = alias.asname or alias.name
                inner = f"{source}.{alias.name}".lstrip(".")
                if source is None:
                    module.outside.add(bound)
                elif inner in self.trees:
                    module.modules[bound] = inner
                else:
                    module.imported[bound] = source, alias.name
        return module

    def origin(self, module: str, name: str) -> tuple[str, str]:
        """Return the module that a name comes from, and its name there."""
        names = self.modules[module]
        if name in names.imported:
            return self.origin(*names.imported[name])
        if name in names.own or name in names.outside:
            return module, name
        raise LinkerError(f"{self.package}.{module}: has no {name}")

    def symbol(self, module: str, name: str) -> str:
        """Return what a name of a core or rare module is called there."""
        module, name = self.origin(module, name)
        if not module or name in self.modules[module].outside:
            return name
        if self._exported.get(name) == module or module not in {*self.core, *self.rare}:
            return name
        if module in self.rare and (name in self._kept or len(name) < _LONG):
            return name
        if name in self.modules[module].folded:
            return f"_{module.replace('.', '_')}_{name}"
        if (module, name) not in self._short:
            self._short[module, name] = next(self._free[module])
        return self._short[module, name]

    def bound(self, importer: str, module: str, name: str) -> str:
        """Return what a module that stays apart calls what it has from another."""
        module, name = self.origin(module, name)
        symbol = self.symbol(module, name)
        if symbol == name:
            self._asked.add(name)
            return name
        self._asked.add(symbol)
        if (importer, module, name) not in self._taken:
            self._taken[importer, module, name] = next(self._free[importer])
        return self._taken[importer, module, name]

    def _known(self) -> Iterator[str]:
        """Return names that every MicroPython has, and that mean nothing in the core."""
        nodes = [node for name in self.core for node in ast.walk(self.trees[name])]
        given = {name for node in nodes for name in _given(node)} | {*self._listed}
        return (name for name in _METHODS.split() if name not in given)

    def _free_names(self, module: str) -> Iterator[str]:
        """Return short names that do not stand in a module yet."""
        used = {name for node in ast.walk(self.trees[module]) for name in shorten.names_in(node)}
        return (name for name in shorten.private_names() if name not in used)

    def _said(self) -> set[str]:
        """Return the texts that may name a function, but for those beside their module's name."""
        nodes = [node for tree in self.trees.values() for node in ast.walk(tree)]
        texts = [n for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        beside = {id(text) for node in nodes for _, text in self.pairs(node)}
        return {str(text.value) for text in texts if id(text) not in beside}

    def pairs(self, node: ast.AST) -> list[tuple[ast.Constant, ast.Constant]]:
        """Return (text that names a rare module, text that names its function) in a node."""
        match node:
            case ast.Call(args=values) | ast.Tuple(elts=values):
                pass
            case _:
                return []
        found: list[tuple[ast.Constant, ast.Constant]] = []
        for value, beside in pairwise(values):
            match value, beside:
                case ast.Constant(value=str(module)), ast.Constant(value=str(name)):
                    if module in self.rare and name in self.modules[module].own:
                        found.append((value, beside))
                case _:
                    pass
        return found

    def taken(self, name: str) -> dict[str, set[str]]:
        """Return which names of which core modules a module imports or reaches for."""
        module = self.modules[name]
        found = {core: set[str]() for core in self.core}
        for source, each in module.imported.values():
            if source in found and each != _FOLDED:
                found[source].add(each)
        for node in ast.walk(self.trees[name]):
            match node:
                case ast.Attribute(value=ast.Name(id=held), attr=each):
                    if module.modules.get(held) in found:
                        found[module.modules[held]].add(each)
                case _:
                    pass
        return found

    def _exports(self) -> dict[str, str]:
        """Return {name: core module that it is of} of all that is asked for from outside."""
        wanted = {self.origin(m, name) for m in self._public for name in self._public[m]}
        wanted |= {(m, name) for m in self.core for name in self._raised(m)}
        exports: dict[str, str] = {}
        for module, name in sorted(wanted):
            if name in self.modules[module].outside:
                continue
            if exports.setdefault(name, module) != module:
                raise LinkerError(f"{name}: others import it from {exports[name]} and {module}")
            if name in self.trees:
                raise LinkerError(f"{module}: {name} is the name of a module, too")
        return exports

    def _raised(self, module: str) -> set[str]:
        """Return the exceptions that a module defines: messages name them."""
        found = {"Exception"}
        for node in self.trees[module].body:
            if isinstance(node, ast.ClassDef) and {ast.unparse(b) for b in node.bases} & found:
                found.add(node.name)
        return found - {"Exception"}

    def together(self) -> ast.Module:
        """Return the core modules as one."""
        uses = {name: self.taken(name) for name in self.core}
        graph = {name: {core for core in uses[name] if uses[name][core]} for name in self.core}
        # A builtin is looked for among the module's names first: with a hundred of them in a table
        # that is nearly full, to find that it is not there takes as long as 20 bytecodes.
        body = ast.parse(_BUILTIN).body
        for name in TopologicalSorter(graph).static_order():
            body += _Rewriter(self, name).visit(self.trees[name]).body
        names = [f"{self.package}.{name}" for name in self._public if name in self.core]
        modules = "__import__('sys').modules"
        alias = f"{modules}.update(dict.fromkeys({names}, {modules}[{self.package!r}]))"
        body += ast.parse(alias).body
        body = self._needed(_once(body))
        return ast.fix_missing_locations(ast.Module([_most_used_first(body), *body], []))

    def _needed(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Return the statements without functions and classes that nobody on the board uses."""
        while True:
            nodes = [node for each in body for node in ast.walk(each)]
            used = {node.id for node in nodes if isinstance(node, ast.Name)}
            used |= self._asked | {*self._exported}
            kept = [each for each in body if getattr(each, "name", None) in {*used, None}]
            if len(kept) == len(body):
                return body
            body = kept

    def apart(self, name: str) -> ast.Module:
        """Return a module that is loaded when needed: core names come from the package."""
        module = self.modules[name]
        held = set(module.modules.values())
        taken = self.taken(name).items()
        wanted = {
            self.bound(name, core, each): self.symbol(core, each)
            for core, names in taken
            for each in names
            if core in held
        }
        if {*wanted} & (module.own | module.outside):
            raise LinkerError(f"{name}: has a name of its own like one that it takes: {wanted}")
        tree = _Rewriter(self, name).visit(self.trees[name])
        if wanted:
            names = [_alias(wanted[each], each) for each in sorted(wanted)]
            tree.body.insert(0, ast.ImportFrom(self.package, names, 0))
        return ast.fix_missing_locations(tree)


def _asked(node: ast.stmt, asked: set[str]) -> ast.stmt | None:
    """Return a statement of a module if one of its names is asked for, or it has none."""
    if isinstance(node, ast.ImportFrom):
        names = [each for each in node.names if (each.asname or each.name) in asked]
        return ast.ImportFrom(node.module, names, node.level) if names else None
    bound = set(_bound(node))
    return None if bound and not bound & asked else node


def _given(node: ast.AST) -> list[str]:
    """Return the names in a node that may mean something in its module."""
    return [] if isinstance(node, ast.Attribute) else shorten.names_in(node)


def _alias(name: str, bound: str) -> ast.alias:
    return ast.alias(name, None if name == bound else bound)


def _most_used_first(body: list[ast.stmt]) -> ast.stmt:
    """Return a statement that does nothing but name what functions name most.

    A module's names are numbered as they come, and bytecode has one byte for each of the first
    128, two for the others.
    """
    uses: Counter[str] = Counter()
    for function in (node for each in body for node in ast.walk(each)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            own = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
            own |= {name for node in _scope(function.body) for name in _bound(node)}
            for node in ast.walk(function):
                match node:
                    case ast.Attribute(attr=name) | ast.arg(arg=name):
                        uses[name] += 1
                    case ast.Name(id=name) if name not in own:
                        uses[name] += 1
                    case _:
                        pass
    names = [name for name, _ in uses.most_common(_ONE_BYTE)]
    return ast.parse(f"if not __name__:\n    {'.'.join(['__name__', *names])}").body[0]


def _once(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements without imports that were there before, and without docstrings."""
    kept: dict[str, ast.stmt] = {}
    for i, node in enumerate(body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            kept.setdefault(ast.unparse(node), node)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            kept[str(i)] = node
    return list(kept.values())


def _scope(body: Iterable[ast.AST]) -> list[ast.AST]:
    """Return the nodes of a scope, without what is inside of functions and classes in it."""
    found: list[ast.AST] = []
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        found.append(node)
        if not isinstance(node, _Function | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)
    return found


def _bound(node: ast.AST) -> list[str]:
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

    def __init__(self, linker: _Linker, name: str) -> None:
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
        return _alias(self._linker.called(alias.name), alias.asname or alias.name)

    def _taken(self, source: str, alias: ast.alias) -> ast.alias:
        """Return what is imported by the names that it has there and shall have here."""
        bound = alias.asname or alias.name
        asked = self._linker.bound(self._name, source, alias.name)
        if not self._functions and not self._is_core:
            bound = asked
        return _alias(self._linker.symbol(source, alias.name), bound)

    def _stays(self, source: str, alias: ast.alias) -> bool:
        """Tell whether a name is still to be imported."""
        core = self._linker.core
        inner = f"{source}.{alias.name}".lstrip(".")
        linked = inner in core or (source in core and source != "")
        if linked and self._functions:
            raise LinkerError(f"{self._name}: imports {inner} within a function")
        if linked and self._is_core:
            return False
        return inner not in core and alias.name != _FOLDED

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
        around, self._class = self._class, {n for each in _scope(node.body) for n in _bound(each)}
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
        for node in _scope(body):
            names |= set(_bound(node))
            if isinstance(node, ast.Global):
                shared |= set(node.names)
        self._functions.append(names - shared)

    def _visited(self, body: list[ast.stmt]) -> list[ast.stmt]:
        return [new for new in map(self.visit, body) if new is not None]

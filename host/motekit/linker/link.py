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
from graphlib import TopologicalSorter
from itertools import chain, islice, pairwise

from motekit.linker import shorten
from motekit.linker.rewriter import (
    FOLDED,
    LinkerError,
    ModuleNames,
    alias_of,
    bound_by,
    rewritten,
    scope,
    silence,
)

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
        silence(trees[name], silent)
    linker = _Linker(package, trees, ("", *core), public, rare)
    rest = [name for name in trees if name not in linker.core]
    apart = {linker.file(files[name], name): linker.apart(name) for name in rest}
    all_trees = {files[""]: linker.together(), **apart}
    return {file: ast.unparse(tree) + "\n" for file, tree in all_trees.items()}


def _dotted(package: str, file: str) -> str:
    """Return "links.serial" for "motefw/links/serial.py", "" for the package itself."""
    inner = file.removeprefix(package + "/").removesuffix(".py")
    return inner.removesuffix("__init__").rstrip("/").replace("/", ".")


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
        while self._spare():
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

    def _spare(self) -> bool:
        """Leave out of rare modules what nobody on the board asks for; tell if there was any."""
        asked = self._asked_for()
        gone = False
        for name, names in asked.items():
            tree = self.trees[name]
            body = [kept for node in tree.body if (kept := _asked(node, names))]
            gone |= ast.dump(ast.Module(body, [])) != ast.dump(tree)
            tree.body = body
        return gone

    def _asked_for(self) -> dict[str, set[str]]:
        """Return what may be asked for of each rare module; a text may name anything in any."""
        asked = {name: {*self._public.get(name, ())} for name in self.rare}
        said: set[str] = set()
        others: set[str] = set()  # what nobody asks a rare module for
        for other, tree in self.trees.items():
            held = self.modules[other].modules
            nodes = list(ast.walk(tree))
            pairs = [pair for node in nodes for pair in self.pairs(node)]
            for module, text in pairs:
                asked[str(module.value)].add(str(text.value))
            beside = {id(part) for pair in pairs for part in pair}
            for node in nodes:
                match node:
                    case ast.Attribute(value=ast.Name(id=module), attr=each):
                        asked.get(held.get(module, ""), others).add(each)
                    case ast.ImportFrom():
                        source = self.source(node, other) or ""
                        asked.get(source, others).update(alias.name for alias in node.names)
                    case ast.Constant(value=str(each)) if id(node) not in beside:
                        said.add(each)
                    case ast.Name(id=each, ctx=ast.Load()) if other in asked:
                        asked[other].add(each)
                    case _:
                        pass
        return {name: names | said for name, names in asked.items()}

    def _survey(self, name: str) -> ModuleNames:
        module = ModuleNames()
        for node in scope(self.trees[name].body):
            module.folded |= shorten.folded(node)
            if not isinstance(node, ast.ImportFrom):
                names = module.outside if isinstance(node, ast.Import) else module.own
                names |= set(bound_by(node))
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
            if source in found and each != FOLDED:
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
        graph = {name: [core for core in uses[name] if uses[name][core]] for name in self.core}
        # A builtin is looked for among the module's names first: with a hundred of them in a table
        # that is nearly full, to find that it is not there takes as long as 20 bytecodes.
        body = ast.parse(_BUILTIN).body
        for name in TopologicalSorter(graph).static_order():
            body += rewritten(self, name, self.trees[name]).body
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
            for each in sorted(names)  # what is compiled anywhere is the same
            if core in held
        }
        if {*wanted} & (module.own | module.outside):
            raise LinkerError(f"{name}: has a name of its own like one that it takes: {wanted}")
        tree = rewritten(self, name, self.trees[name])
        if wanted:
            names = [alias_of(wanted[each], each) for each in sorted(wanted)]
            tree.body.insert(0, ast.ImportFrom(self.package, names, 0))
        return ast.fix_missing_locations(tree)


def _asked(node: ast.stmt, asked: set[str]) -> ast.stmt | None:
    """Return a statement of a module if one of its names is asked for, or it has none."""
    if isinstance(node, ast.ImportFrom):
        names = [each for each in node.names if (each.asname or each.name) in asked]
        return ast.ImportFrom(node.module, names, node.level) if names else None
    bound = set(bound_by(node))
    return None if bound and not bound & asked else node


def _given(node: ast.AST) -> list[str]:
    """Return the names in a node that may mean something in its module."""
    return [] if isinstance(node, ast.Attribute) else shorten.names_in(node)


def _most_used_first(body: list[ast.stmt]) -> ast.stmt:
    """Return a statement that does nothing but name what functions name most.

    A module's names are numbered as they come, and bytecode has one byte for each of the first
    128, two for the others.
    """
    uses: Counter[str] = Counter()
    for function in (node for each in body for node in ast.walk(each)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            own = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
            own |= {name for node in scope(function.body) for name in bound_by(node)}
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

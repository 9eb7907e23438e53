"""Fewer names for the firmware on a board: attributes that never meet in one object share one.

Each name takes some 15 bytes of a board's heap for ever: its text, its place in the table of names
and in that of each module. `shorten` gives files the same few private names; here the attributes
that its modules know of each other get them, too, as far as nobody else can know them. Names that
drivers, ports and files of the user's own use or find in the classes they are handed keep theirs,
and so do those of the language's own objects, and any that stands in a text as well.
"""

import ast
import asyncio
import gc
import hashlib
import io
import json
import sys
import time
from array import array
from collections.abc import Collection, Iterator, Mapping

from motekit.linker import shorten

_OTHERS: tuple[object, ...] = (
    *(b"", bytearray(), memoryview(b""), "", 0, 0.0, (), [], {}, {0}, array("i")),
    *(asyncio, asyncio.Event, asyncio.Task, asyncio.StreamReader, Exception(), OSError()),
    *(gc, hashlib, hashlib.sha256(), io.BytesIO(), json, sys, sys.stdin, time),
)
_RADIO = ("active", "config", "connect", "disconnect", "ifconfig", "isconnected", "scan", "status")
_NAMES = 10  # letters: a longer text is no name for MicroPython
FOREIGN = frozenset(name for each in _OTHERS for name in dir(each)) | {*_RADIO}


def merge(
    sources: Mapping[str, str], inside: Collection[str], open_classes: Collection[str]
) -> dict[str, str]:
    """Return the sources of a program, by the same names, with fewer names of attributes.

    `inside` are the files whose attributes nobody else knows, but for those of `open_classes`.
    """
    trees = {name: ast.parse(source) for name, source in sources.items()}
    within = [tree for name, tree in trees.items() if name in inside]
    kept = {word for name in trees if name not in inside for word in _words(trees[name])}
    classes = [node for tree in within for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in classes:
        if node.name in open_classes:
            kept |= set(_attributes(node))
    for tree in within:
        kept |= {name for node in tree.body for name in shorten.bound_in(node)}
        kept |= {word for node in ast.walk(tree) for word in _said(node)}
        kept |= {alias.name for alias in _aliases(tree)}
    short = _share(_families(classes), kept | FOREIGN)
    for tree in within:
        _Renamer(short).visit(tree)
    return {name: ast.unparse(tree) + "\n" for name, tree in trees.items()}


def _words(tree: ast.Module) -> Iterator[str]:
    """Yield all that a file outside may use: its names and attributes."""
    for node in ast.walk(tree):
        yield from shorten.names_in(node)
        yield from _said(node)


def _said(node: ast.AST) -> Iterator[str]:
    """Yield what stands in a text: it may become a name, and is held as one in any case."""
    match node:
        case ast.Constant(value=str(text)) if text.isidentifier() and len(text) <= _NAMES:
            yield text
        case ast.keyword(arg=str(name)):
            yield name
        case _:
            pass


def _aliases(tree: ast.Module) -> list[ast.alias]:
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    return [alias for node in imports for alias in node.names]


def _attributes(node: ast.ClassDef) -> Iterator[str]:
    """Yield the attributes that a class gives its objects."""
    for each in node.body:
        yield from shorten.bound_in(each)
        for inner in ast.walk(each):
            match inner:
                case ast.Assign(targets=targets):
                    yield from (n for t in targets for n in shorten.bound_in(t))
                case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                    yield name
                case _:
                    pass


def _families(classes: list[ast.ClassDef]) -> list[set[str]]:
    """Return the attributes of each class with those of the classes that it derives from."""
    own = {node.name: node for node in classes}
    families: list[set[str]] = []
    for node in classes:
        waiting, names = [node], set[str]()
        while waiting:
            each = waiting.pop()
            names |= set(_attributes(each))
            waiting += [own[b.id] for b in each.bases if isinstance(b, ast.Name) and b.id in own]
        families.append(names)
    return families


def _share(classes: list[set[str]], kept: Collection[str]) -> dict[str, str]:
    """Return short names for attributes, such that no two of a class have the same."""
    meets: dict[str, set[str]] = {}
    for names in classes:
        for name in names:
            meets.setdefault(name, set()).update(names)
    short: dict[str, str] = {}
    for name in sorted(meets, key=lambda name: (-len(meets[name]), name)):
        if name in kept or name.startswith("_"):
            continue
        taken = {short.get(other, other) for other in meets[name]}
        short[name] = next(n for n in shorten.private_names() if n not in taken)
    return short


class _Renamer(ast.NodeTransformer):
    """Renames attributes where they are used, and methods where they are defined."""

    def __init__(self, short: dict[str, str]) -> None:
        self._short = short

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self._short.get(node.attr, node.attr)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        for each in node.body:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                each.name = self._short.get(each.name, each.name)
        return self.generic_visit(node)

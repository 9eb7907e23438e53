"""Brackets that go from assignments, and change nothing but what mpy-cross makes of them."""

import ast
from pathlib import Path

import pytest

from motekit.linker.bare import bare

MODULES = sorted((Path(__file__).parents[1] / "firmware" / "motefw").rglob("*.py"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("(x, y) = (y, x)\n", "x, y = y, x\n"),
        ("é = 1\n(a, b) = ((1, 2), (3, 4))\n", "é = 1\na, b = (1, 2), (3, 4)\n"),
        ("((a, b), c) = d\n", "(a, b), c = d\n"),
        ("(a, b), c = d\n", "(a, b), c = d\n"),
        ("(a,) = (b,)\n", "(a,) = (b,)\n"),
        ("(a, b)[0] = (1, 2)[1]\n", "(a, b)[0] = (1, 2)[1]\n"),
        ("a = (b, c) = f((1, 2))\n", "a = b, c = f((1, 2))\n"),
        ("def f():\n    (a, b) = (f'{(1, 2)}', '(')\n", "def f():\n    a, b = f'{(1, 2)}', '('\n"),
    ],
)
def test_brackets_go_from_both_sides_alone(written, expected):
    assert bare(written) == expected


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_firmware_means_the_same(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.dump(ast.parse(bare(ast.unparse(tree)))) == ast.dump(tree)
